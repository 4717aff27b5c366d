//! Rows and the values they hold. A value that aftercall would not have written is damage.

use std::collections::BTreeSet;
use std::str::FromStr;

use aftercall_core::stats::{ChartRule, Tally, WeekStart};
use aftercall_core::{AgentId, CallId, Key, OfferState, QueueId, Score};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::event::{Alert, Event, EventId, EventKind, Happening, Rated};
use crate::outbox::{Delivery, DeliveryState};
use crate::quality::Quality;
use crate::rating::{Flag, Rating};
use crate::results::{AgentFigures, Cell};
use crate::rules::Op;
use crate::run::{KeptRun, Run, RunProgress, Way};
use crate::session::{About, Answer, Offer};
use crate::tenant::{ApiKey, Role, Tenant, Zone};
use crate::words::{KeyId, RatingId, Said};

/// The column whose value is none that aftercall writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damage(pub(crate) &'static str);

/// A value, or where it is none.
pub(crate) type Decoded<T> = Result<T, Damage>;

/// A row, however it came: cell by cell, or as a JSON object with the columns' names.
pub(crate) trait Cells {
    fn text(&self, column: &'static str) -> Decoded<Option<&str>>;
    fn whole(&self, column: &'static str) -> Decoded<Option<i64>>;
    /// An id; as text where the database has no type for it.
    fn id(&self, column: &'static str) -> Decoded<Option<Uuid>> {
        self.text(column)?.map(|text| text.parse().map_err(|_| Damage(column))).transpose()
    }
    /// A moment; as text where the database has no type for it.
    fn instant(&self, column: &'static str) -> Decoded<Option<Timestamp>> {
        self.text(column)?.map(|text| text.parse().map_err(|_| Damage(column))).transpose()
    }
}

impl Cells for SqliteRow {
    fn text(&self, column: &'static str) -> Decoded<Option<&str>> {
        self.try_get(column).map_err(|_| Damage(column))
    }

    fn whole(&self, column: &'static str) -> Decoded<Option<i64>> {
        self.try_get(column).map_err(|_| Damage(column))
    }
}

/// A row within an array of what is known of a batch's calls.
pub(crate) type JsonRow = serde_json::Map<String, serde_json::Value>;

impl Cells for JsonRow {
    fn text(&self, column: &'static str) -> Decoded<Option<&str>> {
        match self.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            _ => Err(Damage(column)),
        }
    }

    fn whole(&self, column: &'static str) -> Decoded<Option<i64>> {
        match self.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => number.as_i64().map(Some).ok_or(Damage(column)),
            _ => Err(Damage(column)),
        }
    }
}

/// An array of rows in one column.
pub(crate) fn list<T: DeserializeOwned>(row: &impl Cells, column: &'static str) -> Decoded<Vec<T>> {
    let json = row.text(column)?.ok_or(Damage(column))?;
    serde_json::from_str(json).map_err(|_| Damage(column))
}

/// An optional column, parsed.
fn maybe<T: FromStr>(row: &impl Cells, column: &'static str) -> Decoded<Option<T>> {
    row.text(column)?.map(|text| text.parse().map_err(|_| Damage(column))).transpose()
}

/// A column that is there, parsed.
fn field<T: FromStr>(row: &impl Cells, column: &'static str) -> Decoded<T> {
    maybe(row, column)?.ok_or(Damage(column))
}

/// A moment that is there.
fn moment(row: &impl Cells, column: &'static str) -> Decoded<Timestamp> {
    row.instant(column)?.ok_or(Damage(column))
}

/// A whole number, made into what it stands for.
fn number<T: TryFrom<i64>>(row: &impl Cells, column: &'static str) -> Decoded<Option<T>> {
    row.whole(column)?.map(|n| T::try_from(n).map_err(|_| Damage(column))).transpose()
}

fn key(row: &impl Cells) -> Decoded<Option<Key>> {
    let letter: Option<char> = maybe(row, "key")?;
    letter.map(|c| Key::try_from(c).map_err(|_| Damage("key"))).transpose()
}

fn score(row: &impl Cells) -> Decoded<Option<Score>> {
    let number: Option<u8> = number(row, "score")?;
    number.map(|n| Score::try_from(n).map_err(|_| Damage("score"))).transpose()
}

pub(crate) fn call(row: &impl Cells) -> Decoded<CallId> {
    field(row, "call_id")
}

