//! Rows on their way into the tables: JSON objects with the columns' names.

use aftercall_core::{AgentId, CallId, Key, QueueId, Score};
use serde::Serialize;

use crate::event::OutboxRow;
use crate::quality::Quality;
use crate::rating::Rating;
use crate::rules::Entry;
use crate::session::{Answer, Offer};
use crate::stamp::text;
use crate::words::SessionId;

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
    channel: Option<&'a str>,
    language: Option<&'a str>,
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
            channel: entry.channel.as_ref().map(|channel| channel.as_str()),
            language: entry.language.as_ref().map(|language| language.as_str()),
        }
    }
}

/// An event for a webhook as the JSON of [`super::sql::INSERT_OUTBOX`].
#[derive(Serialize)]
pub(super) struct OutboxCells<'a> {
    webhook: &'a str,
    event_id: String,
    event: &'static str,
    call_id: Option<&'a str>,
    due_at: String,
}

impl<'a> OutboxCells<'a> {
    pub(super) fn new(row: &'a OutboxRow) -> Self {
        Self {
            webhook: row.webhook.as_str(),
            event_id: row.event.to_string(),
            event: row.kind.word(),
            call_id: row.call.as_ref().map(CallId::as_str),
            due_at: text(row.due_at),
        }
    }
}
