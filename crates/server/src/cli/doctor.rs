//! `aftercall doctor`: why does it not work here?

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use aftercall_core::survey::fault::Severity;
use aftercall_store::Store;

use super::{Exit, World, clock_fault, open};
use crate::api::auth;
use crate::config::{Config, Database, Transport};
use crate::installation::{self, Installation};

/// Files that are open besides one RTP socket a call and one a connection: database, listeners, log.
const FILES_BESIDES: usize = 100;

/// What was found about one thing.
struct Finding {
    what: &'static str,
    verdict: Verdict,
    told: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

fn ok(what: &'static str, told: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Ok, told: told.into() }
}

fn warn(what: &'static str, told: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Warn, told: told.into() }
}

fn fail(what: &'static str, told: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Fail, told: told.into() }
}

pub(super) async fn run(file: Option<&Path>, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let findings = match Config::load(file, world.env) {
        Ok(config) => examine(&config, world).await,
        Err(error) => vec![fail("configuration", error.to_string())],
    };
    for Finding { what, verdict, told } in &findings {
        writeln!(
            world.out,
            "{:4}  {what:14}  {}",
            verdict.word(),
            told.replace('\n', "\n                      ")
        )?;
    }
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    Ok(if failed { Exit::Failed } else { Exit::Well })
}

async fn examine(config: &Config, world: &World<'_>) -> Vec<Finding> {
    let file = config.file.as_deref().map_or("built-in defaults".into(), |file| file.display().to_string());
    let mut findings = vec![ok("configuration", file), clock(config, world), data(&config.data_dir)];
    findings.extend(database(config).await);
    findings.push(surveys(config));
    findings.push(prompts(&config.prompts_dir));
    findings.push(http(config));
    findings.extend(config.sip.listen.iter().map(|listen| sip(listen.transport, listen.address)));
    if let Some(Err(fault)) = config.sip.tls.as_ref().map(installation::sip_tls) {
        findings.push(fail("sip", format!("[sip] tls: {fault}")));
    }
    findings.push(rtp(config));
    findings.push(files(config));
    findings.extend(exposure(config));
    findings
}

fn clock(config: &Config, world: &World<'_>) -> Finding {
    let now = world.clock.now();
    let zone = config.time_zone.name();
    if let Some(fault) = clock_fault(now) {
        return fail("clock", fault);
    }
    ok("clock", format!("{now:.0}, days are those of {zone}"))
}

fn data(folder: &Path) -> Finding {
    let shown = folder.display();
    if let Err(error) = fs::create_dir_all(folder) {
        return fail("data folder", format!("{shown}: cannot be made: {error}"));
    }
    let probe = folder.join(".aftercall-doctor");
    let written = fs::write(&probe, b"x").and_then(|()| fs::remove_file(&probe));
    match written {
        Ok(()) => ok("data folder", format!("{shown} can be written")),
        Err(error) => fail(
            "data folder",
            format!("{shown}: cannot be written: {error}; it must belong to who runs aftercall"),
        ),
    }
}

async fn database(config: &Config) -> Vec<Finding> {
    let shown = &config.database;
    if let Database::Sqlite(path) = shown
        && !path.exists()
    {
        return vec![ok("database", format!("{shown} will be made at the first start"))];
    }
    let store = match open(config).await {
        Ok(store) => store,
        Err(error) => return vec![fail("database", format!("{error:#}"))],
    };
    let mut findings = match store.ready().await {
        Ok(()) => vec![ok("database", format!("{shown} opens"))],
        Err(error) => vec![fail("database", error.to_string())],
    };
    findings.extend(tenants(config, &store).await);
    store.close().await;
    findings
}

async fn tenants(config: &Config, store: &Store) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in config.tenants_named() {
        match store.tenant(name).await {
            Ok(Some(_)) => {}
            Ok(None) => findings.push(fail(
                "tenants",
                format!(
                    "the configuration names \"{name}\", which is not there: `aftercall tenant create {name}`"
                ),
            )),
            Err(error) => findings.push(fail("tenants", error.to_string())),
        }
    }
    findings
}

fn surveys(config: &Config) -> Finding {
    let Installation { surveys, faults, .. } = Installation::read(config);
    let worst = faults.iter().min_by_key(|fault| fault.at.severity);
    if let Some(worst) = worst {
        let finding = if worst.at.severity == Severity::Fault { fail } else { warn };
        // What is wrong may lie in the configuration or a recording, too.
        let what = if worst.file.starts_with(&config.surveys_dir) { "surveys" } else { "files" };
        return finding(what, format!("{worst}\n`aftercall check` lists all {}", faults.len()));
    }
    let names: Vec<&str> = surveys.iter().map(|survey| survey.name().as_str()).collect();
    ok("surveys", names.join(", "))
}

