//! What an operator can set: `aftercall.toml` over built-in defaults (`defaults.toml`).

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use aftercall_core::stats::WeekStart;
use aftercall_core::survey::Located;
use aftercall_core::survey::fault::{Fault, Severity, line_column, locate_toml};
use aftercall_core::{Language, QueueId, SurveyName, TenantId};
use aftercall_store::{Place, StoreError, Subscription, Zone};
use serde_json::Value;

pub mod clean;
mod environment;
pub mod http;
mod named;
pub mod report;
pub mod route;
pub mod sip;
mod values;
pub mod webhook;

pub use clean::CleanIds;
pub(crate) use environment::filled;
pub use http::Http;
pub use report::Report;
pub use route::{AfterCall, Match, Queue, Route, Seen};
pub use sip::{Peer, PeerAuth, Ports, Rtp, Sip, SipListen, SipTls, Srtp, Transport};
pub use webhook::Webhook;

use crate::fields::{Fields, parsed, text};
use crate::scheduled::Smtp;
use crate::secret::Secret;
use crate::surveys::FileFault;

/// The file that is read when no other is named and it is there.
pub const FILE_NAME: &str = "aftercall.toml";

/// Every setting with its default and what it means: the first layer of every configuration.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// The longest configuration file, in bytes: a thousand queues take about 100 KiB.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from, if any.
    pub file: Option<PathBuf>,
    /// Database, spool, recordings, generated prompts.
    pub data_dir: PathBuf,
    /// Surveys, one a file.
    pub surveys_dir: PathBuf,
    /// The site's own prompts.
    pub prompts_dir: PathBuf,
    /// The zone of the tenant `default`.
    pub time_zone: Zone,
    /// The first day of its weeks.
    pub week_start: WeekStart,
    /// The survey of a call that nothing else chose one for.
    pub default_survey: SurveyName,
    /// The language of a call that nothing else chose one for, if not the survey's own.
    pub default_language: Option<Language>,
    /// The API.
    pub http: Http,
    /// The SIP door.
    pub sip: Sip,
    /// Its media.
    pub rtp: Rtp,
    /// Where ratings are kept.
    pub database: Database,
    /// How ids are cleaned.
    pub ids_clean: CleanIds,
    /// Which calls get which survey.
    pub routes: Vec<Route>,
    /// What queues say about it.
    pub queues: Vec<Queue>,
    /// Who is told of ratings and alerts.
    pub webhooks: Vec<Webhook>,
    /// The server that takes mail.
    pub smtp: Option<Smtp>,
    /// What is sent by schedule.
    pub reports: Vec<Report>,
    /// What the file says, for the places of faults; it may hold passwords.
    source: Secret,
}

/// Where ratings are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file, of one server.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server, for any number of nodes.
    Postgres {
        /// Its address, with the password.
        url: Secret,
        /// Where that leads, without it.
        place: Place,
    },
}

impl Database {
    /// Whether other nodes may be at work on it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }
}

/// As an operator knows it, without a password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres { place, .. } => place.fmt(f),
        }
    }
}

