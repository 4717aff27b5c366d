//! `aftercall serve`: everything that runs, started in order and stopped in the opposite one.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use aftercall_core::{SurveyName, TenantId};
use aftercall_store::{Store, Tenant};
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Exit, World, clock_fault, open};
use crate::aftermath::Aftermath;
use crate::alerts;
use crate::api::events::Live;
use crate::api::listen::{self, Listener};
use crate::api::{self, Api, Parts, auth};
use crate::config::Config;
use crate::doors::sip::{self, OpenDoor};
use crate::installation::Installation;
use crate::keys::KeyUses;
use crate::metrics::Metrics;
use crate::recordings::Recordings;
use crate::results;
use crate::scheduled::Sender;
use crate::signalling::{Listen, Transport};
use crate::surveys::Surveys;
use crate::unusual::Unusual;
use crate::webhooks::Courier;
use crate::writer::Writer;

pub(super) async fn run(config: Config, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let installation = Installation::read(&config);
    for fault in &installation.faults {
        writeln!(world.err, "{fault}")?;
    }
    if installation.is_faulty() {
        return Ok(Exit::Faults);
    }
    let config = Arc::new(config);
    raise_open_files();
    let stop = stop_on_signals()?;
    make_data_folder(&config).await?;
    let store = open(&config).await?.telling(config.subscriptions());
    place_tenants(&config, &store, world).await?;
    let listener = bind(config.http.listen).await?;

    let metrics = Arc::new(Metrics::default());
    let recordings = Recordings::within(&config.data_dir);
    let clock = world.clock.clone();
    let (writer, writer_task) = Writer::start(store.clone(), recordings.clone(), clock, Arc::clone(&metrics));
    let (key_uses, key_uses_task) = KeyUses::start(store.clone());
    let background = background(&config, &store, &writer, &metrics, world, &stop);
    let unusual = Arc::new(Unusual::default());
    let parts = sip::Parts {
        sip_tls: installation.sip_tls,
        config: Arc::clone(&config),
        surveys: Arc::clone(&installation.surveys),
        prompts: Arc::clone(&installation.prompts),
        writer: writer.clone(),
        metrics: Arc::clone(&metrics),
        recordings,
        unusual: Arc::clone(&unusual),
        clock: world.clock.clone(),
    };
    let aftermath = Aftermath::of(&config, store.clone(), world.clock.clone());
    let untold = aftermath.untold_endings().await?;
    let door = OpenDoor::open(parts).await?;
    aftermath.tell(untold, &writer).await;
    let others = aftermath.go_on(writer.clone(), stop.clone());
    let banner = banner(&config, &installation.surveys, listener.local_addr()?, &door.listens());
    let router = api::router(Api::new(Parts {
        store: store.clone(),
        writer,
        clock: world.clock.clone(),
        metrics: Arc::clone(&metrics),
        http: config.http.clone(),
        surveys: installation.surveys,
        key_uses,
        unusual,
        webhooks: config.webhooks.clone(),
        live: Live::new(config.http.max_event_streams, stop.clone()),
        exports: Default::default(),
    }));
    announce(&banner, &config, world)?;

    let calls = async {
        stop.cancelled().await;
        tracing::info!("stopping: no more calls; those that are on may end");
        door.close().await;
    };
    let listener = Listener { tcp: listener, tls: installation.tls };
    tokio::join!(listen::serve(listener, router, &config.http, metrics, stop.clone()), calls, others);
    tracing::info!("writing what was said");
    writer_task.drain().await;
    // The router, and with it the last handle to it, is gone: this ends by itself.
    ended(background).await?;
    key_uses_task.await.context("the task that notes the use of keys did not end as it should")?;
    store.close().await;
    tracing::info!("stopped");
    Ok(Exit::Well)
}

/// What runs beside everything else until it is told to stop.
fn background(
    config: &Arc<Config>,
    store: &Store,
    writer: &Writer,
    metrics: &Arc<Metrics>,
    world: &World<'_>,
    stop: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let clock = || world.clock.clone();
    let couriers = config.webhooks.iter().map(|webhook| {
        let courier = Courier::new(store.clone(), clock(), Arc::clone(metrics), webhook.clone());
        tokio::spawn(courier.run(writer.changes(), stop.clone()))
    });
    let counting = tokio::spawn(results::keep_counting(store.clone(), clock(), stop.clone()));
    let alerts = tokio::spawn(alerts::keep_looking(store.clone(), clock(), stop.clone()));
    let sender = Sender::new(Arc::clone(config), store.clone(), clock());
    let sending = tokio::spawn(sender.keep_sending(stop.clone()));
    couriers.chain([counting, alerts, sending]).collect()
}

/// Says that it is there, and what is worth a look.
fn announce(banner: &str, config: &Config, world: &mut World<'_>) -> anyhow::Result<()> {
    world.out.write_all(banner.as_bytes())?;
    world.out.flush()?;
    for warning in warnings(config, world.clock.now()) {
        tracing::warn!("{warning}");
    }
    Ok(())
}

