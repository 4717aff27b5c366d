//! What the generator says of servers that behave, and of those that do not.

use std::time::Duration;

use aftercall_bench::call::Plan;
use aftercall_bench::clock::Clock;
use aftercall_bench::generator::{Generator, Line, Pace};
use aftercall_bench::keys::Keys;
use aftercall_bench::load;
use aftercall_bench::seen::Heard;
use aftercall_bench::signalling;

use crate::server::{Manner, Server};

/// Every test calls from ports of its own, since they run at the same time.
fn line(server: &Server, ports: &str) -> Line {
    Line {
        target: server.address,
        user: "csat-survey".to_owned(),
        ports: ports.to_owned(),
        run: "test".to_owned(),
    }
}

fn keys() -> Keys {
    "1,2,3".parse().unwrap()
}

/// Nine callers who have the question repeated now and then, and rate.
fn nine_calls(manner: Manner, ports: &str) -> Heard {
    let server = Server::start(manner);
    let mut generator = Generator::new(line(&server, ports), Clock::start()).unwrap();
    let keys = keys();
    let plan = move |caller| Plan::Rate {
        key: keys.of(caller),
        hold: Some(Duration::from_millis(900)),
        stay: Duration::from_millis(400),
    };
    let now = generator.clock().now();
    generator.place_calls(Pace::new(100.0, 9, now), plan);
    let all = Duration::from_secs(20);
    generator.run(now + all, |generator| generator.seen.placed == 9).unwrap();
    generator.stop_placing();
    generator.run(now + all, |generator| generator.on() == 0).unwrap();
    assert_eq!(generator.on(), 0);
    generator.seen.heard()
}

fn endings(heard: &Heard) -> Vec<(&str, u64)> {
    heard.endings.iter().map(|(ending, count)| (ending.as_str(), *count)).collect()
}

#[test]
fn calls_that_go_well_are_rated_and_without_fault() {
    let heard = nine_calls(Manner::Good, "50100-50199");
    assert_eq!(endings(&heard), [("rated, and the server hung up", 9)]);
    let counts =
        (heard.placed, heard.answered, heard.rated, heard.unexpected, heard.wrong_endings, heard.not_taken);
    assert_eq!(counts, (9, 9, 9, 0, 0, 0));
    assert_eq!(heard.streams.faults(), 0, "{:?}", heard.streams);
    assert_eq!((heard.answered_after.count, heard.first_packet_after.count), (9, 9));
    assert_eq!(heard.lateness.count, heard.streams.packets);
}

#[test]
fn an_invite_that_got_lost_is_sent_again_and_the_call_is_made() {
    let heard = nine_calls(Manner::LosesTheFirstInvite, "50200-50299");
    assert_eq!(endings(&heard), [("rated, and the server hung up", 9)]);
    assert!(heard.sent_again >= 9, "{}", heard.sent_again);
}

#[test]
fn calls_that_were_refused_are_told_apart_from_those_that_went_wrong() {
    let heard = nine_calls(Manner::Refuses { every: 3 }, "50300-50399");
    assert_eq!(endings(&heard), [("rated, and the server hung up", 6), ("refused with 503", 3)]);
    assert_eq!((heard.wrong_endings, heard.not_taken, heard.answered), (3, 3, 6));
}

#[test]
fn a_server_that_hangs_up_too_early_is_told() {
    let heard = nine_calls(Manner::HangsUpEarly, "50400-50499");
    assert_eq!(endings(&heard), [("the server hung up before the rating", 9)]);
    assert_eq!((heard.wrong_endings, heard.not_taken), (9, 0));
}

#[test]
fn packets_that_are_missing_are_counted() {
    let heard = nine_calls(Manner::LosesPackets, "50500-50599");
    assert_eq!(heard.streams.faults(), heard.streams.lost);
    assert!(heard.streams.lost >= 9 * 4, "{:?}", heard.streams);
}

#[test]
fn requests_without_use_are_counted_and_spoil_nothing() {
    let heard = nine_calls(Manner::AsksForOptions, "50600-50699");
    assert_eq!((endings(&heard), heard.unexpected), (vec![("rated, and the server hung up", 9)], 9));
}

fn load_of_eight(manner: Manner, ports: &str) -> anyhow::Result<load::Outcome> {
    let server = Server::start(manner);
    let ms = Duration::from_millis;
    load::run(&load::Order {
        line: line(&server, ports),
        server: Some(std::process::id()),
        calls: 8,
        rate: 100.0,
        round: ms(700),
        rounds: 2,
        keys: keys(),
        hold: None,
        stay: ms(300),
        rehearsal: ms(2500),
        settles: ms(200),
        count_syscalls: false,
    })
}

#[test]
fn a_load_learns_the_prompt_holds_its_calls_and_ends_them_all() {
    let outcome = load_of_eight(Manner::Good, "50700-50799").unwrap();
    assert_eq!(outcome.prompt_seconds, Some(2.0));
    assert_eq!(endings(&outcome.whole), [("rated, and the server hung up", 8)]);
    assert_eq!((outcome.stuck, outcome.rounds.len()), (0, 2));
    // Each caller had the question repeated at least four times in the rounds alone, and rated.
    let whole = &outcome.whole;
    assert!(whole.cut_after.count >= 8 * 4, "{:?}", whole.cut_after);
    assert_eq!(whole.keys_unheard, 0);
    for round in &outcome.rounds {
        assert!(round.heard.endings.is_empty(), "nobody leaves while it is measured");
        assert!(round.cost.server.is_some());
    }
}

#[test]
fn keys_that_cut_nothing_are_told() {
    let outcome = load_of_eight(Manner::TalksOn, "50800-50899").unwrap();
    assert!(outcome.whole.keys_unheard > 0, "{:?}", outcome.whole);
    assert_eq!(endings(&outcome.whole), [("rated, and the server hung up", 8)]);
}

#[test]
fn a_server_that_takes_no_calls_is_said_so_at_once() {
    let fault = load_of_eight(Manner::Refuses { every: 1 }, "51100-51199").unwrap_err().to_string();
    assert!(fault.starts_with("the server does not take calls: refused with 503"), "{fault}");
}

#[test]
fn the_highest_rate_is_the_last_one_that_was_not_refused() {
    for (manner, ports, highest, steps) in
        [(Manner::Good, "50900-50999", 40.0, 2), (Manner::Refuses { every: 3 }, "51000-51099", 0.0, 1)]
    {
        let server = Server::start(manner);
        let outcome = signalling::run(&signalling::Order {
            line: line(&server, ports),
            server: None,
            rate: 20.0,
            factor: 2.0,
            rate_max: 40.0,
            step: Duration::from_millis(500),
            keys: keys(),
        })
        .unwrap();
        assert_eq!((outcome.highest_rate, outcome.steps.len()), (highest, steps), "{manner:?}");
        assert_eq!(outcome.found_the_limit, manner != Manner::Good);
        assert!(outcome.steps.iter().all(|step| step.stuck == 0 && step.heard.unexpected == 0));
    }
}
