//! The command line, through the real binary.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use aftercall_core::{Score, TenantId};
use aftercall_store::{Actor, NewRating, RatedAt, Store, Write};
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};

use crate::folder::Folder;

/// The id of a key that nobody made.
const KEY_ID: &str = "01a202cf-5994-719f-b717-1866d37544c8";

fn aftercall(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aftercall"));
    command.current_dir(folder).env_clear().args(line.split_whitespace());
    command
}

fn run(folder: &Path, line: &str) -> (i32, String, String) {
    let Output { status, stdout, stderr } = aftercall(folder, line).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn check_says_what_is_wrong_and_exits_with_2() {
    let folder = Folder::new();
    let check = |line: &str| run(folder.path(), line);
    let (code, out, err) = check("check");
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "fine: built-in defaults, 1 survey\n"));

    std::fs::write(folder.path().join("aftercall.toml"), "[rtp]\nport = 1\n").unwrap();
    let (code, out, err) = check("check");
    let fault = "aftercall.toml:2:1: unknown key \"port\" (did you mean \"ports\"?)\n";
    assert_eq!((code, out.as_str(), err.as_str()), (2, fault, ""));
    assert_eq!(check("serve").0, 2);
    assert_eq!(check("check --config nowhere.toml").0, 2);

    std::fs::write(folder.path().join("site.toml"), "[sip]\nexternal_ip = \"${MY_IP}\"\n").unwrap();
    let unset = "site.toml:2:1: `external_ip` needs the environment variable `MY_IP`, which is not set\n";
    assert_eq!(check("check --config site.toml"), (2, unset.to_owned(), String::new()));
    let set =
        aftercall(folder.path(), "check --config site.toml").env("MY_IP", "203.0.113.5").status().unwrap();
    assert_eq!(set.code(), Some(0));

    std::fs::create_dir(folder.path().join("surveys")).unwrap();
    std::fs::write(folder.path().join("surveys/mine.toml"), "version = 1\nstpe = 1\n").unwrap();
    std::fs::write(folder.path().join("aftercall.toml"), "").unwrap();
    let (code, out, _) = check("check");
    assert_eq!(code, 2);
    assert!(out.starts_with("surveys/mine.toml:"), "{out}");
}

