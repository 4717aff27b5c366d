//! What a run that ended without warning left open, the next one closes.
//!
//! Sessions live in memory, so those that were on when the process died can never go on. Their callers were
//! failed by us, and may be asked again.

use std::sync::Arc;

use aftercall_core::{Ending, OfferState, TenantId};
use aftercall_store::{Offer, Store, StoreError};
use jiff::Timestamp;

use crate::writer::Writer;
use crate::writer::words::{Ended, Session, Write};

/// Why such a session ended: `cc_csat_offers.reason`.
const REASON: &str = "crash";

/// The ends of sessions that never told theirs. To be read before a door takes its first call.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn untold_endings(store: &Store, at: Timestamp) -> Result<Vec<Write>, StoreError> {
    let mut endings = Vec::new();
    for tenant in store.tenants().await? {
        let mut open = store.open_offers(&tenant.id, None).await?;
        while let Some(last) = open.last() {
            let next = store.open_offers(&tenant.id, Some(last)).await?;
            endings.extend(open.into_iter().map(|offer| ending(&tenant.id, offer, at)));
            open = next;
        }
    }
    Ok(endings)
}

fn ending(tenant: &TenantId, offer: Offer, at: Timestamp) -> Write {
    // Who had answered everything only missed the thanks.
    let state = match offer.state {
        OfferState::Completed => OfferState::Completed,
        _ => OfferState::Failed,
    };
    let session = Session { tenant: tenant.clone(), call: offer.call, id: offer.session, about: offer.about };
    let ending = Ending { state, reason: Some(REASON.to_owned()) };
    Write::Ended(Ended { session: Arc::new(session), ending, at })
}

/// Hands them to the writer, once it is certain that this process is the one that serves: every address is ours.
pub(crate) async fn tell(endings: Vec<Write>, writer: &Writer) {
    let calls = endings.len();
    if calls > 0 {
        tracing::warn!(
            calls,
            "the server had died during calls; they are recorded as failed, reason {REASON}"
        );
    }
    for ending in endings {
        if writer.tell(ending).await.is_err() {
            // The next start finds what this one could not tell.
            return;
        }
    }
}
