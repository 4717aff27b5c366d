//! Signatures, by Standard Webhooks: `v1,` and the HMAC-SHA256 of id, time and body.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// How long a secret is, in bytes (the specification's bounds).
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// What is wrong with a secret. It is not repeated.
pub type KeyFault = String;

/// A secret that is shared with the other side. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"…\"")
    }
}

impl SigningKey {
    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    /// When it is written otherwise, or too short or too long.
    pub fn read(text: &str) -> Result<Self, KeyFault> {
        let fault = || {
            format!(
                "must be `{PREFIX}` and {BYTES_MIN} to {BYTES_MAX} bytes in base64: `echo {PREFIX}$(openssl rand -base64 32)` makes one"
            )
        };
        let bytes = text.strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key).ok()).ok_or_else(fault)?;
        if (BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(fault()) }
    }

    /// The signature of one attempt.
    #[must_use]
    pub fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{}.{body}", at.as_second()).as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The header that says it with every secret there is: who knows any of them can verify.
pub(super) fn signatures(keys: &[SigningKey], id: &str, at: Timestamp, body: &str) -> String {
    keys.iter().map(|key| key.sign(id, at, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification's own libraries are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &str = r#"{"test": 2432232314}"#;

    #[test]
    fn the_specifications_example_is_signed_as_it_says() {
        let key = SigningKey::read(SECRET).unwrap();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(key.sign(ID, at, BODY), expected);
        let other = SigningKey::read(&format!("whsec_{}", STANDARD.encode([7; 32]))).unwrap();
        let both = signatures(&[other.clone(), key], ID, at, BODY);
        assert_eq!(both, format!("{} {expected}", other.sign(ID, at, BODY)));
    }

    #[test]
    fn a_secret_is_long_enough_and_shows_nothing() {
        for bytes in [0, 23, 65] {
            let fault = SigningKey::read(&format!("whsec_{}", STANDARD.encode(vec![1; bytes]))).unwrap_err();
            assert!(fault.starts_with("must be `whsec_` and 24 to 64 bytes in base64"), "{fault}");
        }
        for wrong in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%", "whsec_"] {
            let fault = SigningKey::read(wrong).unwrap_err();
            assert!(!fault.contains("MfKQ"), "{fault}");
        }
        assert_eq!(format!("{:?}", SigningKey::read(SECRET).unwrap()), "\"…\"");
    }
}