#[test]
fn check_holds_what_the_configuration_names_against_what_is_there() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("here")).unwrap();
    for (config, expected) in [
        ("", ""),
        (
            "default_survey = \"csat-survye\"",
            "1:1: there is no survey \"csat-survye\" (did you mean \"csat-survey\"?): `surveys_dir` has one a file",
        ),
        ("default_language = \"pt-BR\"", ""),
        (
            "default_language = \"tlh\"",
            "1:1: no survey speaks \"tlh\"; known here: ar, de, en, es, fr, hi, it, pt, ru, zh",
        ),
        (
            "[[route]]\nname = \"a\"\nmatch = {}\napplication = \"ivr:csat-survey\"\nlanguage = \"nl\"",
            "5:1: no survey speaks \"nl\"; known here: ar, de, en, es, fr, hi, it, pt, ru, zh",
        ),
        (
            "[[queue]]\nname = \"a\"\nlanguage = \"de-AT\"\n[[queue]]\nname = \"b\"\nlanguage = \"pl\"",
            "6:1: no survey speaks \"pl\"; known here: ar, de, en, es, fr, hi, it, pt, ru, zh",
        ),
        ("surveys_dir = \"here\"\nprompts_dir = \"here\"", ""),
        ("surveys_dir = \"survey\"", "1:1: `surveys_dir`: there is no folder survey"),
        (
            "surveys_dir = \"here\"\nprompts_dir = \"/no/where\"",
            "2:1: `prompts_dir`: there is no folder /no/where",
        ),
        (
            "[http]\ntls = { cert = \"no.pem\", key = \"no.key\" }",
            "2:1: [http] tls: no.pem: No such file or directory (os error 2)",
        ),
        (
            "[sip]\nlisten = [\"tls://127.0.0.1:5061\"]\ntls = { cert = \"no.pem\", key = \"no.key\" }",
            "3:1: [sip] tls: no.pem: No such file or directory (os error 2)",
        ),
    ] {
        std::fs::write(folder.path().join("aftercall.toml"), config).unwrap();
        let (code, out, _) = run(folder.path(), "check");
        let (status, lines) = match expected {
            "" => (0, String::new()),
            fault => (2, format!("aftercall.toml:{fault}\n")),
        };
        assert_eq!((code, out), (status, lines), "{config}");
    }
    assert_eq!(run(folder.path(), "serve").0, 2, "as `check` says");
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[test]
fn check_advises_on_surveys_and_recordings_that_nobody_reads() {
    let folder = Folder::new();
    for file in [
        "surveys/.mine.toml.swp",
        "surveys/README.md",
        "surveys/good.TOML",
        "surveys/mine.json",
        "surveys/mine.toml.bak",
        "surveys/old/mine.toml",
        "surveys/other.tml",
        "prompts/DE/yes.wav",
        "prompts/en/.hidden",
        "prompts/en/digit_7.WAV",
        "prompts/en/Readme.txt",
        "prompts/en/old/thank_you.wav",
        "prompts/en/pleas_rate.wav",
        "prompts/en/thank_you.mp3",
        "prompts/make/yes.txt",
        "prompts/nl/yes.wav",
        "prompts/texts.toml",
        "prompts/yes.wav",
    ] {
        let file = folder.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "").unwrap();
    }
    let expected = [
        "prompts/DE:1:1: advice: no survey speaks \"DE\" (did you mean \"de\"?): nobody hears this folder",
        "prompts/en/digit_7.WAV:1:1: advice: nobody reads this: a recording is a file NAME.wav (did you mean \"wav\"?)",
        "prompts/en/pleas_rate.wav:1:1: advice: no survey plays \"pleas_rate\" in \"en\" (did you mean \"please_rate\"?)",
        "prompts/en/thank_you.mp3:1:1: advice: nobody reads this: a recording is a file NAME.wav",
        "prompts/nl:1:1: advice: no survey speaks \"nl\": nobody hears this folder",
        "prompts/yes.wav:1:1: advice: nobody reads this: a recording is LANGUAGE/NAME.wav",
        "surveys/good.TOML:1:1: advice: nobody reads this: a survey is a file NAME.toml (did you mean \"toml\"?)",
        "surveys/mine.json:1:1: advice: nobody reads this: a survey is a file NAME.toml",
        "surveys/mine.toml.bak:1:1: advice: nobody reads this: a survey is a file NAME.toml",
        "surveys/other.tml:1:1: advice: nobody reads this: a survey is a file NAME.toml (did you mean \"toml\"?)",
    ];
    let (code, out, err) = run(folder.path(), "check");
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    assert_eq!((code, err.as_str()), (0, "fine: built-in defaults, 1 survey\n"), "advice is no fault");
    let (_, out, _) = run(folder.path(), "doctor");
    assert!(out.contains(&format!("warn  files           {}", expected[0])), "{out}");
}

#[test]
fn a_recording_that_a_survey_plays_in_a_language_of_its_own_is_no_stray() {
    let folder = Folder::new();
    let survey = "version = 1\nlanguages = [\"nl\"]\nlanguage = \"nl\"\n[prompt.why]\nnl = \"Waarom?\"\n\n\
        [[step]]\nid = \"a\"\ntype = \"say\"\nsay = \"why\"\n";
    for (file, text) in [
        ("surveys/mine.toml", survey),
        ("prompts/nl/why.wav", ""),
        ("prompts/nl/yes.wav", ""),
        ("prompts/en/why.wav", ""),
    ] {
        let file = folder.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let (_, out, _) = run(folder.path(), "check");
    let advice: Vec<&str> = out.lines().filter(|line| line.contains("advice: ")).collect();
    assert_eq!(advice, ["prompts/en/why.wav:1:1: advice: no survey plays \"why\" in \"en\""]);
}

#[test]
fn check_does_not_ask_what_a_faulty_survey_would_have_spoken() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("surveys")).unwrap();
    std::fs::write(folder.path().join("surveys/mine.toml"), "version = 1\nlanguage = \"nl\"\n").unwrap();
    std::fs::write(folder.path().join("aftercall.toml"), "default_language = \"nl\"\n").unwrap();
    let (code, out, _) = run(folder.path(), "check");
    assert_eq!(code, 2);
    assert!(out.starts_with("surveys/mine.toml:") && out.lines().count() == 1, "{out}");
}

