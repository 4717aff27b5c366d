//! `aftercall key`: who may use the API.

use aftercall_core::{AgentId, QueueId, TenantId};
use aftercall_store::{ApiKey, KeyId, NewKey, QUEUES_MAX, Revoked, Role, Store};
use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::{Exit, World, open_servers};
use crate::config::{Config, Database};
use crate::keys;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key and print it, once, on stdout
    #[command(after_help = CREATE_HELP)]
    Create(Create),
    /// List keys: what each opens, when it was last used, whether it still works
    List(Tenant),
    /// Revoke a key for good
    Revoke {
        /// Its id, as `aftercall key list` shows it
        id: KeyId,
    },
}

const CREATE_HELP: &str = "\
Roles:
  ingest      post ratings and door events, read nothing
  agent       read the results of one agent (--agent)
  viewer      read everything
  supervisor  everything but configuration, in the queues named (--queue)
  admin       everything

Examples:
  aftercall key create --role ingest > key
  aftercall key create --role agent --agent agent-001 --expires 90d
  aftercall key create --role supervisor --queue sales-queue support-queue

Exit codes:
  0  the key is on stdout
  1  it failed; stderr says why
  2  the command line is wrong";

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What the key opens
    #[arg(long)]
    role: RoleName,
    /// The agent, as the PBX names them: for the role `agent`
    #[arg(long, value_name = "ID", required_if_eq("role", "agent"))]
    agent: Option<AgentId>,
    /// The queues, as the PBX names them: for the role `supervisor`
    #[arg(long, value_name = "ID", num_args = 1.., required_if_eq("role", "supervisor"))]
    queue: Vec<QueueId>,
    #[command(flatten)]
    tenant: Tenant,
    /// When it stops working, counted from now: `90d`, `12h`, `1y` [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expires: Option<Span>,
}

#[derive(Debug, Args)]
pub(super) struct Tenant {
    /// Whose data it is about
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantId,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    Ingest,
    Agent,
    Viewer,
    Supervisor,
    Admin,
}

pub(super) async fn run(command: KeyCommand, config: &Config, world: &mut World<'_>) -> anyhow::Result<Exit> {
    if let KeyCommand::Create(create) = &command
        && let Err(fault) = role(create).and_then(|_| expires_at(create, world.clock.now()))
    {
        writeln!(world.err, "{fault}")?;
        return Ok(Exit::Faults);
    }
    let store = open_servers(config).await?;
    let done = match command {
        KeyCommand::Create(create) => self::create(create, config, &store, world).await,
        KeyCommand::List(Tenant { tenant }) => list(&tenant, &store, world).await,
        KeyCommand::Revoke { id } => revoke(id, &store, world).await,
    };
    store.close().await;
    done
}

/// The role, where everything that belongs to it was given and nothing else.
fn role(create: &Create) -> Result<Role, String> {
    let (agent, queues) = (create.agent.clone(), create.queue.clone());
    if queues.len() > QUEUES_MAX {
        return Err(format!("a key names at most {QUEUES_MAX} queues"));
    }
    match (create.role, agent, queues.is_empty()) {
        (RoleName::Agent, Some(agent), true) => Ok(Role::Agent(agent)),
        (RoleName::Supervisor, None, false) => Ok(Role::Supervisor(queues)),
        (RoleName::Ingest, None, true) => Ok(Role::Ingest),
        (RoleName::Viewer, None, true) => Ok(Role::Viewer),
        (RoleName::Admin, None, true) => Ok(Role::Admin),
        (RoleName::Agent, None, true) => Err("the role `agent` needs `--agent ID`".to_owned()),
        (RoleName::Supervisor, None, true) => Err("the role `supervisor` needs `--queue ID...`".to_owned()),
        (RoleName::Agent, _, false) => Err("`--queue` belongs to the role `supervisor`".to_owned()),
        (_, Some(_), _) => Err("`--agent` belongs to the role `agent`".to_owned()),
        (_, None, false) => Err("`--queue` belongs to the role `supervisor`".to_owned()),
    }
}

