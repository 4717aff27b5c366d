//! `aftercall migrate-store`: everything from one database into another.

use std::fmt::Display;
use std::time::Duration;

use aftercall_store::StoreError;
use aftercall_store::transfer::{self, Plan, Progress, Verified};
use clap::Args;

use super::{Exit, World};
use crate::clock::Clock;
use crate::config::filled;
use crate::secret::Secret;

pub(super) const EXAMPLES: &str = "\
Ratings, answers, offers, the log, tenants and keys go over as they are; what is counted of them is counted anew. Then
both databases are read from the first row to the last and compared. Stop the server before: a database that is being
served is refused. Stopped at any moment, the same command goes on where it was; until it has ended no server opens
the new database. The old one stays as it is.

${NAME} in an address is replaced from the environment, so that no password is seen in the list of processes. A path
counts from the working directory. Voice comments are files: they stay where they are.

Examples:
  aftercall migrate-store --from sqlite://data/aftercall.db --to 'postgres://aftercall:${PW}@db:5432/aftercall' --dry-run
  aftercall migrate-store --from sqlite://data/aftercall.db --to 'postgres://aftercall:${PW}@db:5432/aftercall'

Exit codes:
  0  everything is there, and the same
  1  it failed; the same command goes on
  2  an address is none";

/// How often it says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Of a checksum this many characters are shown.
const CHECKSUM_SHOWN: usize = 16;

#[derive(Debug, Args)]
pub(super) struct MigrateStore {
    /// The database to move: sqlite://FILE or postgres://USER:PASSWORD@HOST:PORT/NAME
    #[arg(long, value_name = "URL", value_parser = secret)]
    from: Secret,
    /// The one to move it into: empty, or not there yet
    #[arg(long, value_name = "URL", value_parser = secret)]
    to: Secret,
    /// Only say what would be moved, and whether it could be
    #[arg(long)]
    dry_run: bool,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

pub(super) async fn run(command: MigrateStore, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let mut addresses = Vec::new();
    for (option, address) in [("--from", &command.from), ("--to", &command.to)] {
        match filled(address.expose(), world.env) {
            Ok(address) => addresses.push(Secret::new(address)),
            Err(fault) => {
                writeln!(world.err, "{option} {fault}")?;
                return Ok(Exit::Faults);
            }
        }
    }
    let [from, to] = &addresses[..] else { return Ok(Exit::Faults) };
    for (option, address) in [("--from", from), ("--to", to)] {
        if let Err(fault) = aftercall_store::Place::of(address.expose()) {
            let fault = match fault {
                StoreError::Url(why) => why,
                other => other.to_string(),
            };
            writeln!(world.err, "{option} {fault}")?;
            return Ok(Exit::Faults);
        }
    }
    let plan = transfer::plan(from.expose(), to.expose()).await?;
    if command.dry_run {
        return show(&plan, world);
    }
    let verified = {
        let mut teller = Teller::new(&plan, world.clock.clone(), world.err);
        let clock = world.clock.clone();
        transfer::transfer(from.expose(), to.expose(), &|| clock.now(), &mut |progress| teller.tell(progress))
            .await?
    };
    told(&plan, &verified, world)
}

fn show(plan: &Plan, world: &mut World<'_>) -> anyhow::Result<Exit> {
    line(world, ["TABLE", "TENANT", "ROWS", "THERE ALREADY"])?;
    for of in &plan.stock {
        line(world, [of.table, &of.tenant, &of.rows.to_string(), &of.moved.to_string()])?;
    }
    let rows: u64 = plan.stock.iter().map(|of| of.rows).sum();
    let how = if plan.goes_on { "a move that goes on" } else { "it is fit for it" };
    writeln!(
        world.err,
        "{rows} rows of {} would be moved into {} ({how}); nothing was moved",
        plan.from, plan.to
    )?;
    Ok(Exit::Well)
}

fn told(plan: &Plan, verified: &[Verified], world: &mut World<'_>) -> anyhow::Result<Exit> {
    line(world, ["TABLE", "TENANT", "ROWS", "SHA-256"])?;
    for of in verified {
        let checksum = of.checksum.get(..CHECKSUM_SHOWN).unwrap_or(&of.checksum);
        line(world, [of.table, &of.tenant, &of.rows.to_string(), checksum])?;
    }
    let rows: u64 = verified.iter().map(|of| of.rows).sum();
    writeln!(
        world.err,
        "all {rows} rows of {} are in {}, and the same; name it in [database] url, and start the server",
        plan.from, plan.to
    )?;
    Ok(Exit::Well)
}

fn line(world: &mut World<'_>, [table, tenant, rows, last]: [&str; 4]) -> std::io::Result<()> {
    writeln!(world.out, "{table:16}  {tenant:16}  {rows:>12}  {last}")
}

/// Says how far it is, once in a while.
struct Teller<'w> {
    clock: Clock,
    err: &'w mut (dyn std::io::Write + Send),
    /// Rows that were there when it began, and all of them.
    before: u64,
    all: u64,
    done: u64,
    step: Option<&'static str>,
    begun: Duration,
    told: Duration,
}

impl<'w> Teller<'w> {
    fn new(plan: &Plan, clock: Clock, err: &'w mut (dyn std::io::Write + Send)) -> Self {
        let now = clock.elapsed();
        let before = plan.stock.iter().map(|of| of.moved).sum();
        let all = plan.stock.iter().map(|of| of.rows).sum();
        let mut teller = Self { clock, err, before, all, done: 0, step: None, begun: now, told: now };
        let goes_on = if before > 0 { format!(", {before} of them there already") } else { String::new() };
        teller.say(format_args!("{all} rows of {} into {}{goes_on}", plan.from, plan.to));
        teller
    }

    fn tell(&mut self, progress: Progress) {
        let (step, done, all) = match progress {
            Progress::Moved(rows) => ("moved", rows, Some(self.all.saturating_sub(self.before))),
            Progress::Counted(days) => ("days and months counted", days, None),
            Progress::Compared(rows) => ("compared", rows, Some(self.all)),
        };
        let now = self.clock.elapsed();
        if self.step != Some(step) {
            (self.step, self.done, self.begun, self.told) = (Some(step), 0, now, now);
        }
        self.done += done as u64;
        if now.saturating_sub(self.told) < TOLD_EVERY {
            return;
        }
        self.told = now;
        let rate = self.done as f64 / now.saturating_sub(self.begun).as_secs_f64();
        let done = self.done;
        match all {
            Some(all) => {
                let left = all.saturating_sub(done) as f64 / rate;
                self.say(format_args!("{done} of {all} rows {step}, {rate:.0} a second, {left:.0} s to go"));
            }
            None => self.say(format_args!("{done} {step}, {rate:.0} a second")),
        }
    }

    /// Where stderr is gone nobody reads it; what is moved is moved all the same.
    fn say(&mut self, what: impl Display) {
        drop(writeln!(self.err, "{what}"));
    }
}
