//! The ways in which telephones and PBXs call, and the calls that are not taken.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;

use aftercall::signalling::Transport;
use aftercall_wire::codec::Codec::{self, Pcma, Pcmu};

use super::caller::{Caller, Keys, Line, refused};
use super::sipp::Sipp;
use super::surveys;

const RATED_2: &str = "please_rate you_rated digit_2 satisfied thank_you";
const RATED_2_LATER: &str = "please_rate invalid_key please_rate you_rated digit_2 satisfied thank_you";

const USUAL: Line = Line { codec: Pcmu, events: 101, ptime_ms: 20 };

const fn line(codec: Codec, events: u8, ptime_ms: u32) -> Line {
    Line { codec, events, ptime_ms }
}

#[test]
fn every_telephone_is_heard_and_hears() {
    let site = surveys::site();
    let server = site.start();
    thread::scope(|scope| {
        for (name, scenario, line) in [
            ("only-pcma", "caller_stays", line(Pcma, 101, 20)),
            ("lowest-dynamic-type", "caller_stays", line(Pcmu, 96, 20)),
            ("highest-dynamic-type", "caller_stays", line(Pcma, 127, 20)),
            ("packets-of-10-ms", "caller_stays", line(Pcmu, 101, 10)),
            ("packets-of-30-ms", "caller_stays", line(Pcma, 97, 30)),
            ("packets-of-40-ms", "caller_stays", line(Pcmu, 101, 40)),
            ("packets-of-60-ms", "caller_stays", line(Pcmu, 101, 60)),
            ("no-offer", "caller_offers_nothing", USUAL),
            ("no-offer-pcma", "caller_offers_nothing", line(Pcma, 101, 20)),
        ] {
            let server = &server;
            scope.spawn(move || {
                let caller = Caller::new(server, name, "csat-survey", scenario).line(line);
                assert_eq!(caller.call("p 9 p 2"), RATED_2_LATER, "{name}");
                assert_eq!(server.record(name), "4 completed", "{name}");
                let rating = server.rating(name).unwrap();
                let about = (&rating["agent_id"], &rating["queue_id"]);
                assert_eq!(about, (&"agent1001".into(), &"sales".into()), "{name}");
            });
        }
    });
    server.stop();
}

#[test]
fn keys_by_sip_info_count_in_every_usual_form() {
    let site = surveys::site();
    let server = site.start();
    thread::scope(|scope| {
        for (name, info_type, body) in [
            ("relay", "application/dtmf-relay", "Signal=2\n      Duration=160"),
            ("relay-with-blanks", "application/dtmf-relay", "Signal= 2\n      Duration= 160"),
            ("bare", "application/dtmf", "2"),
            ("telephone-event", "audio/telephone-event", "2"),
            (
                "nortel",
                "application/vnd.nortelnetworks.digits",
                "p=Digit-Collection\n      y=Digits\n      d=2",
            ),
        ] {
            let server = &server;
            scope.spawn(move || {
                let caller =
                    Caller::new(server, name, "csat-survey", "caller_informs").keys(Keys::ByScenario);
                let caller = caller.scenario(|sipp| sipp.with("BODY", body).key("info_type", info_type));
                assert_eq!(caller.call("p 2"), RATED_2, "{name}");
                assert_eq!(server.record(name), "4 completed", "{name}");
            });
        }
    });
    server.stop();
}

#[test]
fn a_press_in_the_audio_counts_once_whether_events_follow_it_or_not() {
    let site = surveys::site().rtp("inband_after_seconds = 0\n");
    let server = site.start();
    thread::scope(|scope| {
        for (name, keys, line) in [
            ("tones", Keys::Tones, USUAL),
            ("tones-by-a-law", Keys::Tones, line(Pcma, 101, 30)),
            ("tones-then-events", Keys::TonesThenEvents, USUAL),
        ] {
            let server = &server;
            scope.spawn(move || {
                let caller = Caller::new(server, name, "two-questions", "caller_stays").line(line).keys(keys);
                caller.call("2 p 3");
                assert_eq!(server.answers(name), ["nps=3", "rating=satisfied"], "{name}");
            });
        }
    });
    server.stop();
    let site = surveys::site();
    let server = site.start();
    let caller = Caller::new(&server, "waits", "csat-survey", "caller_stays").keys(Keys::Tones);
    assert_eq!(caller.call("p 2").split(' ').next_back(), Some("goodbye"), "ten seconds have not passed");
    server.stop();
}