async fn ended(background: Vec<JoinHandle<()>>) -> anyhow::Result<()> {
    for task in background {
        task.await.context("what runs in the background did not end as it should")?;
    }
    Ok(())
}

async fn make_data_folder(config: &Config) -> anyhow::Result<()> {
    let folder = &config.data_dir;
    let made = tokio::fs::create_dir_all(folder).await;
    made.with_context(|| format!("{}: the data folder cannot be made", folder.display()))
}

async fn bind(http: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(http).await.with_context(|| {
        format!("{http}: the API cannot listen there (is aftercall running already?): `aftercall doctor`")
    })
}

/// Puts the tenant `default` in the configured zone, and makes sure that every other one named is there.
async fn place_tenants(config: &Config, store: &Store, world: &World<'_>) -> anyhow::Result<()> {
    let default = Tenant {
        id: TenantId::default(),
        time_zone: config.time_zone.clone(),
        week_start: config.week_start,
    };
    store.put_tenant(&default, world.clock.now()).await?;
    for name in config.tenants_named() {
        if store.tenant(name).await?.is_none() {
            bail!(
                "the configuration names the tenant \"{name}\", which is not there: `aftercall tenant create {name}`"
            );
        }
    }
    Ok(())
}

/// Every call is an open file, and shells allow 1,024 of them unless asked for more.
fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is: `aftercall doctor`");
    }
}

/// A token that is cancelled by SIGTERM or SIGINT.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    Ok(stop)
}

/// What the log says at a start.
fn warnings(config: &Config, now: Timestamp) -> Vec<String> {
    let clock =
        clock_fault(now).map(|fault| format!("the clock is wrong, and ratings are dated by it: {fault}"));
    let keys = format!("{}: `aftercall key create --role ROLE`", keyless(config));
    clock.into_iter().chain([keys]).collect()
}

/// Said at every start (trust.md).
fn keyless(config: &Config) -> String {
    format!("WITHOUT A KEY the API answers {}", auth::answered_without_a_key(&config.http))
}

/// Where everything is, and what to try first.
fn banner(config: &Config, surveys: &Surveys, http: SocketAddr, sip: &[Listen]) -> String {
    let surveys: Vec<&str> = surveys.iter().map(|survey| survey.name().as_str()).collect();
    let listens: Vec<String> = sip.iter().map(ToString::to_string).collect();
    let file =
        config.file.as_deref().map_or("built-in defaults".to_owned(), |file| file.display().to_string());
    let lines = [
        ("config", file),
        ("data", config.database.to_string()),
        ("surveys", format!("{} (more: {}/NAME.toml)", surveys.join(", "), config.surveys_dir.display())),
        ("http", format!("{}://{http}", if config.http.tls.is_some() { "https" } else { "http" })),
        ("sip", if sip.is_empty() { "no listener".to_owned() } else { listens.join(" ") }),
        ("keys", format!("{}: aftercall key create", keyless(config))),
    ];
    let test_call = test_call(config, sip).map(|call| ("try it", call));
    let mut banner = format!("aftercall {}\n", env!("CARGO_PKG_VERSION"));
    for (name, value) in lines.into_iter().chain(test_call) {
        // Writing to a `String` cannot fail.
        if writeln!(banner, "  {name:8} {value}").is_err() {
            break;
        }
    }
    banner
}

/// A call that gets the default survey, from this machine; none where no call is taken.
fn test_call(config: &Config, sip: &[Listen]) -> Option<String> {
    const PORT: u16 = 5060;
    let survey: &SurveyName = &config.default_survey;
    let listen = sip.iter().find(|listen| listen.transport == Transport::Udp).or(sip.first())?;
    let mut address = listen.addr;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        // It listens on IPv6 only.
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let address = address.to_string();
    let address = address.strip_suffix(&format!(":{PORT}")).unwrap_or(&address);
    let transport = match listen.transport {
        Transport::Udp => "",
        Transport::Tcp => " --transport tcp",
        Transport::Tls => " --transport tls",
    };
    Some(format!("aftercall dial sip:{survey}@{address} --press 1{transport}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_at_a_time_that_cannot_be_is_warned_of() {
        const CLOCK: &str = "the clock is wrong, and ratings are dated by it: ";
        const KEYS: &str = "WITHOUT A KEY the API answers anyone on this machine, and nobody else: `aftercall key create --role ROLE`";
        let past = |shown| format!("{CLOCK}{shown} is in the past: set it (`timedatectl set-ntp true`)");
        for (now, expected) in [
            ("1970-01-01T00:00:09Z", vec![past("1970-01-01T00:00:09Z"), KEYS.to_owned()]),
            ("2025-12-31T23:59:59Z", vec![past("2025-12-31T23:59:59Z"), KEYS.to_owned()]),
            ("2026-01-01T00:00:00Z", vec![KEYS.to_owned()]),
        ] {
            assert_eq!(warnings(&Config::built_in(), now.parse().unwrap()), expected, "{now}");
        }
    }
}