#[test]
fn check_names_every_prompt_that_cannot_be_played_where_it_is_used() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("surveys")).unwrap();
    let survey = "version = 1\n[prompt.why]\nen = \"Why?\"\n[prompt.thank_you]\nen = \"Bye.\"\n\n\
        [[step]]\nid = \"a\"\ntype = \"say\"\nsay = [\"thank_you\", \"why\"]\n";
    std::fs::write(folder.path().join("surveys/mine.toml"), survey).unwrap();
    let (code, out, _) = run(folder.path(), "check");
    assert_eq!(code, 2);
    assert_eq!(
        out,
        "surveys/mine.toml:10:8: the prompt \"thank_you\" cannot be played: \
         what ships says something else in \"en\": record prompts/en/thank_you.wav\n\
         surveys/mine.toml:10:21: the prompt \"why\" cannot be played: \
         there is no recording in \"en\": put one at prompts/en/why.wav\n"
    );

    let recordings = folder.path().join("prompts/en");
    std::fs::create_dir_all(&recordings).unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    for name in ["thank_you.wav", "why.wav"] {
        let mut wav = hound::WavWriter::create(recordings.join(name), spec).unwrap();
        (0..1_600).for_each(|_| wav.write_sample(0_i16).unwrap());
        wav.finalize().unwrap();
    }
    assert_eq!(run(folder.path(), "check").0, 0);
    std::fs::write(recordings.join("why.wav"), "no sound").unwrap();
    let (code, out, _) = run(folder.path(), "check");
    assert_eq!(code, 2);
    assert!(out.starts_with("surveys/mine.toml:10:21: the prompt \"why\" cannot be played: "), "{out}");
}

#[test]
fn a_wrong_command_line_exits_with_2_and_says_how_it_is_used() {
    let folder = Folder::new();
    for (line, expected) in [
        ("srve", "a similar subcommand exists: 'serve'"),
        ("key create", "--role <ROLE>"),
        ("key create --role agent", "--agent <ID>"),
        ("key create --role supervisor", "--queue <ID>"),
        ("key create --role boss", "possible values: ingest, agent, viewer, supervisor, admin"),
        ("key create --role viewer --agent a", "`--agent` belongs to the role `agent`"),
        ("key create --role agent --agent a --queue q", "`--queue` belongs to the role `supervisor`"),
        ("key create --role ingest --expires soon", "write how long from now"),
        ("key create --role ingest --expires 5", "such as `90d`, `12h` or `1y`\n"),
        ("key create --role ingest --expires 2030-01-01", "such as `90d`, `12h` or `1y`\n"),
        ("key create --role ingest --expires 0d", "`--expires` must lie ahead"),
        ("key create --role ingest --expires 9999y", "`--expires` lies too far ahead"),
        ("key revoke x", "is not a UUID"),
        ("tenant create Big", "contains the character 'B'"),
        ("tenant create north --time-zone Mars", "is not the name of an IANA time zone"),
        ("serve --log a=b=c", "is not a filter for the log"),
        ("check --log a=b=c", "is not a filter for the log"),
        ("key list --log a=b=c", "is not a filter for the log"),
    ] {
        let (code, out, err) = run(folder.path(), line);
        assert_eq!((code, out.as_str()), (2, ""), "{line}: {err}");
        assert!(err.contains(expected), "{line}: {err}");
    }
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[test]
fn keys_and_tenants_are_made_listed_and_revoked() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("aftercall.toml"), "").unwrap();
    let run = |line: &str| run(folder.path(), line);
    let (code, out, err) = run("key create --role supervisor --queue sales-queue support --expires 90d");
    assert_eq!(code, 0, "{err}");
    let key = out.strip_suffix('\n').unwrap();
    assert!(key.starts_with("aftercall_") && key.len() == 74 && !key.contains(char::is_whitespace), "{out}");
    assert!(!err.contains(key));
    assert!(err.contains("supervisor of sales-queue, support, tenant default"), "{err}");
    let database = folder.path().join("data/aftercall.db");
    assert!(err.contains(&format!("  kept in  {}\n", database.display())), "{err}");

    assert_eq!(run("key create --role admin --tenant north").0, 1);
    assert_eq!(run("tenant create north --time-zone Europe/Berlin --week-start sunday").0, 0);
    let (code, _, err) = run("tenant create north");
    assert_eq!((code, err.as_str()), (1, "there is already a tenant \"north\": it stays as it is\n"));
    assert_eq!(run("key create --role admin --tenant north").0, 0);
    let (_, tenants, _) = run("tenant list");
    let rows: Vec<Vec<&str>> = tenants.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1..], [vec!["default", "monday", "UTC"], vec!["north", "sunday", "Europe/Berlin"]]);

    let (_, keys, _) = run("key list");
    let id = keys.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(keys.contains("works") && !keys.contains(key), "{keys}");
    assert_eq!(run(&format!("key revoke {id}")).2, "revoked: the key does not work any more\n");
    assert_eq!(run(&format!("key revoke {id}")).2, "it had been revoked before\n");
    assert!(run("key list").1.contains("revoked"));
    assert_eq!(run(&format!("key revoke {KEY_ID}")).0, 1);
    assert_eq!(run("key list --tenant north").1.lines().count(), 2);
}