#[test]
fn what_the_call_says_of_a_survey_s_own_variables_leads_the_caller() {
    // Nobody is asked but those of whom the PBX says something, or who were diverted from 4711.
    let fork = r#"version = 1
languages = ["en"]
variables = ["vip"]
[[step]]
id = "fork"
type = "branch"
otherwise = "thanks"
[[step.when]]
variable = "vip"
is = "gold"
goto = "happy"
[[step.when]]
variable = "called"
is = "4711"
goto = "happy"
[[step]]
id = "happy"
type = "ask"
kind = "yes_no"
say = "opt_in"
[[step]]
id = "thanks"
type = "end"
say = "thank_you"
"#;
    let site = surveys::site().survey("with-variable", fork);
    let server = site.start();
    thread::scope(|scope| {
        for (name, said, script, heard) in [
            ("gold", "X-Survey-Vip: gold", "p 1", "opt_in thank_you"),
            ("in-the-data", "User-to-User: vip=gold", "p 1", "opt_in thank_you"),
            ("silver", "X-Survey-Vip: silver", "", "thank_you"),
            ("diverted", "Diversion: <sip:a@pbx>, <sip:4711@pbx>", "p 1", "opt_in thank_you"),
            ("nothing", "X-Other: gold", "", "thank_you"),
        ] {
            let server = &server;
            scope.spawn(move || {
                let caller = Caller::new(server, name, "with-variable", "caller_stays");
                let caller = caller.scenario(|sipp| {
                    sipp.with("Max-Forwards: 70", &format!("Max-Forwards: 70\n      {said}"))
                });
                assert_eq!(caller.call(script), heard, "{name}");
            });
        }
    });
    server.stop();
}

#[test]
fn on_hold_nothing_is_played_and_no_time_runs_and_afterwards_the_prompt_begins_again() {
    let site = surveys::site();
    let server = site.start();
    let again = RATED_2.replace("please_rate", "please_rate please_rate");
    thread::scope(|scope| {
        for (name, script, held, heard) in [
            ("during-the-question", "h b p 2", "sendonly", again.as_str()),
            ("while-a-key-is-awaited", "p h b p 2", "inactive", &again),
            (
                "during-the-confirmation",
                "p 2 h b thank_you",
                "sendonly",
                "please_rate you_rated you_rated digit_2 satisfied thank_you",
            ),
        ] {
            let server = &server;
            scope.spawn(move || {
                let caller = Caller::new(server, name, "csat-survey", "caller_holds");
                let caller = caller.scenario(|sipp| sipp.with("HELD", held));
                assert_eq!(caller.call(script), heard, "{name}");
                assert_eq!(server.record(name), "4 completed", "{name}");
            });
        }
    });
    server.stop();
}

#[test]
fn what_is_not_taken_is_refused_with_its_status_and_recorded_with_its_reason() {
    let quiet = "[[queue]]\nname = \"quiet\"\n[queue.after_call]\ncsat_enabled = false\n";
    let site = surveys::site().tables(quiet);
    let server = site.start();
    refused(&server, "no-codec", "488", |sipp| sipp.with("[rtp_format]", "18").with("[rtp_codec]", "G729"));
    refused(&server, "disabled", "603", |sipp| sipp.with("[queue]", "quiet"));
    refused(&server, "unwanted", "603", |sipp| sipp.with("[wanted]", "no"));
    for (call, record) in [
        ("no-codec", "- failed no_codec"),
        ("disabled", "- suppressed disabled"),
        ("unwanted", "- suppressed requested"),
    ] {
        assert_eq!(server.record(call), record, "{call}");
    }
    assert_eq!(server.metric("aftercall_calls_refused_total"), 3);
    server.stop();
}

#[test]
fn a_stranger_is_refused_and_where_strangers_may_call_their_ids_do_not_count() {
    let peers = "peers = [{ from = \"10.0.0.0/8\" }]\n";
    let site = surveys::site().sip(peers);
    let server = site.start();
    refused(&server, "stranger", "403", |sipp| sipp);
    assert_eq!(server.offer("stranger"), None);
    server.stop();

    let site = surveys::site().sip(peers).sip("open = true\n");
    let server = site.start();
    let heard = Caller::new(&server, "stranger", "csat-survey", "caller_stays").call("p 2");
    assert_eq!((heard.as_str(), server.record("sip-stranger").as_str()), (RATED_2, "4 completed"));
    let rating = server.rating("sip-stranger").unwrap();
    assert!(rating["agent_id"].is_null() && rating["queue_id"].is_null(), "{rating}");
    assert_eq!(server.offer("stranger"), None);
    server.stop();
}

#[test]
fn a_queue_or_a_route_chooses_the_survey() {
    let tables = "[[queue]]\nname = \"sales\"\n[queue.after_call]\ncsat_enabled = true\ncsat_ivr = \"two-questions\"\n\
        [[route]]\nname = \"extension\"\nmatch = { to_user = \"^7\\\\d+$\" }\napplication = \"ivr:with-change\"\n";
    let site = surveys::site().tables(tables);
    let server = site.start();
    let by_queue = Caller::new(&server, "by-queue", "csat-survey", "caller_stays").call("p 1 p 9");
    assert_eq!(by_queue, "please_rate nps_question thank_you");
    assert_eq!(server.answers("by-queue"), ["nps=9", "rating=very_satisfied"]);
    let caller = Caller::new(&server, "by-route", "7001", "caller_stays");
    let by_route = caller.queue("support").call("p 1");
    assert_eq!(by_route, "please_rate you_rated digit_1 very_satisfied press_1_to_change thank_you");
    assert_eq!(server.rating("by-route").unwrap()["survey"], "with-change");
    server.stop();
}

