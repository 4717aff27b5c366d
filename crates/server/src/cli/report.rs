//! `aftercall report`: reports by schedule, looked at, sent by hand, listed.

use std::path::PathBuf;
use std::sync::Arc;

use aftercall_store::{KeptRun, Store, Tenant};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{Exit, World, open_servers};
use crate::config::{Config, Report};
use crate::scheduled::{Period, Sender, ways};

#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// Show a report as a web page, and send nothing
    #[command(after_help = "Example:\n  aftercall report preview weekly-sales --out report.html")]
    Preview {
        #[command(flatten)]
        which: Which,
        /// The file [default: stdout]
        #[arg(long, value_name = "FILE.html")]
        out: Option<PathBuf>,
    },
    /// Send a report now, to all who get it, whatever was sent before
    #[command(after_help = "Example:\n  aftercall report send monthly --period 2026-10")]
    Send(Which),
    /// Each report: when it is sent next, and what came of the last
    List,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The report's name, as the configuration has it
    name: String,
    /// A day of the period, or its month [default: the last one that is over]
    #[arg(long, value_name = "DATE")]
    period: Option<String>,
}

pub(super) async fn run(
    command: ReportCommand,
    config: Config,
    world: &mut World<'_>,
) -> anyhow::Result<Exit> {
    let config = Arc::new(config);
    let store = open_servers(&config).await?;
    let sender = Sender::new(Arc::clone(&config), store.clone(), world.clock.clone());
    let exit = match command {
        ReportCommand::List => list(&config, &store, world).await?,
        ReportCommand::Preview { which, out } => {
            let (report, tenant, period) = which.find(&config, &store, world.clock.now()).await?;
            let page = sender.preview(report, &tenant, &period).await.map_err(anyhow::Error::msg)?;
            match out {
                None => write!(world.out, "{page}")?,
                Some(file) => std::fs::write(&file, page)
                    .with_context(|| format!("{}: cannot be written", file.display()))?,
            }
            Exit::Well
        }
        ReportCommand::Send(which) => {
            let (report, tenant, period) = which.find(&config, &store, world.clock.now()).await?;
            let mut exit = Exit::Well;
            for way in ways(report) {
                let sent = sender.send(report, &tenant, &period, way).await;
                let (name, period, way) = (&report.name, period.id(), way.word());
                match sent {
                    Ok(()) => writeln!(world.out, "{name} {period}: sent by {way}")?,
                    Err(why) => {
                        exit = Exit::Failed;
                        writeln!(world.err, "{name} {period}: not sent by {way}: {why}")?;
                    }
                }
            }
            exit
        }
    };
    store.close().await;
    Ok(exit)
}

impl Which {
    async fn find<'c>(
        &self,
        config: &'c Config,
        store: &Store,
        now: Timestamp,
    ) -> anyhow::Result<(&'c Report, Tenant, Period)> {
        let Some(report) = config.reports.iter().find(|report| report.name == self.name) else {
            bail!("there is no report \"{}\": `aftercall report list`", self.name);
        };
        let tenant = tenant_of(report, store).await?;
        let period = match &self.period {
            None => report.schedule.due(now, &tenant).period,
            Some(named) => Period::named(report.schedule.every, named, tenant.week_start)
                .map_err(|why| anyhow::anyhow!("--period: {why}"))?,
        };
        Ok((report, tenant, period))
    }
}

async fn tenant_of(report: &Report, store: &Store) -> anyhow::Result<Tenant> {
    let name = &report.tenant;
    store
        .tenant(name)
        .await?
        .with_context(|| format!("there is no tenant \"{name}\": `aftercall tenant list`"))
}

async fn list(config: &Config, store: &Store, world: &mut World<'_>) -> anyhow::Result<Exit> {
    if config.reports.is_empty() {
        writeln!(world.err, "the configuration has no [[report]]")?;
    }
    for report in &config.reports {
        let tenant = tenant_of(report, store).await?;
        let next = report.schedule.next(world.clock.now(), &tenant);
        let at = next.at.to_zoned(tenant.time_zone.rules().clone());
        let at = at.strftime("%Y-%m-%d %H:%M");
        let (name, every, zone) = (&report.name, report.schedule.every.word(), tenant.time_zone.name());
        writeln!(world.out, "{name}: every {every}; {} is sent at {at} ({zone})", next.period.id())?;
        for way in ways(report) {
            let kept = store.runs(&tenant.id, name, 4).await?;
            let last = kept.iter().find(|kept| kept.run.way == way);
            writeln!(world.out, "  {}: {}", way.word(), last.map_or("nothing yet".to_owned(), shown))?;
        }
    }
    Ok(Exit::Well)
}

fn shown(last: &KeptRun) -> String {
    let why = last.error.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let times =
        if last.attempts == 1 { "1 attempt".to_owned() } else { format!("{} attempts", last.attempts) };
    format!("{} {} at {:.0}, {times}{why}", last.run.period, last.progress.word(), last.changed_at)
}