/// Why there is no configuration. Shown, each fault has a line: `FILE:LINE:COLUMN: what is wrong`.
#[derive(Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The file could not be read.
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// What it says cannot be: in the order of the file.
    Faults(Vec<FileFault>),
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, reason } => write!(f, "{}: cannot be read: {reason}", file.display()),
            Self::Faults(faults) => {
                let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

impl Config {
    /// Reads a file, or, where none is named, `aftercall.toml` if that is there. `env` looks up
    /// environment variables.
    ///
    /// # Errors
    /// When a named file cannot be read, or anything in it is wrong: every fault at once.
    pub fn load(file: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let found = Path::new(FILE_NAME).exists().then(|| PathBuf::from(FILE_NAME));
        match file.map(Path::to_owned).or(found) {
            Some(file) => Self::read(&file, &source_of(&file)?, env),
            None => Ok(Self::built_in()),
        }
    }

    /// The defaults, with relative paths starting from the working directory.
    ///
    /// # Panics
    /// Never: a test reads the defaults.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test reads the defaults")]
    pub fn built_in() -> Self {
        let config = Self::build(Layers { site: Value::Null, folder: PathBuf::new(), file: None });
        config.expect("the defaults are right")
    }

    /// Reads a configuration's text. `file` names it in faults, and relative paths start from its folder.
    ///
    /// # Errors
    /// When anything in it is wrong: every fault at once.
    pub fn read(
        file: &Path,
        source: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let faults = |mut found: Vec<Located>| {
            found.sort();
            let in_file = |at| FileFault { file: file.to_owned(), at };
            ConfigError::Faults(found.into_iter().map(in_file).collect())
        };
        let located = |found: Vec<Fault>| {
            let place = |fault: Fault| at(locate_toml(source, &fault.pointer), fault.message);
            faults(found.into_iter().map(place).collect())
        };
        let mut site = to_tree(source).map_err(|fault| faults(vec![fault]))?;
        let unset = environment::fill_in(&mut site, env);
        if !unset.is_empty() {
            return Err(located(unset));
        }
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let mut config =
            Self::build(Layers { site, folder, file: Some(file.to_owned()) }).map_err(located)?;
        config.source = Secret::new(source);
        Ok(config)
    }

    /// Every tenant that the configuration names.
    #[must_use]
    pub fn tenants_named(&self) -> BTreeSet<&TenantId> {
        let peers = self.sip.peers.iter().map(|peer| &peer.tenant);
        let routes = self.routes.iter().filter_map(|route| route.tenant.as_ref());
        let webhooks = self.webhooks.iter().map(|webhook| &webhook.subscription.tenant);
        let reports = self.reports.iter().map(|report| &report.tenant);
        let queues = self.queues.iter().map(|queue| &queue.tenant);
        peers.chain(routes).chain(queues).chain(webhooks).chain(reports).collect()
    }

    fn build(layers: Layers) -> Result<Self, Vec<Fault>> {
        let mut tree = to_tree(DEFAULTS).unwrap_or_default();
        lay_over(&mut tree, layers.site);
        Fields::read(&tree, "key", |fields| Self::from_fields(fields, &layers.folder, layers.file))
    }

    fn from_fields(fields: &mut Fields<'_, '_>, folder: &Path, file: Option<PathBuf>) -> Option<Self> {
        let data_dir = fields.required("data_dir", values::path(folder));
        let surveys_dir = fields.required("surveys_dir", values::path(folder));
        let prompts_dir = fields.required("prompts_dir", values::path(folder));
        let time_zone = fields.required("time_zone", values::zone);
        let week_start = fields.required("week_start", values::week_start);
        let default_survey = fields.required("default_survey", parsed::<SurveyName>);
        let default_language = fields.optional("default_language", parsed::<Language>);
        let http = fields.required_table("http", |http| Http::read(http, folder));
        let sip = fields.required_table("sip", |sip| Sip::read(sip, folder));
        let rtp = fields.required_table("rtp", Rtp::read);
        let url = fields.required_table("database", |database| {
            database.optional("url", |value| database_at(&text(value)?, folder))
        });
        let ids_clean =
            fields.required_table("ids", |ids| ids.required("clean", |value| CleanIds::new(&text(value)?)));
        let routes = fields.tables("route", Route::read);
        let queues = fields.tables("queue", Queue::read);
        let webhooks = webhooks(fields);
        let smtp = fields.table("smtp", |smtp| report::smtp(smtp, folder));
        // One with faults is told of once, and not by every report.
        let has_smtp = smtp.as_ref().is_none_or(Option::is_some);
        let reports = fields.tables("report", |report| Report::read(report, has_smtp));
        if let Some(reports) = &reports {
            refuse_twice(fields, "report", reports.iter().map(|report| &report.name));
        }
        if let Some(routes) = &routes {
            refuse_twice(fields, "route", routes.iter().map(|route| &route.name));
        }
        if let Some(queues) = &queues {
            refuse_twice(fields, "queue", queues.iter().map(|queue| (&queue.tenant, &queue.name)));
        }
        let data_dir = data_dir?;
        let database = url?.unwrap_or_else(|| Database::Sqlite(data_dir.join("aftercall.db")));
        Some(Self {
            file,
            surveys_dir: surveys_dir?,
            prompts_dir: prompts_dir?,
            time_zone: time_zone?,
            week_start: week_start?,
            default_survey: default_survey?,
            default_language: default_language?,
            http: http?,
            sip: sip?,
            rtp: rtp?,
            database,
            ids_clean: ids_clean?,
            routes: routes?,
            queues: queues?,
            webhooks: webhooks?,
            smtp: smtp?,
            reports: reports?,
            source: Secret::new(""),
            data_dir,
        })
    }

    /// What is told to whom.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.webhooks.iter().map(|webhook| webhook.subscription.clone()).collect()
    }

    /// The first route that matches a call.
    #[must_use]
    pub fn route(&self, call: &Seen<'_>) -> Option<&Route> {
        self.routes.iter().find(|route| route.pattern.matches(call))
    }

    /// What is said about a queue.
    #[must_use]
    pub fn queue(&self, tenant: &TenantId, queue: &QueueId) -> Option<&Queue> {
        self.queues.iter().find(|known| known.tenant == *tenant && known.name == *queue)
    }
}

