//! `aftercall tenant`: whose data it is.

use aftercall_core::TenantId;
use aftercall_core::stats::WeekStart;
use aftercall_store::{Store, Tenant, Zone};
use anyhow::bail;
use clap::{Subcommand, ValueEnum};

use super::{Exit, World, open_servers};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum TenantCommand {
    /// Make a tenant
    #[command(after_help = "\
Examples:
  aftercall tenant create north --time-zone Europe/Berlin
  aftercall tenant create west --time-zone America/New_York --week-start sunday

Exit codes:
  0  it is there
  1  it failed, or there is already one of this name
  2  the command line is wrong")]
    Create {
        /// Its name: lower-case letters, digits, `-`, `_`, `.`
        name: TenantId,
        /// The IANA time zone of its days [default: the configuration's `time_zone`]
        #[arg(long, value_name = "ZONE", value_parser = Zone::new)]
        time_zone: Option<Zone>,
        /// The first day of its weeks
        #[arg(long, value_name = "DAY", default_value = "monday")]
        week_start: FirstDay,
    },
    /// List the tenants
    List,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FirstDay {
    Monday,
    Sunday,
    Saturday,
}

impl From<FirstDay> for WeekStart {
    fn from(day: FirstDay) -> Self {
        match day {
            FirstDay::Monday => Self::Monday,
            FirstDay::Sunday => Self::Sunday,
            FirstDay::Saturday => Self::Saturday,
        }
    }
}

pub(super) async fn run(
    command: TenantCommand,
    config: &Config,
    world: &mut World<'_>,
) -> anyhow::Result<Exit> {
    let store = open_servers(config).await?;
    let done = match command {
        TenantCommand::Create { name, time_zone, week_start } => {
            let time_zone = time_zone.unwrap_or_else(|| config.time_zone.clone());
            create(Tenant { id: name, time_zone, week_start: week_start.into() }, &store, world).await
        }
        TenantCommand::List => list(&store, world).await,
    };
    store.close().await;
    done
}

async fn create(tenant: Tenant, store: &Store, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let name = &tenant.id;
    if !store.create_tenant(&tenant, world.clock.now()).await? {
        bail!("there is already a tenant \"{name}\": it stays as it is");
    }
    writeln!(world.err, "made; its first key: aftercall key create --role admin --tenant {name}")?;
    Ok(Exit::Well)
}

async fn list(store: &Store, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let tenants = store.tenants().await?;
    writeln!(world.out, "{:20}  {:8}  TIME ZONE", "NAME", "WEEK")?;
    for tenant in &tenants {
        let Tenant { id, time_zone, week_start } = tenant;
        writeln!(world.out, "{:20}  {:8}  {}", id.as_str(), week_start.word(), time_zone.name())?;
    }
    Ok(Exit::Well)
}