pub(crate) fn rating(row: &impl Cells) -> Decoded<Rating> {
    let flags: String = field(row, "flags")?;
    Ok(Rating {
        id: RatingId(row.id("id")?.ok_or(Damage("id"))?),
        call: call(row)?,
        agent: maybe(row, "agent_id")?,
        queue: maybe(row, "queue_id")?,
        score: score(row)?.ok_or(Damage("score"))?,
        comment: maybe(row, "comment")?,
        created_at: moment(row, "created_at")?,
        key: key(row)?,
        survey: maybe(row, "survey")?,
        survey_version: number(row, "survey_version")?,
        channel: maybe(row, "channel")?,
        language: maybe(row, "language")?,
        session: maybe(row, "session_id")?,
        question: maybe(row, "question")?,
        revision: number(row, "revision")?.ok_or(Damage("revision"))?,
        flags: flags.split_ascii_whitespace().map(flag).collect::<Decoded<BTreeSet<Flag>>>()?,
    })
}

fn flag(word: &str) -> Decoded<Flag> {
    Flag::ALL.into_iter().find(|flag| flag.word() == word).ok_or(Damage("flags"))
}

pub(crate) fn offer(row: &impl Cells) -> Decoded<Offer> {
    let state: String = field(row, "state")?;
    Ok(Offer {
        call: call(row)?,
        session: field(row, "session_id")?,
        about: About {
            agent: maybe(row, "agent_id")?,
            queue: maybe(row, "queue_id")?,
            survey: maybe(row, "survey")?,
            survey_version: number(row, "survey_version")?,
            channel: maybe(row, "channel")?,
            language: maybe(row, "language")?,
        },
        state: OfferState::ALL.into_iter().find(|s| s.word() == state).ok_or(Damage("state"))?,
        reason: maybe(row, "reason")?,
        offered_at: moment(row, "offered_at")?,
        started_at: row.instant("started_at")?,
        answered_at: row.instant("answered_at")?,
        ended_at: row.instant("ended_at")?,
    })
}

pub(crate) fn answer(row: &impl Cells) -> Decoded<Answer> {
    let value: String = field(row, "value")?;
    Ok(Answer {
        question: field(row, "question")?,
        session: field(row, "session_id")?,
        key: key(row)?,
        score: score(row)?,
        value: Said::new(value),
        main: number::<i64>(row, "main")? == Some(1),
        answered_at: moment(row, "answered_at")?,
    })
}

pub(crate) fn tenant(row: &impl Cells) -> Decoded<Tenant> {
    let week: String = field(row, "week_start")?;
    Ok(Tenant { id: field(row, "tenant_id")?, time_zone: zone(row)?, week_start: week_start(&week)? })
}

pub(crate) fn zone(row: &impl Cells) -> Decoded<Zone> {
    let name: String = field(row, "time_zone")?;
    Zone::new(&name).map_err(|_| Damage("time_zone"))
}

fn week_start(word: &str) -> Decoded<WeekStart> {
    WeekStart::ALL.into_iter().find(|start| start.word() == word).ok_or(Damage("week_start"))
}

/// The number of an attempt.
pub(crate) fn attempts(row: &impl Cells) -> Decoded<u32> {
    let attempts = row.whole("attempts")?.and_then(|attempts| u32::try_from(attempts).ok());
    attempts.ok_or(Damage("attempts"))
}

pub(crate) fn kept_run(row: &impl Cells) -> Decoded<KeptRun> {
    let (way, progress): (String, String) = (field(row, "way")?, field(row, "state")?);
    let way = Way::ALL.into_iter().find(|known| known.word() == way).ok_or(Damage("way"))?;
    let progress =
        RunProgress::ALL.into_iter().find(|known| known.word() == progress).ok_or(Damage("state"))?;
    let moment = |column| row.instant(column)?.ok_or(Damage(column));
    Ok(KeptRun {
        run: Run {
            tenant: field(row, "tenant_id")?,
            report: field(row, "report")?,
            period: field(row, "period")?,
            way,
        },
        progress,
        attempts: attempts(row)?,
        not_before: moment("not_before")?,
        changed_at: moment("changed_at")?,
        error: maybe(row, "error")?,
    })
}