#[test]
fn who_asks_whether_the_server_is_there_is_told() {
    let site = surveys::site();
    let server = site.start();
    for (transport, address) in [(Transport::Udp, server.udp), (Transport::Tcp, server.tcp)] {
        Sipp::new("asks_options", address).over(transport).args(["-s", "anyone"]).run();
    }
    server.stop();
}

#[test]
fn a_caller_who_rates_the_same_agent_often_is_noted_and_not_refused() {
    let site = surveys::site();
    let server = site.start();
    let flags = |number: u32| {
        let call = format!("again-{number}");
        Caller::new(&server, &call, "csat-survey", "caller_stays").call("p 1");
        assert_eq!(server.record(&call), "5 completed");
        server.rating(&call).unwrap()["flags"].to_string()
    };
    let noted: Vec<_> = (1..=4).map(flags).collect();
    assert_eq!(noted, ["[]", "[]", "[]", r#"["same_caller"]"#]);
    server.stop();
}

#[test]
fn a_call_that_is_never_acknowledged_is_hung_up_and_recorded() {
    let site = surveys::site();
    let server = site.start();
    assert_eq!(Caller::new(&server, "mute", "csat-survey", "caller_never_acknowledges").call(""), "");
    assert_eq!(server.record("mute"), "- failed no_ack");
    server.stop();
}

#[test]
fn a_spoken_comment_is_kept_beside_the_rating_however_it_ends() {
    let site = surveys::site();
    let server = site.start();
    thread::scope(|scope| {
        for (call, script, comment) in [
            ("by-key", "p 2 beep p v #", true),
            ("by-a-pause", "p 2 beep p v ~", true),
            ("nothing", "p 2 beep ~", false),
        ] {
            let (site, server) = (&site, &server);
            scope.spawn(move || {
                let heard = Caller::new(server, call, "with-comment", "caller_stays").call(script);
                assert_eq!(heard, "please_rate leave_comment beep thank_you", "{call}");
                assert_eq!(server.record(call), "4 completed", "{call}");
                let answers = server.answers(call);
                assert_eq!(answers.last().unwrap(), "rating=satisfied", "{call}");
                let file = answers[0].strip_prefix("comment=");
                assert_eq!(file.is_some(), comment, "{call}: {answers:?}");
                let samples = file.map(|file| {
                    let wav = hound::WavReader::open(site.folder().join("data").join(file)).unwrap();
                    wav.into_samples::<i16>().map(Result::unwrap).collect::<Vec<_>>()
                });
                let loud = samples.iter().flatten().filter(|sample| sample.unsigned_abs() > 8_000).count();
                assert_eq!(loud > 7_000, comment, "{call}: {loud} samples of speech");
            });
        }
    });
    // It is for its owner's ears only, and goes with the rating.
    let file = server.answers("by-key")[0]
        .strip_prefix("comment=")
        .map(|file| site.folder().join("data").join(file));
    let file = file.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(server.erase("by-key"), 204);
    assert!(!file.exists(), "{}", file.display());
    assert!(file.parent().unwrap().read_dir().unwrap().count() == 1, "the other caller's stays");
    server.stop();
}

#[test]
fn a_call_without_sound_or_without_end_is_hung_up_and_recorded() {
    let site = surveys::site().sip("max_call_seconds = 3\n").rtp("silence_seconds = 1\n");
    let server = site.start();
    thread::scope(|scope| {
        scope.spawn(|| {
            let endless = Caller::new(&server, "endless", "csat-survey", "caller_stays");
            assert_eq!(endless.call("p ~ p"), "please_rate no_key please_rate");
        });
        // Nobody sends anything from the port that its SDP names.
        let mute = Caller::new(&server, "mute", "csat-survey", "caller_stays").keys(Keys::Mute);
        assert_eq!(mute.call(""), "please_rate");
        scope.spawn(|| {
            // What is being spoken when the time is up is kept: it was said.
            let talker = Caller::new(&server, "talker", "with-comment", "caller_stays");
            assert_eq!(talker.call("p 2 beep p v"), "please_rate leave_comment beep");
        });
    });
    assert!(server.record("talker").starts_with("4 "), "{}", server.record("talker"));
    let answers = server.answers("talker");
    let file = answers[0].strip_prefix("comment=recordings/").unwrap_or_else(|| panic!("{answers:?}"));
    assert!(site.folder().join("data/recordings").join(file).exists());
    assert_eq!(server.record("endless"), "- failed duration");
    assert_eq!(server.record("mute"), "- failed rtp_timeout");
    server.stop();
}