struct Layers {
    site: Value,
    folder: PathBuf,
    file: Option<PathBuf>,
}

fn webhooks(fields: &mut Fields<'_, '_>) -> Option<Vec<Webhook>> {
    let webhooks = fields.tables("webhook", Webhook::read)?;
    let names = webhooks.iter().map(|webhook| (&webhook.subscription.tenant, &webhook.subscription.webhook));
    refuse_twice(fields, "webhook", names);
    if webhooks.len() > webhook::WEBHOOKS_MAX {
        let most = format!("is one too many: at most {}", webhook::WEBHOOKS_MAX);
        fields.fault_in("webhook", webhook::WEBHOOKS_MAX, &most);
    }
    Some(webhooks)
}

/// Two entries of the same name: only the first would ever count.
fn refuse_twice<T: PartialEq>(fields: &mut Fields<'_, '_>, list: &str, names: impl Iterator<Item = T>) {
    for (index, first) in values::repeated(names) {
        fields.fault_in(list, index, &format!("has the same `name` as {list} {}", first + 1));
    }
}

fn source_of(file: &Path) -> Result<String, ConfigError> {
    let unreadable = |reason: String| ConfigError::Unreadable { file: file.to_owned(), reason };
    let length = std::fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(unreadable(format!("it has {length} bytes, more than {FILE_BYTES_MAX}")));
    }
    let bytes = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let place = line_column(&String::from_utf8_lossy(error.as_bytes()), offset);
        ConfigError::Faults(vec![FileFault {
            file: file.to_owned(),
            at: at(place, "is not UTF-8".to_owned()),
        }])
    })
}

/// The site's values over the defaults: tables key by key, everything else as a whole.
fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (_, Value::Null) => {}
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

/// TOML as a tree of plain values. Dates become text: no setting is one.
fn to_tree(source: &str) -> Result<Value, Located> {
    let table: toml::Table = toml::from_str(source).map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        at(line_column(source, start), message)
    })?;
    Ok(plain(toml::Value::Table(table)))
}

fn at((line, column): (usize, usize), message: String) -> Located {
    Located { line, column, severity: Severity::Fault, message }
}

fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        // `nan` and `inf` have no place in JSON; as text they are refused where a number is wanted.
        toml::Value::Float(number) => {
            serde_json::Number::from_f64(number).map_or(Value::String(number.to_string()), Value::Number)
        }
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(values) => values.into_iter().map(plain).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, plain(value))).collect(),
    }
}

fn database_at(url: &str, folder: &Path) -> Result<Database, String> {
    // The address itself is not repeated: it may hold a password.
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return match Place::of(url) {
            Ok(place) => Ok(Database::Postgres { url: Secret::new(url), place }),
            Err(StoreError::Url(why)) => Err(why),
            Err(other) => Err(other.to_string()),
        };
    }
    let fault = || {
        "must be `sqlite://` and a file, such as `sqlite://data/aftercall.db`, or `postgres://user:password@host:5432/name`"
            .to_owned()
    };
    let path = url.strip_prefix("sqlite://").ok_or_else(fault)?;
    if path.is_empty() || path.contains(['?', '#']) || path.starts_with(':') {
        return Err(fault());
    }
    Ok(Database::Sqlite(folder.join(path)))
}
