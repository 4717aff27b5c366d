//! Waiting for what has no event of its own: looked at again and again, for a while at most.

use std::time::Duration;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked at.
const BEAT: Duration = Duration::from_millis(5);

/// Returns once it holds.
///
/// # Panics
/// When it does not for half a minute.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut beats = tokio::time::interval(BEAT);
    let holding = async {
        while !holds() {
            beats.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, holding).await.is_ok(), "{what}: not within {PATIENCE:?}");
}
