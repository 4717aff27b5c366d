//! What a run that ended without warning left open, a later one closes.
//!
//! Sessions live in memory, so those that were on when the process died can never go on. Their callers were
//! failed by us, and may be asked again. A database file is one server's, which knows at its start that nothing of
//! it can be on. On a database that nodes share, a session is another node's until it is older than any can be.

use std::sync::Arc;
use std::time::Duration;

use aftercall_core::{Ending, OfferState, TenantId};
use aftercall_store::{Offer, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::writer::Writer;
use crate::writer::words::{Ended, Session, Write};

/// Why such a session ended: `cc_csat_offers.reason`.
const REASON: &str = "crash";

/// What a session may take beyond the longest ringing and the longest call: goodbyes, retries of its last word, and
/// clocks of two nodes that differ.
const MARGIN: Duration = Duration::from_secs(120);

/// Who looks for such sessions.
pub(crate) struct Aftermath {
    store: Store,
    clock: Clock,
    /// How old the youngest is that nobody can be holding; `None`: nobody holds any.
    longest: Option<Duration>,
}

impl Aftermath {
    pub(crate) fn of(config: &Config, store: Store, clock: Clock) -> Self {
        let sip = &config.sip;
        let longest = config.database.is_shared().then(|| sip.max_ringing + sip.max_call + MARGIN);
        Self { store, clock, longest }
    }

    /// The ends of sessions that never told theirs. To be read before a door takes its first call.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn untold_endings(&self) -> Result<Vec<Write>, StoreError> {
        let now = self.clock.now();
        let youngest = match self.longest {
            Some(longest) => now - SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX),
            None => Timestamp::MAX,
        };
        let mut endings = Vec::new();
        for tenant in self.store.tenants().await? {
            let mut open = self.store.open_offers(&tenant.id, None).await?;
            // Oldest first.
            while let Some(last) =
                open.last().filter(|_| open.first().is_some_and(|o| o.offered_at < youngest))
            {
                let next = self.store.open_offers(&tenant.id, Some(last)).await?;
                let over = open.into_iter().take_while(|offer| offer.offered_at < youngest);
                endings.extend(over.map(|offer| ending(&tenant.id, offer, now)));
                open = next;
            }
        }
        Ok(endings)
    }

    /// Hands them to the writer, once it is certain that this process is the one that serves: every address is ours.
    pub(crate) async fn tell(&self, endings: Vec<Write>, writer: &Writer) {
        let calls = endings.len();
        if calls > 0 {
            tracing::warn!(
                calls,
                "a server had died during calls; they are recorded as failed, reason {REASON}"
            );
        }
        for ending in endings {
            if writer.tell(ending).await.is_err() {
                // The next start finds what this one could not tell.
                return;
            }
        }
    }

    /// Goes on looking where other nodes may die, until it is told to stop.
    pub(crate) async fn go_on(self, writer: Writer, stop: CancellationToken) {
        let Some(longest) = self.longest else { return };
        while stop.run_until_cancelled(tokio::time::sleep(longest)).await.is_some() {
            match self.untold_endings().await {
                Ok(endings) => self.tell(endings, &writer).await,
                Err(error) => tracing::warn!(%error, "cannot look for calls of nodes that died"),
            }
        }
    }
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