pub(crate) fn api_key(row: &impl Cells) -> Decoded<ApiKey> {
    let word: String = field(row, "role")?;
    let agent: Option<AgentId> = maybe(row, "agent_id")?;
    let queues: Option<String> = maybe(row, "queues")?;
    let queues: Option<Vec<QueueId>> =
        queues.map(|json| serde_json::from_str(&json).map_err(|_| Damage("queues"))).transpose()?;
    let role = match (word.as_str(), agent, queues) {
        ("ingest", None, None) => Role::Ingest,
        ("agent", Some(agent), None) => Role::Agent(agent),
        ("viewer", None, None) => Role::Viewer,
        ("supervisor", None, Some(queues)) => Role::Supervisor(queues),
        ("admin", None, None) => Role::Admin,
        _ => return Err(Damage("role")),
    };
    Ok(ApiKey {
        id: KeyId(row.id("key_id")?.ok_or(Damage("key_id"))?),
        tenant: field(row, "tenant_id")?,
        role,
        created_at: moment(row, "created_at")?,
        expires_at: row.instant("expires_at")?,
        last_used_at: row.instant("last_used_at")?,
        revoked_at: row.instant("revoked_at")?,
    })
}

/// Five counts, each in its column.
pub(crate) fn counted(row: &impl Cells) -> Decoded<Tally> {
    let mut counts = [0; 5];
    for (count, column) in counts.iter_mut().zip(["n1", "n2", "n3", "n4", "n5"]) {
        *count = number(row, column)?.ok_or(Damage(column))?;
    }
    Tally::new(counts).map_err(|_| Damage("score"))
}

/// The same as five numbers in one text.
pub(crate) fn tally(row: &impl Cells) -> Decoded<Tally> {
    let text: String = field(row, "counts")?;
    let counts: Vec<u64> =
        text.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(|_| Damage("score"))?;
    let counts = <[u64; 5]>::try_from(counts).map_err(|_| Damage("score"))?;
    Tally::new(counts).map_err(|_| Damage("score"))
}

pub(crate) fn quality(row: &impl Cells) -> Decoded<Quality> {
    let there = |column| row.whole(column)?.ok_or(Damage(column));
    Ok(Quality {
        packets_expected: there("packets_expected")?,
        packets_received: there("packets_received")?,
        packets_lost: there("packets_lost")?,
        packets_late: there("packets_late")?,
        packets_duplicate: there("packets_duplicate")?,
        jitter_mean_us: there("jitter_mean_us")?,
        jitter_max_us: there("jitter_max_us")?,
        peer_packets_lost: row.whole("peer_packets_lost")?,
        peer_jitter_us: row.whole("peer_jitter_us")?,
        round_trip_us: row.whole("round_trip_us")?,
        mos_hundredths: there("mos_hundredths")?,
    })
}

/// The first and the last moment.
pub(crate) fn span(row: &impl Cells) -> Decoded<Option<(Timestamp, Timestamp)>> {
    Ok(row.instant("first")?.zip(row.instant("last")?))
}

/// The cells of a table of ratings: the group's name, the window, the counts of scores.
pub(crate) fn cells(row: &impl Cells) -> Decoded<Vec<Cell>> {
    type Line = (Option<String>, usize, u64, u64, u64, u64, u64);
    let cell = |(name, period, n1, n2, n3, n4, n5): Line| {
        let tally = Tally::new([n1, n2, n3, n4, n5]).map_err(|_| Damage("score"))?;
        Ok(Cell { name, period, tally })
    };
    list::<Line>(row, "list")?.into_iter().map(cell).collect()
}

/// Agents' ratings in queues: queue, `""` for none, agent, the counts of scores.
pub(crate) fn agents(row: &impl Cells) -> Decoded<Vec<AgentFigures>> {
    type Line = (String, AgentId, u64, u64, u64, u64, u64);
    let of_agent = |(queue, agent, n1, n2, n3, n4, n5): Line| {
        let tally = Tally::new([n1, n2, n3, n4, n5]).map_err(|_| Damage("score"))?;
        Ok(AgentFigures { queue: named(&queue)?, agent, tally })
    };
    list::<Line>(row, "list")?.into_iter().map(of_agent).collect()
}

/// A queue by its name in the tables of results.
pub(crate) fn named(queue: &str) -> Decoded<Option<QueueId>> {
    (!queue.is_empty()).then(|| queue.parse().map_err(|_| Damage("queue_id"))).transpose()
}

/// A queue's name in the tables of results, `""` for none.
pub(crate) fn queue(row: &impl Cells) -> Decoded<String> {
    field(row, "queue_id")
}

