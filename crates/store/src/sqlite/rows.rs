//! Rows and the values they hold. A value that aftercall would not have written is damage.

use std::collections::BTreeSet;
use std::str::FromStr;

use aftercall_core::stats::{Tally, WeekStart};
use aftercall_core::{AgentId, CallId, Key, OfferState, QueueId, Score};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::quality::Quality;
use crate::rating::{Flag, Rating};
use crate::rules::Entry;
use crate::session::{About, Answer, Offer};
use crate::stamp::text;
use crate::tenant::{ApiKey, Role, Tenant, Zone};
use crate::words::{Said, SessionId};

/// The column whose value is none that aftercall writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damage(pub(super) &'static str);

type Decoded<T> = Result<T, Damage>;

/// A row, however it came: cell by cell, or as a JSON object with the columns' names.
pub(super) trait Cells {
    fn text(&self, column: &'static str) -> Decoded<Option<&str>>;
    fn whole(&self, column: &'static str) -> Decoded<Option<i64>>;
}

impl Cells for SqliteRow {
    fn text(&self, column: &'static str) -> Decoded<Option<&str>> {
        self.try_get(column).map_err(|_| Damage(column))
    }

    fn whole(&self, column: &'static str) -> Decoded<Option<i64>> {
        self.try_get(column).map_err(|_| Damage(column))
    }
}

/// A row within one of the arrays of [`super::sql::KNOWN`].
pub(super) type JsonRow = serde_json::Map<String, serde_json::Value>;

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
pub(super) fn list<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Decoded<Vec<T>> {
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

pub(super) fn call(row: &impl Cells) -> Decoded<CallId> {
    field(row, "call_id")
}

pub(super) fn rating(row: &impl Cells) -> Decoded<Rating> {
    let flags: String = field(row, "flags")?;
    Ok(Rating {
        id: field(row, "id")?,
        call: call(row)?,
        agent: maybe(row, "agent_id")?,
        queue: maybe(row, "queue_id")?,
        score: score(row)?.ok_or(Damage("score"))?,
        comment: maybe(row, "comment")?,
        created_at: field(row, "created_at")?,
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

pub(super) fn offer(row: &impl Cells) -> Decoded<Offer> {
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
        offered_at: field(row, "offered_at")?,
        started_at: maybe(row, "started_at")?,
        answered_at: maybe(row, "answered_at")?,
        ended_at: maybe(row, "ended_at")?,
    })
}

pub(super) fn answer(row: &impl Cells) -> Decoded<Answer> {
    let value: String = field(row, "value")?;
    Ok(Answer {
        question: field(row, "question")?,
        session: field(row, "session_id")?,
        key: key(row)?,
        score: score(row)?,
        value: Said::new(value),
        main: number::<i64>(row, "main")? == Some(1),
        answered_at: field(row, "answered_at")?,
    })
}

pub(super) fn tenant(row: &SqliteRow) -> Decoded<Tenant> {
    let week: String = field(row, "week_start")?;
    Ok(Tenant { id: field(row, "tenant_id")?, time_zone: zone(row)?, week_start: week_start(&week)? })
}

pub(super) fn zone(row: &SqliteRow) -> Decoded<Zone> {
    let name: String = field(row, "time_zone")?;
    Zone::new(&name).map_err(|_| Damage("time_zone"))
}

fn week_start(word: &str) -> Decoded<WeekStart> {
    WeekStart::ALL.into_iter().find(|start| start.word() == word).ok_or(Damage("week_start"))
}

pub(super) fn api_key(row: &SqliteRow) -> Decoded<ApiKey> {
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
        id: field(row, "key_id")?,
        tenant: field(row, "tenant_id")?,
        role,
        created_at: field(row, "created_at")?,
        expires_at: maybe(row, "expires_at")?,
        last_used_at: maybe(row, "last_used_at")?,
        revoked_at: maybe(row, "revoked_at")?,
    })
}

/// The counts of [`super::sql::QUEUE_AGENTS`].
pub(super) fn agent_tally(row: &SqliteRow) -> Decoded<(AgentId, Tally)> {
    let mut counts = [0; 5];
    for (count, column) in counts.iter_mut().zip(["n1", "n2", "n3", "n4", "n5"]) {
        *count = number(row, column)?.ok_or(Damage(column))?;
    }
    Ok((field(row, "agent_id")?, Tally::new(counts).map_err(|_| Damage("score"))?))
}

/// The counts of the `TALLIES` statements: five numbers in one text.
pub(super) fn tally(row: &SqliteRow) -> Decoded<Tally> {
    let text: String = field(row, "counts")?;
    let counts: Vec<u64> =
        text.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(|_| Damage("score"))?;
    let counts = <[u64; 5]>::try_from(counts).map_err(|_| Damage("score"))?;
    Tally::new(counts).map_err(|_| Damage("score"))
}

/// A rating as the JSON of [`super::sql::INSERT_RATINGS`] and [`super::sql::UPDATE_RATINGS`].
#[derive(Serialize)]
pub(super) struct RatingRow<'a> {
    id: String,
    call_id: &'a str,
    agent_id: Option<&'a str>,
    queue_id: Option<&'a str>,
    score: u8,
    comment: Option<&'a str>,
    created_at: String,
    key: Option<Key>,
    survey: Option<&'a str>,
    survey_version: Option<u32>,
    channel: Option<&'a str>,
    language: Option<&'a str>,
    session_id: Option<&'a str>,
    question: Option<&'a str>,
    revision: u32,
    flags: String,
}

impl<'a> RatingRow<'a> {
    pub(super) fn new(rating: &'a Rating) -> Self {
        let flags: Vec<&str> = rating.flags.iter().map(|flag| flag.word()).collect();
        Self {
            id: rating.id.to_string(),
            call_id: rating.call.as_str(),
            agent_id: rating.agent.as_ref().map(AgentId::as_str),
            queue_id: rating.queue.as_ref().map(QueueId::as_str),
            score: rating.score.get(),
            comment: rating.comment.as_ref().map(|comment| comment.expose()),
            created_at: text(rating.created_at),
            key: rating.key,
            survey: rating.survey.as_ref().map(|survey| survey.as_str()),
            survey_version: rating.survey_version,
            channel: rating.channel.as_ref().map(|channel| channel.as_str()),
            language: rating.language.as_ref().map(|language| language.as_str()),
            session_id: rating.session.as_ref().map(|session| session.as_str()),
            question: rating.question.as_deref(),
            revision: rating.revision,
            flags: flags.join(" "),
        }
    }
}

/// An answer as the JSON of [`super::sql::PUT_ANSWERS`].
#[derive(Serialize)]
pub(super) struct AnswerRow<'a> {
    call_id: &'a str,
    question: &'a str,
    session_id: &'a str,
    key: Option<Key>,
    score: Option<Score>,
    value: &'a str,
    main: u8,
    answered_at: String,
}

