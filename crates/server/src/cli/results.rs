//! `aftercall results`: what is counted already, and whether it is right.

use aftercall_core::TenantId;
use aftercall_core::stats::calendar::{day, day_of};
use aftercall_store::{By, Counted, Question, Queues, Results, Store, Tenant, Window};
use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::{Span, Timestamp};

use super::{Exit, World, open_servers};
use crate::config::Config;

/// Differences that are shown; more are counted.
const SHOWN_MAX: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum ResultsCommand {
    /// Compare what is counted already with the ratings, day by day and agent by agent
    #[command(after_help = "\
Examples:
  aftercall results verify
  aftercall results verify --tenant north

Exit codes:
  0  every figure is what the ratings say
  1  some figure is not (each is shown), or it failed")]
    Verify(Of),
    /// Count everything anew; the server may run meanwhile, and its answers stay exact
    #[command(after_help = "Example:\n  aftercall results rebuild")]
    Rebuild(Of),
}

#[derive(Debug, Args)]
pub(super) struct Of {
    /// Only this tenant's [default: every tenant's]
    #[arg(long, value_name = "NAME")]
    tenant: Option<TenantId>,
}

pub(super) async fn run(
    command: ResultsCommand,
    config: &Config,
    world: &mut World<'_>,
) -> anyhow::Result<Exit> {
    let store = open_servers(config).await?;
    let (ResultsCommand::Verify(of) | ResultsCommand::Rebuild(of)) = &command;
    let mut exit = Exit::Well;
    for tenant in tenants(&store, of).await? {
        let done = match &command {
            ResultsCommand::Verify(_) => verify(&store, &tenant, world).await?,
            ResultsCommand::Rebuild(_) => rebuild(&store, &tenant, world).await?,
        };
        if done != Exit::Well {
            exit = done;
        }
    }
    store.close().await;
    Ok(exit)
}

async fn tenants(store: &Store, of: &Of) -> anyhow::Result<Vec<Tenant>> {
    let Some(name) = &of.tenant else { return Ok(store.tenants().await?) };
    match store.tenant(name).await? {
        Some(tenant) => Ok(vec![tenant]),
        None => bail!("there is no tenant \"{name}\": `aftercall tenant list`"),
    }
}

async fn rebuild(store: &Store, tenant: &Tenant, world: &mut World<'_>) -> anyhow::Result<Exit> {
    store.doubt_all(&tenant.id, world.clock.now()).await?;
    let (mut days, mut months) = (0, 0);
    loop {
        let done = store.catch_up(&tenant.id, world.clock.now()).await?;
        (days, months) = (days + done.days, months + done.months);
        if done.is_idle() {
            break;
        }
    }
    writeln!(world.out, "{}: {days} days of queues and {months} months counted anew", tenant.id)?;
    Ok(Exit::Well)
}

async fn verify(store: &Store, tenant: &Tenant, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let Some((first, last)) = store.span(&tenant.id).await? else {
        writeln!(world.out, "{}: nothing to count", tenant.id)?;
        return Ok(Exit::Well);
    };
    let (mut months, mut ratings, mut wrong) = (0, 0, 0);
    for (name, question) in months_between(tenant, first, last) {
        let [kept, counted] = store.verified(&tenant.id, &question).await?;
        months += 1;
        ratings += counted.figures.iter().map(|of| of.figures.tally.count()).sum::<u64>();
        for difference in differences(&kept, &counted) {
            wrong += 1;
            if wrong <= SHOWN_MAX {
                writeln!(world.err, "{} {name}: {difference}", tenant.id)?;
            }
        }
    }
    writeln!(world.out, "{}: {ratings} ratings in {months} months, {wrong} figures wrong", tenant.id)?;
    if wrong == 0 {
        return Ok(Exit::Well);
    }
    writeln!(world.err, "`aftercall results rebuild` counts everything anew")?;
    Ok(Exit::Failed)
}

/// A question for each month: its days by queue, and its agents.
fn months_between(tenant: &Tenant, first: Timestamp, last: Timestamp) -> Vec<(String, Question)> {
    let rules = tenant.time_zone.rules();
    let start = |date: Date| Some(day(date, rules).span.start);
    let end = day_of(last, rules);
    let mut month = day_of(first, rules).first_of_month();
    let mut questions = Vec::new();
    while month <= end {
        let next = month.saturating_add(Span::new().months(1));
        let days = month.series(Span::new().days(1)).take_while(|date| *date < next);
        let windows = days
            .map(|date| Window { from: start(date), to: start(date.saturating_add(Span::new().days(1))) });
        let question = Question {
            queues: Queues::All,
            windows: windows.collect(),
            by: By::Queue,
            agents: Some(Window { from: start(month), to: start(next) }),
        };
        questions.push((month.strftime("%Y-%m").to_string(), question));
        month = next;
    }
    questions
}

/// What is in one and not in the other.
fn differences(kept: &Results, counted: &Results) -> Vec<String> {
    let shown = |of: &Counted| {
        let queue = of.queue.iter().flatten().map(ToString::to_string).next().unwrap_or_default();
        format!("queue \"{queue}\", day {}: {:?}", of.period + 1, of.figures)
    };
    let mut all = Vec::new();
    for (word, these, those) in [("kept", kept, counted), ("counted", counted, kept)] {
        let figures = these.figures.iter().filter(|of| !those.figures.contains(of)).map(shown);
        let agents = these.agents.iter().filter(|of| !those.agents.contains(of));
        let agents = agents.map(|of| format!("agent {}: {:?}", of.agent, of.tally.counts()));
        all.extend(figures.chain(agents).map(|what| format!("{word} {what}")));
    }
    all
}
