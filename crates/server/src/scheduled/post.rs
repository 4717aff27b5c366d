//! A report posted to a URL, signed as Standard Webhooks 1.0 has it: <https://www.standardwebhooks.com>.

use std::time::Duration;

use jiff::Timestamp;

use crate::post;
use crate::webhooks::SigningKey;

/// How long the other side may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Where to, and by which key it is signed.
#[derive(Debug, Clone)]
pub struct Post {
    pub url: String,
    pub key: SigningKey,
}

/// Posts a body, once. `id` is the same however often the same is posted. Blocks.
///
/// # Errors
/// Says what came instead of a yes; nothing of it names a person.
pub fn post(to: &Post, id: &str, now: Timestamp, body: &str) -> Result<(), String> {
    let asked = post::agent(ANSWER_WAIT).post(&to.url).header("Content-Type", "application/json");
    let asked = asked.header("webhook-id", id).header("webhook-timestamp", now.as_second().to_string());
    match asked.header("webhook-signature", to.key.sign(id, now, body)).send(body) {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("the URL answered {}", answer.status().as_u16())),
        Err(ureq::Error::Timeout(_)) => Err("the URL did not answer in time".to_owned()),
        Err(_) => Err("the URL could not be reached".to_owned()),
    }
}
