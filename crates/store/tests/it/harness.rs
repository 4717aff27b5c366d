//! A store with a database of its own, and short words for what is written to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aftercall_core::{Ending, Key, OfferState, Score, TenantId};
use aftercall_store::{
    About, Actor, Answered, Comment, Ended, Erasure, Found, Measured, NewRating, Offer, Offered, Put,
    Quality, RatedAt, Rating, Said, Session, SessionId, Started, Store, Write, Written,
};
use jiff::{SignedDuration, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Column, Connection, Executor, PgConnection, Row, ValueRef};

use crate::cluster::Database;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Sqlite => Self::Postgres,
            Self::Postgres => Self::Sqlite,
        }
    }
}

/// One story on both databases: each of these runs on each of them. The plain ones are told which; the others get a
/// home there.
macro_rules! on_both {
    (plain $($test:ident),* $(,)?) => {
        $(mod $test {
            #[test]
            fn sqlite() {
                super::$test(crate::harness::Kind::Sqlite);
            }

            #[test]
            fn postgres() {
                super::$test(crate::harness::Kind::Postgres);
            }
        })*
    };
    ($($test:ident),* $(,)?) => {
        $(mod $test {
            #[tokio::test]
            async fn sqlite() {
                super::$test(crate::harness::Home::new()).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$test(crate::harness::Home::on_postgres().await).await;
            }
        })*
    };
}
pub(crate) use on_both;

/// A database that goes when the test does.
pub(crate) enum Home {
    /// In a folder of its own.
    Folder(PathBuf),
    /// On a server.
    Server(Database),
}

impl Home {
    /// A folder, with no file in it yet.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("aftercall-store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self::Folder(folder)
    }

    /// An empty database.
    pub(crate) async fn on_postgres() -> Self {
        Self::Server(Database::new().await)
    }

    pub(crate) async fn on(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::new(),
            Kind::Postgres => Self::on_postgres().await,
        }
    }

    /// Of the file, where it is one.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join("aftercall.db"),
            Self::Server(_) => panic!("no file"),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Folder(_) => url(&self.path()),
            Self::Server(database) => database.url.clone(),
        }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url()).await.unwrap()
    }

    /// Another connection to the file, as any SQL tool has one.
    pub(crate) async fn connect(&self) -> SqliteConnection {
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(self.path())).await.unwrap()
    }

    /// The same, making the file.
    pub(crate) async fn connect_new(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path()).create_if_missing(true);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// Another connection to the server.
    pub(crate) async fn connect_postgres(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Runs plain SQL.
    pub(crate) async fn run(&self, statement: &'static str) {
        match self {
            Self::Folder(_) => drop(self.connect().await.execute(statement).await.unwrap()),
            Self::Server(_) => drop(self.connect_postgres().await.execute(statement).await.unwrap()),
        }
    }

    /// What plain SQL finds: a line a row, values with a space between, `-` for NULL.
    pub(crate) async fn sql(&self, statement: &'static str) -> Vec<String> {
        let rows = self.tool().await.rows(statement.to_owned()).await;
        let shown = |row: Vec<Option<String>>| {
            row.into_iter().map(|value| value.unwrap_or("-".to_owned())).collect::<Vec<_>>().join(" ")
        };
        rows.into_iter().map(shown).collect()
    }

    /// A connection of any SQL tool.
    pub(crate) async fn tool(&self) -> Tool {
        match self {
            Self::Folder(_) => Tool::Sqlite(self.connect().await),
            Self::Server(_) => Tool::Postgres(self.connect_postgres().await),
        }
    }
}

/// A connection of any SQL tool.
pub(crate) enum Tool {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Tool {
    /// What a statement about a tenant finds; `$1` is the tenant.
    pub(crate) async fn of_tenant(&mut self, statement: &str, tenant: &TenantId) -> Vec<Vec<Option<String>>> {
        self.rows(statement.replace("$1", &format!("'{tenant}'"))).await
    }

    /// What any statement finds.
    pub(crate) async fn plain(&mut self, statement: &str) -> Vec<Vec<Option<String>>> {
        self.rows(statement.to_owned()).await
    }

