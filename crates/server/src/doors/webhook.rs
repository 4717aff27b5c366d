//! A survey's `webhook` step: what is known goes out as JSON, one word comes back.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::post;

/// The longest answer that is read: one word in a little JSON.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// The longest outcome word.
const OUTCOME_CHARS_MAX: usize = 64;

/// The other side did not say yes.
const FAILED: &str = "failed";

#[derive(Deserialize)]
struct Answer {
    outcome: Option<String>,
}

/// POSTs `body` and returns the outcome: the word in `{"outcome": "…"}`, `ok` for any other 2xx,
/// `failed` for everything else and for no answer in time. Blocks for at most `timeout`.
pub(super) fn tell(url: &str, timeout: Duration, body: &Value) -> String {
    let text = body.to_string();
    let sent = post::agent(timeout).post(url).header("Content-Type", "application/json").send(text);
    match sent {
        Ok(mut answer) if answer.status().is_success() => {
            let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
            word(text.as_deref().unwrap_or_default())
        }
        Ok(_) => FAILED.to_owned(),
        Err(fault) => {
            // The address is an operator's, without query; the body, which may name people, is not logged.
            tracing::warn!(host = post::host(url), %fault, "a webhook did not answer");
            FAILED.to_owned()
        }
    }
}

fn word(text: &str) -> String {
    let said = serde_json::from_str::<Answer>(text).ok().and_then(|answer| answer.outcome);
    said.filter(|word| !word.trim().is_empty())
        .map_or_else(|| "ok".to_owned(), |word| word.trim().chars().take(OUTCOME_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_is_the_word_that_came_back_or_ok() {
        for (answer, outcome) in [
            ("", "ok"),
            ("thanks", "ok"),
            ("{}", "ok"),
            (r#"{"outcome": " vip "}"#, "vip"),
            (r#"{"outcome": ""}"#, "ok"),
            (r#"{"outcome": 5}"#, "ok"),
        ] {
            assert_eq!(word(answer), outcome, "{answer}");
        }
    }
}
