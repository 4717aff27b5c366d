//! A rating as somebody gives it, field by field: read alike from JSON, from a form and from a line of CSV.

use std::collections::BTreeSet;

use aftercall_core::{AgentId, CallId, Key, Language, QueueId, Score, SurveyName, TenantId};
use aftercall_store::{Actor, Channel, Comment, NewRating, RatedAt};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::api::rfc_3339;
use crate::fields::{Fields, Given, parsed, text, whole};

/// How far a client's clock may run ahead of ours: a rating is not lost for that.
const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_secs(5);

/// A rating as it is given.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) score: Score,
    pub(crate) comment: Given<Comment>,
    pub(crate) agent: Given<AgentId>,
    pub(crate) queue: Given<QueueId>,
    pub(crate) created_at: Option<RatedAt>,
    pub(crate) key: Given<Key>,
    pub(crate) survey: Given<SurveyName>,
    pub(crate) channel: Given<Channel>,
    pub(crate) language: Given<Language>,
}

impl Posted {
    /// Reads its fields. `now` is when it came.
    pub(crate) fn read(fields: &mut Fields<'_, '_>, now: Timestamp) -> Option<Self> {
        let score = fields.required("score", score);
        let comment =
            fields.given_text("comment", |value| Comment::new(text(value)?).map_err(|why| why.to_string()));
        let agent = fields.given_text("agent_id", parsed::<AgentId>);
        let queue = fields.given_text("queue_id", parsed::<QueueId>);
        let created_at = fields.optional("created_at", |value| rated_at(value, now));
        let key = fields.given("key", key);
        let survey = fields.given("survey", parsed::<SurveyName>);
        let channel =
            fields.given("channel", |value| Channel::new(text(value)?).map_err(|why| why.to_string()));
        let language = fields.given("language", parsed::<Language>);
        Some(Self {
            score: score?,
            comment: comment?,
            agent: agent?,
            queue: queue?,
            created_at: created_at?,
            key: key?,
            survey: survey?,
            channel: channel?,
            language: language?,
        })
    }

    /// As a rating of this call, by whoever sees everything and with nothing unusual about it.
    pub(crate) fn rating(self, tenant: TenantId, call: CallId, actor: Actor, at: Timestamp) -> NewRating {
        NewRating {
            tenant,
            call,
            score: self.score,
            comment: self.comment.value(),
            agent: self.agent.value(),
            queue: self.queue.value(),
            created_at: self.created_at,
            key: self.key.value(),
            survey: self.survey.value(),
            channel: self.channel.value(),
            language: self.language.value(),
            flags: BTreeSet::new(),
            within: None,
            actor,
            at,
        }
    }
}

fn score(value: &Value) -> Result<Score, String> {
    let number = whole(1..=5)(value)?;
    u8::try_from(number)
        .ok()
        .and_then(|number| Score::try_from(number).ok())
        .ok_or_else(|| "is not a score".to_owned())
}

fn key(value: &Value) -> Result<Key, String> {
    let text = text(value)?;
    let mut characters = text.chars();
    let key = characters.next().filter(|_| characters.next().is_none()).and_then(|c| Key::try_from(c).ok());
    key.ok_or_else(|| "must be one key of a telephone: 0-9, *, # or A-D".to_owned())
}

fn rated_at(value: &Value, now: Timestamp) -> Result<RatedAt, String> {
    let instant = rfc_3339(&text(value)?)?;
    let latest = now.checked_add(CLOCKS_APART_MAX).unwrap_or(now);
    RatedAt::new(instant, latest).map_err(|why| why.to_string())
}
