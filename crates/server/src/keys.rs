//! API keys as text: made once, shown once, kept as a hash.

use aftercall_store::{BATCH_MAX, KeyHash, KeyUse, Store};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::secret::Secret;

/// Bytes of chance in a key: more than anyone ever guesses.
const KEY_BYTES: usize = 32;

/// What every key begins with, so that people and scanners for leaked secrets know one when they see it.
pub const KEY_PREFIX: &str = "aftercall_";

/// Makes a key: the prefix and 64 hexadecimal digits.
///
/// # Errors
/// When the system has no random numbers.
pub fn create() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Secret::new(format!("{KEY_PREFIX}{digits}")))
}

/// What is kept of a key.
///
/// A plain SHA-256 is right here, where a slow hash with a salt (Argon2) would be for a password:
/// those make guessing dear, and 256 bits of chance cannot be guessed at any price. A slow hash
/// would only give everyone who sends a wrong key a way to keep the server busy. And it must be
/// the same for the same key, or finding a key's row would mean trying them all.
#[must_use]
pub fn hash(key: &Secret) -> KeyHash {
    KeyHash(Sha256::digest(key.expose().as_bytes()).into())
}

/// Uses of keys that wait to be noted: one a key and minute, so a thousand keys in use at once.
const USES_QUEUED_MAX: usize = 1024;

/// Where the use of keys is noted. It is for people who wonder whether a key is still in use:
/// when too much is going on, a use is not noted.
#[derive(Debug, Clone)]
pub struct KeyUses(mpsc::Sender<KeyUse>);

impl KeyUses {
    /// Starts the task that keeps them. It ends when the last clone is gone.
    #[must_use]
    pub fn start(store: Store) -> (Self, JoinHandle<()>) {
        let (sender, mut uses) = mpsc::channel(USES_QUEUED_MAX);
        let task = tokio::spawn(async move {
            let mut taken = Vec::new();
            while uses.recv_many(&mut taken, BATCH_MAX).await > 0 {
                if let Err(error) = store.keys_used(&taken).await {
                    tracing::warn!(%error, "the use of keys could not be noted");
                }
                taken.clear();
            }
        });
        (Self(sender), task)
    }

    /// Notes a use, unless too many wait.
    pub fn note(&self, used: KeyUse) {
        drop(self.0.try_send(used));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_different_and_hashed_with_sha_256() {
        let (one, two) = (create().unwrap(), create().unwrap());
        assert_eq!(one.expose().len(), KEY_PREFIX.len() + 64);
        assert_ne!(one, two);
        // FIPS 180-2, B.1
        let KeyHash(hash) = hash(&Secret::new("abc"));
        assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