fn prompts(folder: &Path) -> Finding {
    let shown = folder.display();
    match fs::read_dir(folder) {
        Ok(_) => ok("prompts", format!("{shown}/LANGUAGE/NAME.wav go before those that ship")),
        Err(error) if error.kind() == ErrorKind::NotFound => ok("prompts", "those that ship"),
        Err(error) => fail("prompts", format!("{shown}: cannot be read: {error}")),
    }
}

fn http(config: &Config) -> Finding {
    let listen = config.http.listen;
    if let Some(Err(fault)) = config.http.tls.as_ref().map(installation::http_tls) {
        return fail("http", format!("[http] tls: {fault}"));
    }
    match TcpListener::bind(listen) {
        Ok(_) => ok("http", format!("{listen} is free")),
        Err(error) => fail("http", taken("tcp", listen, &error)),
    }
}

fn sip(transport: Transport, listen: SocketAddr) -> Finding {
    let (name, bound) = match transport {
        Transport::Udp => ("udp", UdpSocket::bind(listen).map(drop)),
        Transport::Tcp => ("tcp", TcpListener::bind(listen).map(drop)),
        Transport::Tls => ("tls", TcpListener::bind(listen).map(drop)),
    };
    match bound {
        Ok(()) => ok("sip", format!("{name} {listen} is free")),
        Err(error) => fail("sip", taken(name, listen, &error)),
    }
}

fn taken(transport: &str, listen: SocketAddr, error: &std::io::Error) -> String {
    let port = listen.port();
    let remedy = match error.kind() {
        ErrorKind::AddrInUse => {
            let kind = if transport == "udp" { "-lunp" } else { "-ltnp" };
            format!("in use, by aftercall itself if that runs: `ss {kind} 'sport = :{port}'` names it")
        }
        ErrorKind::PermissionDenied => {
            format!("not allowed: ports below 1024 need CAP_NET_BIND_SERVICE, or choose another than {port}")
        }
        ErrorKind::AddrNotAvailable => {
            "this machine does not have this address: `ip addr` lists those it has".to_owned()
        }
        _ => error.to_string(),
    };
    format!("{transport} {listen}: {remedy}")
}

fn rtp(config: &Config) -> Finding {
    let ports = config.rtp.ports;
    let (calls, max) = (ports.calls(), config.sip.max_calls);
    let first = ports.first.next_multiple_of(2);
    if let Err(error) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, first)) {
        return warn(
            "rtp",
            format!("port {first} cannot be used ({error}); a busy port is skipped, a busy range is not"),
        );
    }
    if calls < max {
        return warn(
            "rtp",
            format!("{calls} calls fit {}-{}, fewer than [sip] max_calls = {max}", ports.first, ports.last),
        );
    }
    ok("rtp", format!("{calls} calls fit {}-{}", ports.first, ports.last))
}

fn files(config: &Config) -> Finding {
    // A call has a socket for RTP and one for RTCP.
    let needed = 2 * config.sip.max_calls + config.http.max_connections + FILES_BESIDES;
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match open_files(&limits) {
        None => warn("open files", "this system does not say how many files a program may open"),
        Some(limit) if limit < needed => warn(
            "open files",
            format!(
                "at most {limit}, and max_calls and max_connections need {needed}: `ulimit -Hn {needed}`, or LimitNOFILE= in the unit"
            ),
        ),
        Some(limit) => ok("open files", format!("at most {limit}, {needed} are needed")),
    }
}

/// The hard limit of open files, as Linux shows it (proc(5)): `serve` raises the soft one to it.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().nth(1)? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

fn exposure(config: &Config) -> Vec<Finding> {
    let http = &config.http;
    let local = http.listen.ip().is_loopback();
    let mut findings = Vec::new();
    if !local && http.tls.is_none() && http.trusted_proxies.is_empty() {
        findings.push(warn(
            "exposure",
            "[http] listen is open to the network without TLS: keys travel in the clear; set `tls`, or put a proxy before it",
        ));
    }
    if local && http.public_url.is_some() && http.trusted_proxies.is_empty() {
        findings.push(warn(
            "exposure",
            "a proxy on this machine that sends no X-Forwarded-For makes everyone look local, and those need no key: list it in [http] trusted_proxies",
        ));
    }
    if config.sip.open {
        findings
            .push(warn("exposure", "[sip] open = true: anyone who reaches the SIP port may give ratings"));
    }
    if findings.is_empty() {
        let whom = auth::answered_without_a_key(http);
        findings.push(ok("exposure", format!("without a key the API answers {whom}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_the_hard_one() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             95288                95288                processes \n\
                      Max open files            1024                 1048576              files     \n";
        assert_eq!(open_files(limits), Some(1_048_576));
        assert_eq!(open_files("Max open files  unlimited unlimited files"), Some(usize::MAX));
        assert_eq!(open_files(""), None);
    }
}
