//! Which ratings: the filter that lists and reports share.

use aftercall_core::{AgentId, Language, QueueId, Score, SurveyName};
use aftercall_store::{Channel, RatingFilter, Window};
use serde_json::Value;
use utoipa::IntoParams;

use crate::fields::{Fields, parsed, text};

/// Which ratings.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented; what is read is the store's filter")]
pub struct FilterQuery {
    /// Only of this agent.
    pub agent: Option<String>,
    /// Only of this queue.
    pub queue: Option<String>,
    /// Only asked by this survey.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]+$")]
    pub survey: Option<String>,
    /// Only asked in this way.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]+$")]
    pub channel: Option<String>,
    /// Only asked in this language.
    #[param(min_length = 1, max_length = 35, pattern = "^[A-Za-z0-9_-]+$")]
    pub language: Option<String>,
    /// Only with this score.
    #[param(minimum = 1, maximum = 5)]
    pub score: Option<u8>,
}

/// Reads it; its window is left open.
pub fn read(fields: &mut Fields<'_, '_>) -> Option<RatingFilter> {
    let agent = fields.optional("agent", parsed::<AgentId>);
    let queue = fields.optional("queue", parsed::<QueueId>);
    let survey = fields.optional("survey", parsed::<SurveyName>);
    let channel =
        fields.optional("channel", |value| Channel::new(text(value)?).map_err(|why| why.to_string()));
    let language = fields.optional("language", parsed::<Language>);
    let score = fields.optional("score", score);
    Some(RatingFilter {
        agent: agent?,
        queues: queue?.map(|queue| vec![queue]),
        score: score?,
        survey: survey?,
        channel: channel?,
        language: language?,
        window: Window::default(),
    })
}

fn score(value: &Value) -> Result<Score, String> {
    let number = text(value)?.parse::<u8>().ok().and_then(|number| Score::try_from(number).ok());
    number.ok_or_else(|| "must be a whole number from 1 to 5".to_owned())
}