#[test]
fn where_no_server_has_been_no_key_or_tenant_is_made_unless_a_configuration_says_so() {
    let (server, folder) = (Folder::new(), Folder::new());
    for line in [
        "key create --role admin",
        "key list",
        "tenant create north",
        "tenant list",
        &format!("key revoke {KEY_ID}"),
    ] {
        let (code, out, err) = run(folder.path(), line);
        let expected = "data/aftercall.db: there is no database here: run this where the server runs, or with \
                        --config FILE; on a new installation start `aftercall serve` first\n";
        assert_eq!((code, out.as_str(), err.as_str()), (1, "", expected), "{line}");
    }
    assert!(!folder.path().join("data").exists(), "nothing was made");

    let file = server.path().join("site.toml");
    std::fs::write(&file, "").unwrap();
    let named = format!("key create --role admin --config {}", file.display());
    assert_eq!(run(folder.path(), &named).0, 0);
    assert!(server.path().join("data/aftercall.db").exists() && !folder.path().join("data").exists());
    assert_eq!(
        run(server.path(), "key list").1.lines().count(),
        2,
        "a database that is there is the server's"
    );
}

#[test]
fn the_document_and_completions_are_printed() {
    let folder = Folder::new();
    let (code, out, _) = run(folder.path(), "openapi");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, document["info"]["title"].as_str()), (0, Some("aftercall")));
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run(folder.path(), &format!("completions {shell}"));
        assert!(code == 0 && out.contains("aftercall"), "{shell}");
    }
}

#[test]
fn doctor_names_what_is_wrong_and_its_remedy() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = format!(
        "[http]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"https://csat.example.com\"\n\
         [sip]\nlisten = []\nopen = true\nmax_calls = 10\n[rtp]\nports = \"20000-20009\"\n"
    );
    std::fs::write(folder.path().join("aftercall.toml"), config).unwrap();
    let (code, out, _) = run(folder.path(), "doctor");
    assert_eq!(code, 1, "{out}");
    for expected in [
        "ok    configuration   aftercall.toml".to_owned(),
        "ok    data folder     data can be written".to_owned(),
        "ok    database        data/aftercall.db will be made at the first start".to_owned(),
        "ok    surveys         csat-survey".to_owned(),
        format!("FAIL  http            tcp 127.0.0.1:{port}: in use"),
        "warn  rtp             5 calls fit 20000-20009, fewer than [sip] max_calls = 10".to_owned(),
        "warn  exposure        a proxy on this machine".to_owned(),
        "warn  exposure        [sip] open = true".to_owned(),
    ] {
        assert!(out.lines().any(|line| line.starts_with(&expected)), "{expected}\n{out}");
    }
    let behind = "[http]\nlisten = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1\"]\n[sip]\nlisten = []\n";
    std::fs::write(folder.path().join("aftercall.toml"), behind).unwrap();
    let (_, out, _) = run(folder.path(), "doctor");
    let expected =
        "ok    exposure        without a key the API answers anyone on this machine except from 127.0.0.1/32";
    assert!(out.contains(expected), "{out}");
    std::fs::write(folder.path().join("aftercall.toml"), "[htpt]\n").unwrap();
    let (code, out, _) = run(folder.path(), "doctor");
    assert_eq!(code, 1);
    assert!(out.starts_with("FAIL  configuration   aftercall.toml:1:2: unknown key \"htpt\""), "{out}");
}

