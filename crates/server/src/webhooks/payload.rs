//! An event as JSON, the same for webhooks and for whoever watches live. No comment is in it, and nothing but the call of
//! a rating that was erased.

use aftercall_store::{Event, EventKind, EventSubject};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::view::instant;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EventView {
    /// Names it for good: the same however often it is told.
    #[schema(example = "019aa9e1-4c00-7abc-8def-0123456789ab")]
    pub id: String,
    /// What kind of event.
    #[serde(rename = "type")]
    #[schema(example = "rating.created")]
    pub kind: &'static str,
    /// When it happened.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// What it is about.
    pub data: EventData,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EventData {
    /// A rating as it was after that.
    Rating(RatingData),
    /// A rating that is gone.
    Erased(ErasedData),
    /// An unusual day.
    Alert(AlertData),
}

/// A rating at one of its revisions.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RatingData {
    /// The call that is rated.
    pub call_id: String,
    /// The agent.
    pub agent_id: Option<String>,
    /// The queue.
    pub queue_id: Option<String>,
    /// 1 (worst) to 5 (best).
    pub score: u8,
    /// What it was before; null where it is new.
    pub previous_score: Option<u8>,
    /// One more for each change: of two events of a call the higher one counts.
    pub revision: u32,
    /// When the caller rated.
    #[schema(format = DateTime)]
    pub created_at: Option<String>,
    /// The survey that asked.
    pub survey: Option<String>,
}

/// A rating that is gone.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErasedData {
    /// The call that was rated.
    pub call_id: String,
    /// Higher than that of every event of this call before.
    pub revision: u32,
}

/// An unusual day.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AlertData {
    /// The queue; null: all of the tenant.
    pub queue_id: Option<String>,
    /// The day, in the tenant's time zone.
    #[schema(format = Date, example = "2026-11-21")]
    pub date: String,
    /// By which rule: `mean` and `csat`: beyond the limits; `shift_up` and `shift_down`: many small steps added up.
    #[schema(example = "mean")]
    pub rule: &'static str,
    /// How many ratings the day had.
    pub rating_count: u64,
    /// The day's mean score; by the rule `csat` its share of scores 4 and 5, in percent.
    pub value: f64,
    /// What is usual.
    pub centre: f64,
    /// Its limits: low, high; null where many small steps added up.
    pub limits: Option<[f64; 2]>,
}

impl From<&Event> for EventView {
    fn from(event: &Event) -> Self {
        let data = match &event.about {
            EventSubject::Alert(alert) => EventData::Alert(AlertData {
                queue_id: alert.queue.as_ref().map(ToString::to_string),
                date: alert.day.to_string(),
                rule: alert.rule.word(),
                rating_count: alert.rating_count,
                value: alert.value,
                centre: alert.centre,
                limits: alert.limits,
            }),
            EventSubject::Rating(rated) => {
                match rated.score.filter(|_| event.kind != EventKind::RatingDeleted) {
                    None => EventData::Erased(ErasedData {
                        call_id: rated.call.to_string(),
                        revision: rated.revision,
                    }),
                    Some(score) => EventData::Rating(RatingData {
                        call_id: rated.call.to_string(),
                        agent_id: rated.agent.as_ref().map(ToString::to_string),
                        queue_id: rated.queue.as_ref().map(ToString::to_string),
                        score: score.get(),
                        previous_score: rated.previous_score.map(|score| score.get()),
                        revision: rated.revision,
                        created_at: rated.rated_at.map(instant),
                        survey: rated.survey.as_ref().map(ToString::to_string),
                    }),
                }
            }
        };
        Self { id: event.id.to_string(), kind: event.kind.word(), timestamp: instant(event.at), data }
    }
}

/// The body that is sent: the same bytes in every attempt.
pub(crate) fn body(view: &EventView) -> String {
    // It is made of texts and finite numbers: it can always be written.
    serde_json::to_string(view).unwrap_or_default()
}
