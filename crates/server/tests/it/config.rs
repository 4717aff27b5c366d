//! Configuration: what is said about files that are wrong, and what right ones mean.

use std::path::Path;

use aftercall::config::{Config, DEFAULTS, Database, Seen, Transport};

use crate::folder::Folder;

fn read(source: &str) -> Result<Config, String> {
    let env = |name: &str| match name {
        "CRM_WEBHOOK_SECRET" => Some("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned()),
        "PBX_PASSWORD" | "SMTP_PASSWORD" => Some("s3cret".to_owned()),
        "REPORT_SECRET" => Some("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3".to_owned()),
        _ => None,
    };
    Config::read(Path::new("site/aftercall.toml"), source, &env).map_err(|error| error.to_string())
}

/// What is written, and what is said about it.
const FAULTS: &[(&str, &str)] = &[
    (
        "[[webhook]]\nname = \"crm\"\nurl = \"crm.example.com/hooks?token=hidden\"\nsecret = \"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n",
        "site/aftercall.toml:3:1: `url` is not a whole address such as `https://crm.example.com/hooks/csat`",
    ),
    (
        "[[webhook]]\nname = \"crm\"\nurl = \"https://u:hidden@crm.example.com/\"\nsecret = [\"hidden\"]\n",
        "site/aftercall.toml:3:1: `url` must have no user and no `#`\nsite/aftercall.toml:4:1: `secret` must be \
             `whsec_` and 24 to 64 bytes in base64: `echo whsec_$(openssl rand -base64 32)` makes one",
    ),
    (
        "[[webhook]]\nname = \"C R M\"\nurl = \"https://crm.example.com\"\nsecret = \"${NOPE}\"\n",
        "site/aftercall.toml:4:1: `secret` needs the environment variable `NOPE`, which is not set",
    ),
    (
        "[[webhook]]\nname = \"crm\"\nurl = \"https://crm.example.com\"\nsecrets = []\nevents = [\"rating.lo\"]\n",
        "site/aftercall.toml:1:1: key `secret` is missing\nsite/aftercall.toml:4:1: unknown key \"secrets\" (did you \
             mean \"secret\"?)\nsite/aftercall.toml:5:11: `events` is `rating.lo`, which is no event (did you mean \
             \"rating.low\"?): rating.created, rating.low, rating.amended, rating.deleted, alert.raised",
    ),
    (
        "[[webhook]]\nname = \"crm\"\nurl = \"http://a\"\nsecret = \"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n\
             low_score = 6\nkeep_days = 3\ntimeout_seconds = 61\n",
        "site/aftercall.toml:5:1: `low_score` must be a whole number from 1 to 5\nsite/aftercall.toml:6:1: `keep_days` \
             must be a whole number from 4 to 3650\nsite/aftercall.toml:7:1: `timeout_seconds` must be a whole number \
             from 1 to 60",
    ),
    (
        "[[webhook]]\nname = \"crm\"\nurl = \"http://a\"\nsecret = \"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n\
             [[webhook]]\nname = \"crm\"\nurl = \"http://b\"\nsecret = \"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n",
        "site/aftercall.toml:5:1: `webhook` has the same `name` as webhook 1",
    ),
    (
        "[[report]]\nname = \"daily\"\nevery = \"hour\"\nto = [\"boss@example.com\"]\n",
        "site/aftercall.toml:3:1: `every` is `hour`, and must be day, week or month\n\
         site/aftercall.toml:4:1: `to` needs a mail server: say `[smtp]` with `url` and `from`",
    ),
    (
        "[[report]]\nname = \"daily\"\nevery = \"day\"\nat = \"6:00\"\n",
        "site/aftercall.toml:2:1: `name` goes nowhere: say `to = [\"boss@example.com\"]`, or `url` and `secret`\n\
         site/aftercall.toml:4:1: `at` is `6:00`, which is not a time of the day, such as `06:00`",
    ),
    (
        "[[report]]\nname = \"daily\"\nevery = \"day\"\nurl = \"https://example.com\"\n",
        "site/aftercall.toml:4:1: `url` needs a `secret`: it must be `whsec_` and 24 to 64 random bytes in base64 \
             (`echo whsec_$(openssl rand -base64 32)`)",
    ),
    (
        "[smtp]\nurl = \"smtp://a:b@mail.example.com\"\nfrom = \"a@example.com\"\n",
        "site/aftercall.toml:2:1: `url` would send the password for all to read: put `?tls=required` behind it",
    ),
    (
        "[smtp]\nurl = \"smtp://mail.example.com\"\nform = \"a@example.com\"\n",
        "site/aftercall.toml:1:2: key `from` is missing\n\
         site/aftercall.toml:3:1: unknown key \"form\" (did you mean \"from\"?)",
    ),
    (
        "[[queue]]\nname = \"sales\"\n[queue.after_call]\ncsat_enable = true\n",
        "site/aftercall.toml:4:1: unknown key \"csat_enable\" (did you mean \"csat_enabled\"?)",
    ),
    ("data_dri = \"x\"\n", "site/aftercall.toml:1:1: unknown key \"data_dri\" (did you mean \"data_dir\"?)"),
    ("wibble = 1", "site/aftercall.toml:1:1: unknown key \"wibble\""),
    (
        "\n[http]\nlisten = 8080\n",
        "site/aftercall.toml:3:1: `listen` must be an address with a port, such as `127.0.0.1:8080`",
    ),
    ("data_dir = 8080\n", "site/aftercall.toml:1:1: `data_dir` must be text, not a number"),
    (
        "[http]\nlisten = \"8080\"\n",
        "site/aftercall.toml:2:1: `listen` must be an address with a port, such as `127.0.0.1:8080`",
    ),
    ("http = 3\n", "site/aftercall.toml:1:1: `http` must be a table, not a number"),
    (
        "[http]\npublic_url = \"/csat\"\n",
        "site/aftercall.toml:2:1: `public_url` is `/csat`, which is not a whole address such as \
             `https://csat.example.com`",
    ),
    (
        "[http]\npublic_url = \"https://a.example/?x\"\n",
        "site/aftercall.toml:2:1: `public_url` must end with its path: no user, `?` or `#`",
    ),
    (
        "[http]\ntrusted_proxies = [\"10.0.0.1\", \"10.0.0.0/33\"]\n",
        "site/aftercall.toml:2:32: `trusted_proxies` is `10.0.0.0/33`, which is neither an address nor a \
             network (such as `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`)",
    ),
    ("[http]\ntls = { cert = \"a\" }\n", "site/aftercall.toml:2:1: key `key` is missing"),
    (
        "time_zone = \"Mars/Olympus\"\n",
        "site/aftercall.toml:1:1: `time_zone` is `Mars/Olympus`, which is not an IANA time zone (such as \
             `UTC`, `Europe/Berlin`, `Asia/Shanghai`)",
    ),
    (
        "[rtp]\nports = \"29999-20000\"\n",
        "site/aftercall.toml:2:1: `ports` is `29999-20000`, which has no even port followed by an odd \
             one: no call fits",
    ),
    (
        "[sip]\ncodecs = [\"pcmu\", \"g729\", \"opus\"]\n",
        "site/aftercall.toml:2:19: `codecs` is `g729`, which is not a codec spoken here: pcmu, pcma, g722 or opus",
    ),
    ("[sip]\ncodecs = [\"PCMU\", \"pcmu\"]\n", "site/aftercall.toml:2:19: `codecs` has `pcmu` twice"),
    (
        "[sip]\nsrtp = \"yes\"\n",
        "site/aftercall.toml:2:1: `srtp` is `yes`, which is none of `tls`, `required`, `any` and `off`",
    ),
    ("[sip]\ncodecs = []\n", "site/aftercall.toml:2:1: `codecs` is empty: no call could be taken"),
    (
        "[rtp]\ninband_after_seconds = -1\n",
        "site/aftercall.toml:2:1: `inband_after_seconds` must be a whole number from 0 to 86400",
    ),
    (
        "[sip]\nlisten = [\"udp://[::]:0\", \"udp://[::]:0\", \"udp://10.0.0.1:5060\", \"tcp://10.0.0.1:5060\",\n  \"udp://10.0.0.1:5060\"]\n",
        "site/aftercall.toml:3:3: `listen` has `udp://10.0.0.1:5060` twice",
    ),
    (
        "[sip]\nlisten = [\"ws://0.0.0.0:5061\"]\n",
        "site/aftercall.toml:2:11: `listen` is `ws://0.0.0.0:5061`, which is not an address such as \
             `udp://0.0.0.0:5060`, `tcp://[::]:5060` or `tls://0.0.0.0:5061`",
    ),
    (
        "[sip]\nlisten = [\"udp://0.0.0.0:5060\", \"tls://0.0.0.0:5061\"]\n",
        "site/aftercall.toml:2:33: `listen` needs `[sip] tls = { cert = \"FILE\", key = \"FILE\" }`",
    ),
    (
        "[sip]\npeers = [{ from = \"10.0.0.0/8\", auth = { user = \"pbx\" } }]\n",
        "site/aftercall.toml:2:33: key `password` is missing",
    ),
    (
        "[sip]\nheaders = { call = [\"X Call\"] }\n",
        "site/aftercall.toml:2:21: `call` is `X Call`, which cannot be the name of a header",
    ),
    (
        "[sip]\nmax_calls = 0\nmax_call_seconds = nan\n",
        "site/aftercall.toml:2:1: `max_calls` must be a whole number from 1 to 30000\n\
             site/aftercall.toml:3:1: `max_call_seconds` must be a whole number, not text",
    ),
    (
        "[database]\nurl = \"postgres://user:pw@host/db?sslmod=require\"\n",
        "site/aftercall.toml:2:1: `url` has the option `sslmod`, which is none of sslmode, sslrootcert, \
             sslcert, sslkey, host, port, application_name, options",
    ),
    (
        "[database]\nurl = \"postgres://user:pw@host:5432\"\n",
        "site/aftercall.toml:2:1: `url` names no database; use postgres://user:password@host:5432/name",
    ),
    (
        "[database]\nurl = \"sqlite://:memory:\"\n",
        "site/aftercall.toml:2:1: `url` must be `sqlite://` and a file, such as \
             `sqlite://data/aftercall.db`, or `postgres://user:password@host:5432/name`",
    ),
    (
        "[ids]\nclean = \"^[a-z\"\n",
        "site/aftercall.toml:2:1: `clean` is not a regular expression: unclosed character class",
    ),
    (
        "[[route]]\nname = \"a\"\nmatch = { to_user = \"(\" }\napplication = \"csat-survey\"\n",
        "site/aftercall.toml:3:11: `to_user` is not a regular expression: unclosed group\n\
             site/aftercall.toml:4:1: `application` must be `ivr:` and a survey's name, such as \
             `ivr:csat-survey`",
    ),
    (
        "[[route]]\nname = \"a\"\napplication = \"ivr:CSAT\"\n",
        "site/aftercall.toml:1:1: key `match` is missing\n\
             site/aftercall.toml:3:1: `application` names a survey that contains the character 'C', which is \
             not allowed here",
    ),
    (
        "[[queue]]\nname = \"a\"\n[[queue]]\nname = \"b\"\n[[queue]]\nname = \"a\"\n",
        "site/aftercall.toml:5:1: `queue` has the same `name` as queue 1",
    ),
    (
        "[sip]\npeers = [{ from = \"10.0.0.0/8\" }, { from = \"10.1.0.0/16\" },\n  { from = \"10.9.9.9/8\" }]\n",
        "site/aftercall.toml:3:3: `peers` has the network `10.0.0.0/8` twice",
    ),
    (
        "[sip]\nexternal_ip = \"${EXTERNAL_IP}\"\n",
        "site/aftercall.toml:2:1: `external_ip` needs the environment variable `EXTERNAL_IP`, which is \
             not set",
    ),
    ("data_dir = \"a\"\ndata_dir = \"b\"\n", "site/aftercall.toml:2:1: duplicate key"),
    ("data_dir = \"a\n", "site/aftercall.toml:1:14: invalid basic string, expected `\"`"),
];

#[test]
fn a_queue_whose_name_the_rule_for_ids_changes_is_asked_about() {
    for (source, expected) in [
        ("[[queue]]\nname = \"sales\"\n", ""),
        (
            "[[queue]]\nname = \"PJSIP/sales-0000000a\"\n",
            "site/aftercall.toml:2:1: advice: `[ids] clean` makes `sales` of `PJSIP/sales-0000000a` in every call: \
             is that the queue you mean?",
        ),
        (
            "[ids]\nclean = \"^q-(.+)\"\n[[queue]]\nname = \"sales\"\n[[queue]]\nname = \"q-sales\"\n",
            "site/aftercall.toml:6:1: advice: `[ids] clean` makes `sales` of `q-sales` in every call: is that the \
             queue you mean?",
        ),
    ] {
        let advice = read(source).unwrap().cleaned_queues();
        assert_eq!(advice.iter().map(ToString::to_string).collect::<String>(), expected, "{source}");
    }
}

#[test]
fn each_fault_has_its_file_line_and_column_and_says_what_to_do() {
    for (source, expected) in FAULTS {
        assert_eq!(read(source).err().as_deref(), Some(*expected), "{source}");
    }
}

#[test]
fn what_the_manual_shows_is_understood() {
    let config = read(
        r#"
data_dir = "data"
time_zone = "Asia/Shanghai"

[http]
listen = "127.0.0.1:8080"
public_url = "https://csat.example.com/x/"
trusted_proxies = ["10.0.0.1"]
tls = { cert = "/etc/a.pem", key = "a.key" }

[sip]
listen = ["udp://0.0.0.0:5060", "tcp://[::]:5060"]
external_ip = "203.0.113.5"
peers = [{ from = "10.0.0.0/8" }, { from = "203.0.113.7", auth = { user = "pbx", password = "${PBX_PASSWORD}" } }]

[[route]]
name = "survey"
match = { to_user = "^csat-survey$", header = { X-Campaign = "spring" } }
application = "ivr:csat-survey"

[[queue]]
name = "sales-queue"

[queue.after_call]
csat_enabled = false
csat_ivr = "csat-survey"
"#,
    )
    .unwrap();
    assert_eq!(config.data_dir, Path::new("site/data"));
    assert_eq!(config.database, Database::Sqlite("site/data/aftercall.db".into()));
    assert_eq!(config.surveys_dir, Path::new("site/surveys"));
    assert_eq!(config.time_zone.name(), "Asia/Shanghai");
    assert_eq!(config.http.public_url.as_deref(), Some("https://csat.example.com/x"));
    assert!(config.http.trusts("::ffff:10.0.0.1".parse().unwrap()));
    assert!(!config.http.trusts("10.0.0.2".parse().unwrap()));
    let tls = config.http.tls.as_ref().unwrap();
    assert_eq!((tls.cert.as_path(), tls.key.as_path()), (Path::new("/etc/a.pem"), Path::new("site/a.key")));
    assert_eq!(config.sip.listen.len(), 2);
    assert_eq!(config.sip.listen[1].transport, Transport::Tcp);
    assert_eq!(config.sip.peers.len(), 2, "a site's peers replace the default ones");
    let auth = config.sip.peers[1].auth.as_ref().unwrap();
    assert_eq!((auth.user.as_str(), auth.password.expose()), ("pbx", "s3cret"));
    assert!(!format!("{config:?}").contains("s3cret"));
    assert_eq!(config.sip.headers.call, ["x-call-id", "x-csat-call-id"]);

    let spring = |name: &str| (name == "x-campaign").then_some("spring");
    let call =
        |user| Seen { to_user: user, from_user: None, request_user: user, called: None, header: &spring };
    assert_eq!(config.route(&call(Some("csat-survey"))).unwrap().name, "survey");
    assert!(config.route(&call(Some("other"))).is_none());
    let queue = config.queue(&Default::default(), &"sales-queue".parse().unwrap()).unwrap();
    let after = queue.after_call.as_ref().unwrap();
    assert_eq!((after.csat_enabled, after.csat_ivr.as_ref().unwrap().as_str()), (false, "csat-survey"));
}

#[test]
fn the_documented_unit_writes_where_it_may() {
    const MANUAL: &str = include_str!("../../../../docs/operating.md");
    let block = |start: &str| MANUAL.split_once(start).unwrap().1.split_once("\n```").unwrap().0;
    let unit = block("```ini\n");
    let file =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=")?.split_once(" --config ")).unwrap().1;
    let config = block(&format!("```toml\n# {file}\n"));
    let config = Config::read(Path::new(file), config, &|_| None).unwrap();
    let state = unit.lines().find_map(|line| line.strip_prefix("StateDirectory=")).unwrap();
    let state = Path::new("/var/lib").join(state);
    assert_eq!(config.data_dir, state);
    assert_eq!(config.database, Database::Sqlite(state.join("aftercall.db")));
    assert_eq!(config.surveys_dir, Path::new("/etc/aftercall/surveys"));
    assert_eq!(config.prompts_dir, Path::new("/etc/aftercall/prompts"));
}

#[test]
fn every_setting_shown_commented_out_in_the_defaults_is_one() {
    let shown = |line: &str| {
        let name = line.split_once(" = ").map(|(name, _)| name);
        let setting = name.is_some_and(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        setting || line.starts_with('[')
    };
    let mut uncommented = String::new();
    let mut count = 0;
    for line in DEFAULTS.lines() {
        let setting = line.strip_prefix("# ").filter(|rest| shown(rest));
        count += usize::from(setting.is_some());
        uncommented.push_str(setting.unwrap_or(line));
        uncommented.push('\n');
    }
    assert_eq!(count, 38, "{uncommented}");
    let read =
        read(&uncommented).map(|config| (config.queues.len(), config.webhooks.len(), config.reports.len()));
    assert_eq!(read, Ok((1, 1, 1)), "{uncommented}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let none = |_: &str| None;
    let load = |path: &Path| Config::load(Some(path), &none).unwrap_err().to_string();
    assert_eq!(
        load(Path::new("/nowhere/aftercall.toml")),
        "/nowhere/aftercall.toml: cannot be read: No such file or directory (os error 2)"
    );
    let folder = Folder::new();
    let file = folder.path().join("latin1.toml");
    std::fs::write(&file, b"# ok\ndata_dir = \"caf\xe9\"\n").unwrap();
    assert_eq!(load(&file), format!("{}:2:16: is not UTF-8", file.display()));
}

#[test]
fn the_address_of_a_server_may_come_from_the_environment_and_its_password_is_seen_nowhere() {
    let source = "[database]\nurl = \"${CSAT_DATABASE}\"\n";
    let env = |name: &str| {
        (name == "CSAT_DATABASE").then(|| "postgres://csat:hunter2@db.example.com:6432/calls".to_owned())
    };
    let config = Config::read("aftercall.toml".as_ref(), source, &env).unwrap();
    assert_eq!(config.database.to_string(), "postgres://csat@db.example.com:6432/calls");
    assert!(config.database.is_shared());
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn who_gets_a_report_and_by_which_password_is_seen_nowhere() {
    let source = "[smtp]\nurl = \"smtps://reports:hunter2@mail.example.com\"\nfrom = \"reports@example.com\"\n\
        [[report]]\nname = \"daily\"\nevery = \"day\"\nto = [\"boss@example.com\"]\n\
        url = \"https://example.com\"\nsecret = \"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\"\n";
    let shown = format!("{:?}", read(source).unwrap());
    for hidden in ["hunter2", "boss@", "reports@", "MDEy"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}