#[tokio::test]
async fn what_is_counted_is_verified_and_counted_anew_where_it_is_wrong() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    let path = folder.path().join("data/aftercall.db");
    let store = Store::open(&format!("sqlite://{}", path.display())).await.unwrap();
    let now: jiff::Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
    let rate = |call: &str, days_ago: i64| {
        let created_at = RatedAt::new(now - jiff::SignedDuration::from_hours(24 * days_ago), now).unwrap();
        Write::Rate(NewRating {
            tenant: TenantId::default(),
            call: call.parse().unwrap(),
            score: Score::ALL[3],
            comment: None,
            agent: Some("a1".parse().unwrap()),
            queue: Some("sales".parse().unwrap()),
            created_at: Some(created_at),
            key: None,
            survey: None,
            channel: None,
            language: None,
            flags: BTreeSet::new(),
            within: None,
            actor: Actor::Keyless,
            at: now,
        })
    };
    store.write(&[rate("c1", 70), rate("c2", 69), rate("c3", 0)]).await.unwrap();
    store.close().await;
    let verify = || run(folder.path(), "results verify");
    let fine = (0, "default: 3 ratings in 3 months, 0 figures wrong\n".to_owned(), String::new());
    assert_eq!(verify(), fine, "before anything is counted");
    let (code, out, _) = run(folder.path(), "results rebuild");
    assert_eq!(code, 0);
    assert!(out.starts_with("default: 3 days of queues and "), "{out}");
    assert_eq!(verify(), fine);
    let tamper = "UPDATE cc_csat_queue_day SET n4 = 9 WHERE local_day = '2026-09-14';
                  UPDATE cc_csat_agent_month SET n4 = 9 WHERE local_month = '2026-09'";
    let mut sql = SqliteConnection::connect(&path.display().to_string()).await.unwrap();
    sqlx::raw_sql(tamper).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
    let (code, out, err) = verify();
    assert_eq!((code, out.as_str()), (1, "default: 3 ratings in 3 months, 4 figures wrong\n"), "{err}");
    assert!(err.contains("default 2026-09: kept queue \"sales\", day 14: "), "{err}");
    assert!(err.contains("default 2026-09: kept agent a1: [0, 0, 0, 9, 0]"), "{err}");
    assert!(err.ends_with("`aftercall results rebuild` counts everything anew\n"), "{err}");
    assert_eq!(run(folder.path(), "results rebuild").0, 0);
    assert_eq!(verify(), fine);
    let (code, _, err) = run(folder.path(), "results verify --tenant nobody");
    assert_eq!((code, err.as_str()), (1, "there is no tenant \"nobody\": `aftercall tenant list`\n"));
}