impl<'a> AnswerRow<'a> {
    pub(super) fn new(call: &'a CallId, answer: &'a Answer) -> Self {
        Self {
            call_id: call.as_str(),
            question: &answer.question,
            session_id: answer.session.as_str(),
            key: answer.key,
            score: answer.score,
            value: answer.value.expose(),
            main: u8::from(answer.main),
            answered_at: text(answer.answered_at),
        }
    }
}

/// An offer as the JSON of [`super::sql::PUT_OFFERS`].
#[derive(Serialize)]
pub(super) struct OfferRow<'a> {
    call_id: &'a str,
    session_id: &'a str,
    agent_id: Option<&'a str>,
    queue_id: Option<&'a str>,
    survey: Option<&'a str>,
    survey_version: Option<u32>,
    channel: Option<&'a str>,
    language: Option<&'a str>,
    state: &'static str,
    reason: Option<&'a str>,
    offered_at: String,
    started_at: Option<String>,
    answered_at: Option<String>,
    ended_at: Option<String>,
}

impl<'a> OfferRow<'a> {
    pub(super) fn new(offer: &'a Offer) -> Self {
        let about = &offer.about;
        Self {
            call_id: offer.call.as_str(),
            session_id: offer.session.as_str(),
            agent_id: about.agent.as_ref().map(AgentId::as_str),
            queue_id: about.queue.as_ref().map(QueueId::as_str),
            survey: about.survey.as_ref().map(|survey| survey.as_str()),
            survey_version: about.survey_version,
            channel: about.channel.as_ref().map(|channel| channel.as_str()),
            language: about.language.as_ref().map(|language| language.as_str()),
            state: offer.state.word(),
            reason: offer.reason.as_deref(),
            offered_at: text(offer.offered_at),
            started_at: offer.started_at.map(text),
            answered_at: offer.answered_at.map(text),
            ended_at: offer.ended_at.map(text),
        }
    }
}

/// A call's figures as the JSON of [`super::sql::PUT_QUALITIES`].
#[derive(Serialize)]
pub(super) struct QualityRow<'a> {
    call_id: &'a str,
    session_id: &'a str,
    #[serde(flatten)]
    quality: Quality,
}

impl<'a> QualityRow<'a> {
    pub(super) fn new(call: &'a CallId, (session, quality): &'a (SessionId, Quality)) -> Self {
        Self { call_id: call.as_str(), session_id: session.as_str(), quality: *quality }
    }
}

pub(super) fn quality(row: &impl Cells) -> Decoded<Quality> {
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

/// An entry as the JSON of [`super::sql::INSERT_LOG`].
#[derive(Serialize)]
pub(super) struct LogRow<'a> {
    log_id: String,
    call_id: &'a str,
    op: &'static str,
    revision: u32,
    arrived_at: String,
    rated_at: Option<String>,
    agent_id: Option<&'a str>,
    queue_id: Option<&'a str>,
    survey: Option<&'a str>,
    old_score: Option<Score>,
    new_score: Option<Score>,
    actor: String,
    reason: Option<&'static str>,
}

impl<'a> LogRow<'a> {
    pub(super) fn new(entry: &'a Entry, log_id: String) -> Self {
        Self {
            log_id,
            call_id: entry.call.as_str(),
            op: entry.op.word(),
            revision: entry.revision,
            arrived_at: text(entry.arrived_at),
            rated_at: entry.rated_at.map(text),
            agent_id: entry.agent.as_ref().map(AgentId::as_str),
            queue_id: entry.queue.as_ref().map(QueueId::as_str),
            survey: entry.survey.as_ref().map(|survey| survey.as_str()),
            old_score: entry.old_score,
            new_score: entry.new_score,
            actor: entry.by.text(),
            reason: entry.reason,
        }
    }
}

/// A pair of [`super::sql::DAYS_OF_TENANT`].
pub(super) fn queue_day(row: &SqliteRow) -> Decoded<(String, jiff::civil::Date)> {
    Ok((field(row, "queue_id")?, field(row, "day")?))
}

/// The end of a page or window that has none: behind every time.
pub(super) const NEVER: &str = "~";

/// A bound as text; what is open is before or behind every time.
pub(super) fn bound(at: Option<Timestamp>, open: &str) -> String {
    at.map_or_else(|| open.to_owned(), text)
}