/// A queue and the first day of a month.
pub(crate) fn queue_month(row: &impl Cells) -> Decoded<(String, jiff::civil::Date)> {
    let month: String = field(row, "day")?;
    Ok((queue(row)?, format!("{month}-01").parse().map_err(|_| Damage("day"))?))
}

/// A pair of the `DAYS_OF_TENANT` statements.
pub(crate) fn queue_day(row: &impl Cells) -> Decoded<(String, jiff::civil::Date)> {
    Ok((field(row, "queue_id")?, field(row, "day")?))
}

/// An entry of the log that is told.
pub(crate) fn happening(row: &impl Cells) -> Decoded<Happening> {
    let op: String = field(row, "op")?;
    let score = |column| -> Decoded<Option<Score>> {
        let number: Option<u8> = number(row, column)?;
        number.map(|n| Score::try_from(n).map_err(|_| Damage(column))).transpose()
    };
    Ok(Happening {
        id: row.id("log_id")?.ok_or(Damage("log_id"))?,
        op: Op::ALL.into_iter().find(|known| known.word() == op).ok_or(Damage("op"))?,
        at: moment(row, "arrived_at")?,
        rated: Rated {
            call: call(row)?,
            agent: maybe(row, "agent_id")?,
            queue: maybe(row, "queue_id")?,
            survey: maybe(row, "survey")?,
            rated_at: row.instant("rated_at")?,
            revision: number(row, "revision")?.ok_or(Damage("revision"))?,
            previous_score: score("old_score")?,
            score: score("new_score")?,
        },
    })
}

/// An alert, as the event that it is.
pub(crate) fn alert(row: &impl Cells) -> Decoded<Event> {
    let (queue, rule): (String, String) = (field(row, "queue_id")?, field(row, "rule")?);
    let limits = maybe(row, "low")?.zip(maybe(row, "high")?);
    let alert = Alert {
        queue: (!queue.is_empty()).then(|| queue.parse().map_err(|_| Damage("queue_id"))).transpose()?,
        day: local_day(row, "local_day")?,
        rule: ChartRule::ALL.into_iter().find(|known| known.word() == rule).ok_or(Damage("rule"))?,
        rating_count: number(row, "rating_count")?.ok_or(Damage("rating_count"))?,
        value: field(row, "value")?,
        centre: field(row, "centre")?,
        limits: limits.map(|(low, high)| [low, high]),
    };
    Ok(alert.event(row.id("alert_id")?.ok_or(Damage("alert_id"))?, moment(row, "raised_at")?))
}

/// A date.
pub(crate) fn local_day(row: &impl Cells, column: &'static str) -> Decoded<jiff::civil::Date> {
    field(row, column)
}

/// The day of the `LAST_ALERT_DAY` statement.
pub(crate) fn last_day(row: &impl Cells) -> Decoded<jiff::civil::Date> {
    local_day(row, "day")
}

/// The id of a `LAST_…` statement.
pub(crate) fn last_id(row: &impl Cells) -> Decoded<Uuid> {
    row.id("id")?.ok_or(Damage("id"))
}

/// An event that is due: its id, its kind, and how often it was sent.
pub(crate) fn due(row: &impl Cells) -> Decoded<(EventId, EventKind, u32)> {
    Ok((field(row, "event_id")?, kind(row)?, number(row, "attempts")?.ok_or(Damage("attempts"))?))
}

fn kind(row: &impl Cells) -> Decoded<EventKind> {
    let word: String = field(row, "event")?;
    EventKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or(Damage("event"))
}

/// A row of the outbox.
pub(crate) fn delivery(row: &impl Cells) -> Decoded<Delivery> {
    let state: String = field(row, "state")?;
    Ok(Delivery {
        event: field(row, "event_id")?,
        kind: kind(row)?,
        call: maybe(row, "call_id")?,
        state: DeliveryState::ALL.into_iter().find(|known| known.word() == state).ok_or(Damage("state"))?,
        attempts: number(row, "attempts")?.ok_or(Damage("attempts"))?,
        due_at: moment(row, "due_at")?,
        settled_at: row.instant("settled_at")?,
        status: number(row, "status")?,
        reason: maybe(row, "reason")?,
    })
}

/// When something was delivered last.
pub(crate) fn settled_at(row: &impl Cells) -> Decoded<Option<Timestamp>> {
    row.instant("settled_at")
}

/// A number of rows.
pub(crate) fn count(row: &impl Cells) -> Decoded<u64> {
    number(row, "n")?.ok_or(Damage("n"))
}