    async fn rows(&mut self, statement: String) -> Vec<Vec<Option<String>>> {
        match self {
            Self::Sqlite(tool) => {
                let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(tool).await.unwrap();
                let shown = |row: &SqliteRow, at: usize| {
                    let number = row.try_get::<i64, _>(at).map(|number| number.to_string());
                    number.unwrap_or_else(|_| row.get::<String, _>(at))
                };
                rows.iter().map(|row| values(row, shown)).collect()
            }
            Self::Postgres(tool) => {
                // Asked in the simple way, it prints every value as `psql` does.
                let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(tool).await.unwrap();
                let shown =
                    |row: &PgRow, at: usize| row.try_get_raw(at).unwrap().as_str().unwrap().to_owned();
                rows.iter().map(|row| values(row, shown)).collect()
            }
        }
    }
}

fn values<R: Row>(row: &R, shown: impl Fn(&R, usize) -> String) -> Vec<Option<String>>
where
    usize: sqlx::ColumnIndex<R>,
{
    let value = |at: usize| (!row.try_get_raw(at).unwrap().is_null()).then(|| shown(row, at));
    row.columns().iter().map(|column| value(column.ordinal())).collect()
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Self::Folder(folder) = self {
            let gone = std::fs::remove_dir_all(folder);
            assert!(gone.is_ok() || std::thread::panicking(), "{gone:?}");
        }
    }
}

pub(crate) fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

pub(crate) fn tenant() -> TenantId {
    TenantId::default()
}

/// A second of the morning on which all tests play.
pub(crate) fn at(second: i64) -> Timestamp {
    let morning: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
    morning + SignedDuration::from_secs(second)
}

pub(crate) fn score(number: u8) -> Score {
    Score::try_from(number).unwrap()
}

/// A rating to be posted: `"c1 5 agent=a1 comment=good"`.
pub(crate) fn rating(text: &str, second: i64) -> NewRating {
    let mut words = text.split(' ');
    let (call, number) = (words.next().unwrap(), words.next().unwrap());
    let mut new = NewRating {
        tenant: tenant(),
        call: call.parse().unwrap(),
        score: score(number.parse().unwrap()),
        comment: None,
        agent: None,
        queue: None,
        created_at: None,
        key: None,
        survey: None,
        channel: None,
        language: None,
        flags: BTreeSet::new(),
        within: None,
        actor: Actor::Keyless,
        at: at(second),
    };
    for word in words {
        let (name, value) = word.split_once('=').unwrap();
        match name {
            "comment" => new.comment = Some(Comment::new(value).unwrap()),
            "agent" => new.agent = Some(value.parse().unwrap()),
            "queue" => new.queue = Some(value.parse().unwrap()),
            "rated" => new.created_at = Some(RatedAt::new(at(value.parse().unwrap()), new.at).unwrap()),
            "key" => new.key = Some(Key::try_from(value.chars().next().unwrap()).unwrap()),
            "survey" => new.survey = Some(value.parse().unwrap()),
            "channel" => new.channel = Some(value.parse().unwrap()),
            "language" => new.language = Some(value.parse().unwrap()),
            _ => panic!("{word}"),
        }
    }
    new
}

pub(crate) fn post(text: &str, second: i64) -> Write {
    Write::Rate(rating(text, second))
}

pub(crate) fn erase(call: &str, second: i64) -> Write {
    let (call, actor) = (call.parse().unwrap(), Actor::Keyless);
    Write::Erase(Erasure { tenant: tenant(), call, within: None, actor, at: at(second) })
}

/// A session of a call about agent `a1` in queue `q1`.
pub(crate) fn session(call: &str, id: &str) -> Arc<Session> {
    let about = About {
        agent: Some("a1".parse().unwrap()),
        queue: Some("q1".parse().unwrap()),
        survey: Some("csat-survey".parse().unwrap()),
        survey_version: Some(3),
        channel: Some("phone".parse().unwrap()),
        language: Some("zh".parse().unwrap()),
    };
    let id = SessionId::new(id).unwrap();
    Arc::new(Session { tenant: tenant(), call: call.parse().unwrap(), id, about })
}

pub(crate) fn offered(session: &Arc<Session>, second: i64) -> Write {
    Write::Offered(Offered { session: session.clone(), put: Put::ToCaller, at: at(second) })
}

pub(crate) fn suppressed(session: &Arc<Session>, reason: &str, second: i64) -> Write {
    let put = Put::Suppressed { reason: reason.to_owned() };
    Write::Offered(Offered { session: session.clone(), put, at: at(second) })
}

pub(crate) fn started(session: &Arc<Session>, second: i64) -> Write {
    Write::Started(Started { session: session.clone(), at: at(second) })
}

pub(crate) fn ended(session: &Arc<Session>, state: OfferState, reason: Option<&str>, second: i64) -> Write {
    let ending = Ending { state, reason: reason.map(str::to_owned) };
    Write::Ended(Ended { session: session.clone(), ending, at: at(second) })
}

/// The media of a session's call ended: this many packets, and what the caller's side said of ours.
pub(crate) fn measured(
    session: &Arc<Session>,
    packets: i64,
    peer_packets_lost: Option<i64>,
    second: i64,
) -> Write {
    let quality = Quality {
        packets_expected: packets,
        packets_received: packets - 3,
        packets_lost: 3,
        packets_late: 2,
        packets_duplicate: 1,
        jitter_mean_us: 1_500,
        jitter_max_us: 9_000,
        peer_packets_lost,
        peer_jitter_us: peer_packets_lost.map(|_| 4_000),
        round_trip_us: None,
        mos_hundredths: 435,
    };
    Write::Measured(Measured { session: session.clone(), quality, at: at(second) })
}

