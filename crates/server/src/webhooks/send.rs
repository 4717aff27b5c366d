//! One attempt: a signed POST, and what came back.

use std::time::Duration;

use jiff::Timestamp;

use super::schedule::retry_after;
use super::sign::signatures;
use crate::config::Webhook;
use crate::post;

/// Bytes of an answer that are read, so that the connection can be used again; nothing is made of them but by
/// `aftercall webhook test`, which shows them.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// The longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 200;

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status; `None`: there was no answer.
    pub status: Option<u16>,
    /// Why that is no success.
    pub reason: Option<String>,
    /// How long the other side asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The beginning of what it said.
    pub said: String,
}

impl Answer {
    /// Whether it was taken.
    #[must_use]
    pub fn is_well(&self) -> bool {
        matches!(self.status, Some(200..=299))
    }
}

/// The way to one webhook. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Post {
    agent: ureq::Agent,
    webhook: Webhook,
}

impl Post {
    /// The way to it.
    #[must_use]
    pub fn to(webhook: &Webhook) -> Self {
        Self { agent: post::agent(webhook.timeout), webhook: webhook.clone() }
    }

    /// Sends a body under an id, signed as of `at`. Blocks for at most the webhook's timeout.
    #[must_use]
    pub fn send(&self, id: &str, body: &str, at: Timestamp) -> Answer {
        let sent = self
            .agent
            .post(self.webhook.url.expose())
            .header("Content-Type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.as_second().to_string())
            .header("webhook-signature", signatures(&self.webhook.keys, id, at, body))
            .send(body);
        let mut answer = match sent {
            Ok(answer) => answer,
            Err(fault) => return Answer { reason: Some(short(&fault.to_string())), ..Answer::default() },
        };
        let status = answer.status();
        let header = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|text| retry_after(text, at));
        let said = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string();
        let reason = (!status.is_success()).then(|| format!("answered {}", status.as_u16()));
        Answer { status: Some(status.as_u16()), reason, retry_after, said: said.unwrap_or_default() }
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect()
}
