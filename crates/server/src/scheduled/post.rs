//! A report posted to a URL, signed as Standard Webhooks 1.0 has it: <https://www.standardwebhooks.com>.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

/// How long the other side may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Where to, and by which key it is signed.
#[derive(Debug, Clone)]
pub struct Post {
    pub url: String,
    pub key: Key,
}

/// A key that both sides know.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Reads `whsec_` and 24 to 64 bytes in base64.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The signature of a message.
    fn sign(&self, id: &str, second: i64, body: &str) -> String {
        // HMAC takes a key of any length.
        let mut mac = match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mac) => mac,
            Err(never) => return never.to_string(),
        };
        mac.update(format!("{id}.{second}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Posts a body, once. `id` is the same however often the same is posted. Blocks.
///
/// # Errors
/// Says what came instead of a yes; nothing of it names a person.
pub fn post(to: &Post, id: &str, now: Timestamp, body: &str) -> Result<(), String> {
    let second = now.as_second();
    let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_WAIT)).max_redirects(0);
    let agent: ureq::Agent = config.http_status_as_error(false).build().into();
    let asked = agent.post(&to.url).header("Content-Type", "application/json").header("webhook-id", id);
    let asked = asked.header("webhook-timestamp", second.to_string());
    match asked.header("webhook-signature", to.key.sign(id, second, body)).send(body) {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("the URL answered {}", answer.status().as_u16())),
        Err(ureq::Error::Timeout(_)) => Err("the URL did not answer in time".to_owned()),
        Err(_) => Err("the URL could not be reached".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn a_message_is_signed_as_standard_webhooks_has_it() {
        let key = Key::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        assert_eq!(
            key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        for wrong in ["", "secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_?"] {
            assert_eq!(Key::read(wrong), None, "{wrong}");
        }
    }
}
