//! Follows a tenant's events: each is read once, in order, as soon as it can be seen.
//!
//! Of one node what can be seen later has the later id. Several nodes write at once, so there an event may come to
//! light behind others with later ids: a stretch before the place that was reached is read again, and what was told is
//! remembered.

use std::collections::BTreeSet;

use aftercall_core::{Score, TenantId};
use aftercall_store::{Event, EventId, Store, StoreError};
use jiff::SignedDuration;

/// Rows read at once: a page of events is under 200 KiB.
const ROWS_AT_ONCE: u16 = 200;

/// How much later than its id says an event may come to light and still be told: what clocks of nodes differ by, and how
/// long a write may wait for its commit.
pub const STRETCH: SignedDuration = SignedDuration::from_secs(15);

/// Events of the stretch that are remembered: 10,000 of about 30 bytes are 300 KiB. Where more happen in that time, 660
/// a second, the stretch is as much shorter.
const TOLD_MAX: usize = 10_000;

/// Where somebody who watches has come to.
#[derive(Debug)]
pub struct Tail {
    store: Store,
    tenant: TenantId,
    low: Score,
    /// Everything before it has been read.
    reached: EventId,
    /// Where several nodes write: what was told of the stretch before.
    told: Option<BTreeSet<EventId>>,
}

impl Tail {
    /// From the first event behind `last` on; without one, from now on.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn behind(
        last: Option<EventId>,
        store: Store,
        tenant: TenantId,
        low: Score,
    ) -> Result<Self, StoreError> {
        let told = matches!(store, Store::Postgres(_)).then(|| last.into_iter().collect());
        let reached = match last {
            Some(last) => last.next(),
            None => store.behind_events(&tenant).await?,
        };
        let mut tail = Self { store, tenant, low, reached, told };
        if let (None, Some(_)) = (last, &tail.told) {
            // What there was before is not news.
            let mut from = tail.stretch();
            while let Some(next) = tail.page(from, &mut Vec::new()).await? {
                from = next;
                tail.forget();
            }
        }
        Ok(tail)
    }

    /// Some events that were not told yet; none: there are no more. With `again` the stretch before is looked at, too.
    ///
    /// # Errors
    /// When the database cannot be read; the same again reads on.
    pub async fn more(&mut self, again: bool) -> Result<Vec<Event>, StoreError> {
        let mut from = if again { self.stretch() } else { self.reached };
        let mut events = Vec::new();
        while let Some(next) = self.page(from, &mut events).await? {
            if !events.is_empty() {
                break;
            }
            from = next;
        }
        self.forget();
        Ok(events)
    }

    /// Where the stretch begins that is read again.
    fn stretch(&self) -> EventId {
        let Some(told) = &self.told else { return self.reached };
        let begin = self.reached.instant().checked_sub(STRETCH).map_or(self.reached, EventId::at);
        let known = told.first().filter(|_| told.len() >= TOLD_MAX);
        known.map_or(begin, |known| begin.max(*known)).min(self.reached)
    }

    /// Reads a page and keeps what is new of it; tells where the next one begins, if there is one.
    async fn page(&mut self, from: EventId, events: &mut Vec<Event>) -> Result<Option<EventId>, StoreError> {
        let page = self.store.events(&self.tenant, from, None, self.low, ROWS_AT_ONCE).await?;
        let end = page.next.or(page.events.last().map(|last| last.id.next()));
        self.reached = self.reached.max(end.unwrap_or(self.reached));
        for event in page.events {
            if self.told.as_mut().is_none_or(|told| told.insert(event.id)) {
                events.push(event);
            }
        }
        Ok(page.next)
    }

    /// What lies before the stretch is not read again, so it need not be remembered.
    fn forget(&mut self) {
        let stretch = self.stretch();
        if let Some(told) = &mut self.told {
            *told = told.split_off(&stretch);
            while told.len() > TOLD_MAX {
                told.pop_first();
            }
        }
    }
}