#[test]
fn history_is_imported_whole_or_not_at_all_and_twice_is_once() {
    let folder = Folder::new();
    let import = |text: &str, more: &str| {
        std::fs::write(folder.path().join("h.csv"), text).unwrap();
        run(folder.path(), &format!("import csv h.csv {more}"))
    };
    std::fs::write(folder.path().join("aftercall.toml"), "").unwrap();
    let bad = "call_id,score,agent_id,created_at\n\
        c1,5,a1,2026-11-01T10:00:00Z\n\
        c2,6,a1,2026-11-01T10:00:00Z\n\
        c3,4,a1,yesterday\n\
        c4,4\n\
        c1,2,a1,2026-11-01T10:00:00Z\n\
        ,3,a1,\n";
    let (code, out, err) = import(bad, "");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 5, "{out}");
    for (line, expected) in lines.iter().zip([
        "h.csv:3: `score` must be",
        "h.csv:4: `created_at` must be an instant in RFC 3339",
        "h.csv:5: has 2 cells, and the header 4",
        "h.csv:6: call_id \"c1\" has another score in line 2",
        "h.csv:7: ",
    ]) {
        assert!(line.starts_with(expected), "{line}");
    }
    assert_eq!((code, err.as_str()), (2, "h.csv: 5 of 6 lines are at fault; nothing was kept\n"));

    let good = "\u{feff}call_id,score,agent_id,queue_id,created_at,comment\r\n\
        c1,5,a1,sales,2026-11-01T10:00:00Z,\"good, \"\"very\"\"\nindeed\"\r\n\
        c2,3,,sales,2026-11-02T10:00:00+01:00,\r\n";
    assert_eq!(
        import(good, "--dry-run"),
        (0, String::new(), "h.csv: 2 lines, all fine; nothing was kept (--dry-run)\n".to_owned())
    );
    assert_eq!(import(good, ""), (0, String::new(), "h.csv: 2 new, 0 known already, 0 refused\n".to_owned()));
    assert_eq!(import(good, ""), (0, String::new(), "h.csv: 0 new, 2 known already, 0 refused\n".to_owned()));
    let (code, out, _) = import("call_id,score\nc1,1\nc5,2\n", "");
    assert_eq!((code, out.as_str()), (1, "call \"c1\" has another rating here: 5, not 1; it stays\n"));

    // Where 1 was the best, with names and separator of their own.
    let other = "Ref;Note;Caller\nx1;1;+4930\nx2;4;\n";
    let named = "--column call_id=Ref --column score=Note --ignore Caller --best-score 1 --delimiter ;";
    assert_eq!(import(other, named).2, "h.csv: 2 new, 0 known already, 0 refused\n");
    let serving = {
        std::fs::write(
            folder.path().join("aftercall.toml"),
            "[http]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = []\n",
        )
        .unwrap();
        Serving::start_until(folder.path(), "keys")
    };
    for (call, score, flags) in [("c1", 5, "[]"), ("x1", 5, "[]"), ("x2", 2, "[]")] {
        let said =
            serving.ask(&format!("GET /cc/csat/{call} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"));
        assert!(said.contains(&format!("\"score\":{score},")), "{said}");
        assert!(said.contains(&format!("\"flags\":{flags}")), "{said}");
    }
    for (text, more, expected) in [
        ("call,score\n", "", "h.csv:1: column \"call\" is none of ours: say which by --column FIELD=call"),
        ("score\n", "", "h.csv:1: no column is \"call_id\": name it by --column call_id=COLUMN"),
        (
            "call_id,score,a,b\n",
            "--column agent_id=a --column agent_id=b",
            "h.csv:1: both \"a\" and \"b\" are agent_id",
        ),
        ("call_id,score\n", "--tenant nobody", "there is no tenant \"nobody\""),
        ("call_id,score\n", "--best-score 3", "--best-score must be 1 or 5"),
    ] {
        let (code, _, err) = import(text, more);
        assert!(code == 1 && err.starts_with(expected), "{code} {err}");
    }
}