async fn create(
    create: Create,
    config: &Config,
    store: &Store,
    world: &mut World<'_>,
) -> anyhow::Result<Exit> {
    let at = world.clock.now();
    let expires_at = expires_at(&create, at).map_err(anyhow::Error::msg)?;
    let role = role(&create).map_err(anyhow::Error::msg)?;
    let tenant = create.tenant.tenant;
    let database = match &config.database {
        Database::Sqlite(path) => std::path::absolute(path)?.display().to_string(),
        shared @ Database::Postgres { .. } => shared.to_string(),
    };
    let text =
        keys::create().map_err(|error| anyhow::anyhow!("no random numbers from the system: {error}"))?;
    let new = NewKey { tenant: tenant.clone(), hash: keys::hash(&text), role, expires_at, at };
    let Some(key) = store.create_key(&new).await? else {
        bail!(
            "there is no tenant \"{tenant}\": `aftercall tenant create {tenant}`, or see `aftercall tenant list`"
        );
    };
    writeln!(world.out, "{}", text.expose())?;
    world.out.flush()?;
    writeln!(world.err, "This key is shown only now; what is kept is its hash.")?;
    writeln!(world.err, "  id       {}", key.id)?;
    writeln!(world.err, "  opens    {}, tenant {tenant}", reach(&key.role))?;
    writeln!(world.err, "  expires  {}", shown(key.expires_at, "never"))?;
    writeln!(world.err, "  kept in  {database}")?;
    writeln!(world.err, "  send it  Authorization: Bearer KEY")?;
    writeln!(world.err, "  revoke   aftercall key revoke {}", key.id)?;
    Ok(Exit::Well)
}

async fn list(tenant: &TenantId, store: &Store, world: &mut World<'_>) -> anyhow::Result<Exit> {
    if store.tenant(tenant).await?.is_none() {
        bail!("there is no tenant \"{tenant}\": see `aftercall tenant list`");
    }
    let now = world.clock.now();
    let keys = store.keys(tenant).await?;
    writeln!(
        world.out,
        "{:36}  {:8}  {:20}  {:20}  {:20}  OPENS",
        "ID", "STATE", "CREATED", "EXPIRES", "LAST USED"
    )?;
    for key in &keys {
        writeln!(
            world.out,
            "{:36}  {:8}  {:20}  {:20}  {:20}  {}",
            key.id.to_string(),
            state(key, now),
            shown(Some(key.created_at), ""),
            shown(key.expires_at, "never"),
            shown(key.last_used_at, "never"),
            reach(&key.role)
        )?;
    }
    Ok(Exit::Well)
}

async fn revoke(id: KeyId, store: &Store, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let at = world.clock.now();
    for tenant in store.tenants().await? {
        match store.revoke_key(&tenant.id, id, at).await? {
            Revoked::Now => {
                writeln!(world.err, "revoked: the key does not work any more")?;
                return Ok(Exit::Well);
            }
            Revoked::Before => {
                writeln!(world.err, "it had been revoked before")?;
                return Ok(Exit::Well);
            }
            Revoked::Unknown => {}
        }
    }
    bail!("there is no key with the id {id}: see `aftercall key list`")
}

fn state(key: &ApiKey, now: Timestamp) -> &'static str {
    match key.revoked_at {
        Some(_) => "revoked",
        None if key.works(now) => "works",
        None => "expired",
    }
}

fn reach(role: &Role) -> String {
    match role {
        Role::Agent(agent) => format!("agent {agent}"),
        Role::Supervisor(queues) => {
            let queues: Vec<&str> = queues.iter().map(QueueId::as_str).collect();
            format!("supervisor of {}", queues.join(", "))
        }
        Role::Ingest | Role::Viewer | Role::Admin => role.word().to_owned(),
    }
}

fn shown(at: Option<Timestamp>, none: &str) -> String {
    at.map_or_else(|| none.to_owned(), |at| format!("{at:.0}"))
}

fn duration(text: &str) -> Result<Span, String> {
    text.parse().map_err(|_| {
        "write how long from now: a number and one of y, mo, w, d, h, m, s, such as `90d`, `12h` or `1y`"
            .to_owned()
    })
}

/// Days and years are those of UTC.
fn expires_at(create: &Create, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let Some(span) = create.expires else { return Ok(None) };
    let end = now.to_zoned(TimeZone::UTC).checked_add(span);
    let end = end.map_err(|_| "`--expires` lies too far ahead: write less, such as `1y`")?.timestamp();
    if end <= now {
        return Err("`--expires` must lie ahead: write how long from now, such as `90d`".to_owned());
    }
    Ok(Some(end))
}