/// The main question's answer: the key by the map of `csat-survey`, completing the survey.
pub(crate) fn answer(session: &Arc<Session>, number: u8, second: i64) -> Answered {
    Answered {
        session: session.clone(),
        question: "rating".to_owned(),
        key: Some(Key::try_from(char::from(b'6' - number)).unwrap()),
        score: Some(score(number)),
        value: Said::new(format!("label {number}")),
        main: true,
        state: OfferState::Completed,
        amends: false,
        flags: Default::default(),
        at: at(second),
    }
}

pub(crate) fn answered(session: &Arc<Session>, number: u8, second: i64) -> Write {
    Write::Answered(answer(session, number, second))
}

pub(crate) fn amended(session: &Arc<Session>, number: u8, second: i64) -> Write {
    Write::Answered(Answered { amends: true, ..answer(session, number, second) })
}

/// What came of one write, the ratings in it as [`show`] has them.
pub(crate) fn told(written: &Written) -> String {
    match written {
        Written::Erased(answers) => {
            let said: Vec<_> = answers.iter().map(|said| format!(" {}", said.expose())).collect();
            format!("Erased{}", said.concat())
        }
        Written::New(rating) => format!("new: {}", show(rating)),
        Written::Same(rating) => format!("same: {}", show(rating)),
        Written::Filled(rating) => format!("filled: {}", show(rating)),
        Written::Amended(rating) => format!("amended: {}", show(rating)),
        Written::Replaced(rating) => format!("replaced: {}", show(rating)),
        Written::Contradicts(rating) => format!("contradicts: {}", show(rating)),
        other => format!("{other:?}"),
    }
}

/// A rating as a line: what is absent is left out, the revision comes last.
pub(crate) fn show(rating: &Rating) -> String {
    let mut words = vec![rating.call.to_string(), rating.score.get().to_string()];
    let mut word =
        |name: &str, value: Option<String>| words.extend(value.map(|value| format!("{name}={value}")));
    word("comment", rating.comment.as_ref().map(|c| c.expose().to_owned()));
    word("agent", rating.agent.as_ref().map(ToString::to_string));
    word("queue", rating.queue.as_ref().map(ToString::to_string));
    let rated = (rating.created_at.as_second() - at(0).as_second()).to_string();
    word("rated", Some(rated));
    word("key", rating.key.map(|key| key.to_string()));
    word("survey", rating.survey.as_ref().map(ToString::to_string));
    word("version", rating.survey_version.map(|version| version.to_string()));
    word("channel", rating.channel.as_ref().map(|c| c.as_str().to_owned()));
    word("language", rating.language.as_ref().map(ToString::to_string));
    word("session", rating.session.as_ref().map(|s| s.as_str().to_owned()));
    word("question", rating.question.clone());
    let flags: Vec<&str> = rating.flags.iter().map(|flag| flag.word()).collect();
    word("flags", (!flags.is_empty()).then(|| flags.join(",")));
    words.push(format!("r{}", rating.revision));
    words.join(" ")
}

/// Writes one by one and tells what came of each.
pub(crate) async fn write(store: &Store, writes: Vec<Write>) -> Vec<String> {
    let mut all = Vec::new();
    for one in writes {
        all.extend(store.write(&[one]).await.unwrap().iter().map(told));
    }
    all
}

/// The call's rating as a line.
pub(crate) async fn found(store: &Store, call: &str) -> String {
    match store.rating(&tenant(), &call.parse().unwrap()).await.unwrap() {
        Found::Live(rating) => show(&rating),
        other => format!("{other:?}"),
    }
}

/// The call's offer as a line, as [`way`] has it.
pub(crate) async fn funnel(store: &Store, call: &str) -> String {
    let offer = store.offer(&tenant(), &call.parse().unwrap()).await.unwrap();
    offer.as_ref().map_or("none".to_owned(), way)
}

/// An offer as a line: state, reason, session, then the seconds of its four times.
pub(crate) fn way(offer: &Offer) -> String {
    let second = |at: Option<Timestamp>| {
        at.map_or("-".to_owned(), |at| (at.as_second() - self::at(0).as_second()).to_string())
    };
    let times = [Some(offer.offered_at), offer.started_at, offer.answered_at, offer.ended_at].map(second);
    let reason = offer.reason.as_deref().unwrap_or("-");
    format!("{} {reason} {} {}", offer.state.word(), offer.session.as_str(), times.join(" "))
}