#[test]
fn a_file_of_changes_comes_to_what_they_come_to_and_twice_is_once() {
    let folder = Folder::new();
    let import = |text: &str| {
        std::fs::write(folder.path().join("h.csv"), text).unwrap();
        run(folder.path(), "import csv h.csv")
    };
    std::fs::write(
        folder.path().join("aftercall.toml"),
        "[http]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = []\n",
    )
    .unwrap();
    const HEADER: &str = "arrived_at,op,revision,call_id,score,agent_id\n";
    let (code, out, err) = import(&format!(
        "{HEADER}\
        2026-11-02T10:00:00Z,amend,,c1,5,a1\n\
        2026-11-02T11:00:00Z,create,0,c1,5,a1\n\
        2026-11-02T10:59:59Z,create,0,c2,5,a1\n\
        2026-11-02T11:00:00Z,change,0,c1,5,a1\n\
        2026-11-02T12:00:00Z,delete,,,,\n\
        soon,create,-1,c2,0,a1\n"
    ));
    let lines: Vec<&str> = out.lines().collect();
    for (line, expected) in lines.iter().zip([
        "h.csv:2: column `revision` is missing",
        "h.csv:4: arrived before the line above it: sort the file by arrived_at",
        "h.csv:5: `op` must be create, amend or delete",
        "h.csv:6: column `call_id` is missing",
        "h.csv:7: `arrived_at` must be an instant in RFC 3339",
        "h.csv:7: `revision` must be a whole number",
        "h.csv:7: `score` must be",
    ]) {
        assert!(line.starts_with(expected), "{line}\n{out}");
    }
    assert_eq!((code, err.as_str()), (2, "h.csv: 5 of 6 lines are at fault; nothing was kept\n"));
    let changes = format!(
        "{HEADER}\
        2026-11-02T10:00:00Z,amend,1,late,4,a1\n\
        2026-11-02T11:00:00Z,create,0,late,1,a1\n\
        2026-11-02T12:00:00Z,create,0,plain,5,a1\n\
        2026-11-02T13:00:00Z,create,,unnumbered,2,a1\n\
        2026-11-02T14:00:00Z,delete,,gone,,a1\n\
        2026-11-02T15:00:00Z,create,0,gone,3,a1\n\
        2026-11-02T16:00:00Z,amend,2,plain,3,a2\n\
        2099-01-01T00:00:00Z,delete,9,unnumbered,,a1\n"
    );
    let counts =
        |new, known| (0, String::new(), format!("h.csv: {new} new, {known} known already, 0 refused\n"));
    assert_eq!(import(&changes), counts(6, 2));
    assert_eq!(import(&changes), counts(0, 8));
    let serving = Serving::start_until(folder.path(), "keys");
    let get =
        |path: &str| serving.ask(&format!("GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"));
    for (call, expected) in [
        ("late", "\"score\":4,"),
        ("plain", "\"score\":3,"),
        ("gone", "\"status\":410"),
        ("unnumbered", "\"status\":410"),
    ] {
        assert!(get(&format!("/cc/csat/{call}")).contains(expected), "{call}");
    }
    for (then, count) in [("09:59:59", 0), ("11:30:00", 1), ("13:00:00", 3), ("17:00:00", 3)] {
        let path = format!("/cc/reports/csat?period=month&from=2026-11-01&as_of=2026-11-02T{then}Z");
        assert!(get(&path).contains(&format!("\"rating_count\":{count},")), "{then}: {}", get(&path));
    }
}

/// A server that is running, ended when the test is.
struct Serving {
    child: Child,
    out: BufReader<ChildStdout>,
    banner: String,
}

impl Serving {
    fn start(folder: &Path) -> Self {
        Self::start_until(folder, "try it")
    }

    /// Starts it and reads what it says up to the line with this word.
    fn start_until(folder: &Path, last: &str) -> Self {
        let mut child = aftercall(folder, "serve --log warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains(last) {
            assert_ne!(out.read_line(&mut banner).unwrap(), 0, "it ended: {banner}");
        }
        Self { child, out, banner }
    }

    fn http(&self) -> &str {
        let line = self.banner.lines().find_map(|line| line.trim().strip_prefix("http ")).unwrap();
        line.trim().strip_prefix("http://").unwrap()
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.http()).unwrap();
        let host = self.http();
        write!(stream, "{}", request.replace("HOST", host)).unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        heard
    }

    /// Sends a signal and waits for the end.
    fn end(mut self, signal: &str) -> Option<i32> {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

#[test]
fn serve_says_where_everything_is_keeps_what_it_is_told_and_ends_on_a_signal() {
    let folder = Folder::new();
    let config = "[http]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = [\"udp://127.0.0.1:25999\"]\n";
    std::fs::write(folder.path().join("aftercall.toml"), config).unwrap();
    let serving = Serving::start(folder.path());
    for expected in [
        "config   aftercall.toml",
        "data     data/aftercall.db",
        "surveys  csat-survey (more: surveys/NAME.toml)",
        "keys     WITHOUT A KEY the API answers anyone on this machine, and nobody else",
        "try it   aftercall dial sip:csat-survey@127.0.0.1:25999 --press 1",
    ] {
        assert!(serving.banner.contains(expected), "{}", serving.banner);
    }
    let heard = serving.ask(
        "POST /cc/csat/call-1 HTTP/1.1\r\nHost: HOST\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{\"score\": 5}",
    );
    assert!(heard.starts_with("HTTP/1.1 201 Created"), "{heard}");
    assert_eq!(serving.end("-TERM"), Some(0));

    let again = Serving::start(folder.path());
    let heard = again.ask("GET /cc/csat/call-1 HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n");
    assert!(heard.contains("\"score\":5"), "{heard}");
    assert_eq!(again.end("-INT"), Some(0));
}

#[test]
fn serve_names_a_test_call_that_reaches_it_and_none_where_it_takes_no_calls() {
    for (listens, call) in [
        (r#""udp://0.0.0.0:26001""#, "sip:csat-survey@127.0.0.1:26001 --press 1\n"),
        (r#""udp://[::]:26002""#, "sip:csat-survey@[::1]:26002 --press 1\n"),
        (r#""udp://127.0.0.9:26003""#, "sip:csat-survey@127.0.0.9:26003 --press 1\n"),
        (r#""tcp://[::1]:26004""#, "sip:csat-survey@[::1]:26004 --press 1 --transport tcp\n"),
        (
            r#""tcp://127.0.0.1:26005", "udp://127.0.0.1:26006""#,
            "sip:csat-survey@127.0.0.1:26006 --press 1\n",
        ),
    ] {
        let folder = Folder::new();
        let config = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = [{listens}]\n[rtp]\nports = \"26010-26019\"\n"
        );
        std::fs::write(folder.path().join("aftercall.toml"), config).unwrap();
        let serving = Serving::start(folder.path());
        let named = serving.banner.split_once("try it   aftercall dial ").unwrap().1;
        assert_eq!(named, call, "{listens}");
        let (code, out, err) = run(folder.path(), &format!("dial {}", named.trim()));
        assert_eq!((code, err.as_str()), (0, ""), "{listens}: {out}");
        assert_eq!(serving.end("-TERM"), Some(0));
    }
    let folder = Folder::new();
    let config = "[http]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = []\n";
    std::fs::write(folder.path().join("aftercall.toml"), config).unwrap();
    let mut serving = Serving::start_until(folder.path(), "  keys ");
    assert!(serving.banner.contains("  sip      no listener\n"), "{}", serving.banner);
    let mut rest = String::new();
    let kill = Command::new("kill").args(["-TERM", &serving.child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    serving.out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "nothing to try");
}

#[test]
fn behind_a_proxy_on_this_machine_serve_does_not_claim_to_answer_everyone_here_without_a_key() {
    let folder = Folder::new();
    let config = "[http]\nlisten = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1\"]\n[sip]\nlisten = []\n";
    std::fs::write(folder.path().join("aftercall.toml"), config).unwrap();
    let serving = Serving::start_until(folder.path(), "  keys ");
    let expected = "keys     WITHOUT A KEY the API answers anyone on this machine except from 127.0.0.1/32 \
                    ([http] trusted_proxies), and nobody else: aftercall key create\n";
    assert!(serving.banner.ends_with(expected), "{}", serving.banner);
    let heard = serving.ask("GET /cc/csat HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n");
    assert!(heard.starts_with("HTTP/1.1 401 "), "{heard}");
    assert_eq!(serving.end("-TERM"), Some(0));
}

#[test]
fn serve_says_what_is_in_the_way() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let config = format!("[http]\nlisten = \"{listen}\"\n");
    std::fs::write(folder.path().join("aftercall.toml"), &config).unwrap();
    let (code, out, err) = run(folder.path(), "serve --log off");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.starts_with(&format!("{listen}: the API cannot listen there (is aftercall running already?)")),
        "{err}"
    );

    let tenant = config + "[[queue]]\nname = \"q\"\ntenant = \"north\"\n";
    std::fs::write(folder.path().join("aftercall.toml"), tenant).unwrap();
    let (code, _, err) = run(folder.path(), "serve --log off");
    let expected =
        "the configuration names the tenant \"north\", which is not there: `aftercall tenant create north`\n";
    assert_eq!((code, err.as_str()), (1, expected));
}
