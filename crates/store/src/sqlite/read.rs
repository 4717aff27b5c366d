//! Reads. Each is one statement, or several in one snapshot.

use std::cmp::Reverse;
use std::ops::Range;

use aftercall_core::stats::Tally;
use aftercall_core::{AgentId, CallId, QueueId, TenantId};
use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::error::StoreError;
use crate::fault::Fault;
use crate::quality::Quality;
use crate::rating::{Found, Rating, RatingCursor, RatingFilter};
use crate::read::{PAGE_MAX, QUEUES_MAX, RANGES_MAX, Subject, Window, bounded};
use crate::rows;
use crate::session::{Answer, Offer};
use crate::sqlite::{Sqlite, sql};
use crate::stamp::text;

impl Sqlite {
    pub(crate) async fn rating(&self, tenant: &TenantId, call: &CallId) -> Result<Found, StoreError> {
        let found = async {
            let of_call = |statement| sqlx::query(statement).bind(tenant.as_str()).bind(call.as_str());
            if let Some(row) = of_call(sql::RATING).fetch_optional(&self.readers).await? {
                return Ok(Found::Live(Box::new(rows::rating(&row)?)));
            }
            let deleted = of_call(sql::DELETED).fetch_optional(&self.readers).await?;
            Ok(if deleted.is_some() { Found::Erased } else { Found::Never })
        };
        self.told(found.await)
    }

    pub(crate) async fn ratings(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        after: Option<&RatingCursor>,
        limit: u16,
    ) -> Result<Vec<Rating>, StoreError> {
        bounded("queues", filter.queues.as_ref().map_or(0, Vec::len), QUEUES_MAX)?;
        let limit = limit.min(PAGE_MAX);
        let pages = async {
            let mut snapshot = self.readers.begin().await?;
            let Some(queues) = filter.queues.as_ref().filter(|_| filter.agent.is_none()) else {
                return page(&mut snapshot, tenant, filter, None, after, limit).await;
            };
            // The newest of each queue, then the newest of those: the index gives each queue in order.
            let mut all = Vec::new();
            for queue in queues {
                all.extend(page(&mut snapshot, tenant, filter, Some(queue), after, limit).await?);
            }
            all.sort_by_key(|rating| Reverse((rating.created_at, rating.id)));
            // A queue may have been named twice.
            all.dedup_by_key(|rating| rating.id);
            all.truncate(usize::from(limit));
            Ok(all)
        };
        self.told(pages.await)
    }

    pub(crate) async fn tally(
        &self,
        tenant: &TenantId,
        subject: &Subject,
        window: &Window,
    ) -> Result<Tally, StoreError> {
        let range = [[bound(window.from, ""), bound(window.to, NEVER)]];
        let tallies = self.counted(tenant, subject, &range).await?;
        Ok(tallies.into_iter().next().unwrap_or_default())
    }

    pub(crate) async fn tallies(
        &self,
        tenant: &TenantId,
        subject: &Subject,
        ranges: &[Range<Timestamp>],
    ) -> Result<Vec<Tally>, StoreError> {
        bounded("ranges", ranges.len(), RANGES_MAX)?;
        let ranges: Vec<[String; 2]> = ranges.iter().map(|r| [text(r.start), text(r.end)]).collect();
        self.counted(tenant, subject, &ranges).await
    }

    async fn counted(
        &self,
        tenant: &TenantId,
        subject: &Subject,
        ranges: &[[String; 2]],
    ) -> Result<Vec<Tally>, StoreError> {
        let (statement, agent, queue) = match subject {
            Subject::Tenant => (sql::TALLIES_OF_TENANT, None, None),
            Subject::Agent(agent) => (sql::TALLIES_OF_AGENT, Some(agent), None),
            Subject::Queue(queue) => (sql::TALLIES_OF_QUEUE, None, Some(queue.to_string())),
            Subject::AgentIn(agent, queues) => {
                bounded("queues", queues.len(), QUEUES_MAX)?;
                let list = self.told(serde_json::to_string(queues).map_err(Fault::from))?;
                (sql::TALLIES_OF_AGENT_IN, Some(agent), Some(list))
            }
        };
        let tallies = async {
            let query = sqlx::query(statement)
                .bind(tenant.as_str())
                .bind(agent.map(AgentId::as_str))
                .bind(queue)
                .bind(serde_json::to_string(ranges)?);
            let rows = query.fetch_all(&self.readers).await?;
            Ok(rows.iter().map(rows::tally).collect::<Result<Vec<_>, _>>()?)
        };
        self.told(tallies.await)
    }

    pub(crate) async fn offer(&self, tenant: &TenantId, call: &CallId) -> Result<Option<Offer>, StoreError> {
        let offer = async {
            let query = sqlx::query(sql::OFFER).bind(tenant.as_str()).bind(call.as_str());
            let row = query.fetch_optional(&self.readers).await?;
            Ok(row.as_ref().map(rows::offer).transpose()?)
        };
        self.told(offer.await)
    }

    pub(crate) async fn quality(
        &self,
        tenant: &TenantId,
        call: &CallId,
    ) -> Result<Option<Quality>, StoreError> {
        let quality = async {
            let query = sqlx::query(sql::QUALITY).bind(tenant.as_str()).bind(call.as_str());
            let row = query.fetch_optional(&self.readers).await?;
            Ok(row.as_ref().map(rows::quality).transpose()?)
        };
        self.told(quality.await)
    }

    pub(crate) async fn open_offers(
        &self,
        tenant: &TenantId,
        after: Option<&Offer>,
    ) -> Result<Vec<Offer>, StoreError> {
        let offers = async {
            let query = sqlx::query(sql::OPEN_OFFERS)
                .bind(tenant.as_str())
                .bind(after.map_or_else(String::new, |last| text(last.offered_at)))
                .bind(after.map_or("", |last| last.call.as_str()))
                .bind(PAGE_MAX);
            let rows = query.fetch_all(&self.readers).await?;
            Ok(rows.iter().map(rows::offer).collect::<Result<Vec<_>, _>>()?)
        };
        self.told(offers.await)
    }

    pub(crate) async fn answers(&self, tenant: &TenantId, call: &CallId) -> Result<Vec<Answer>, StoreError> {
        let answers = async {
            let query = sqlx::query(sql::ANSWERS).bind(tenant.as_str()).bind(call.as_str());
            let rows = query.fetch_all(&self.readers).await?;
            Ok(rows.iter().map(rows::answer).collect::<Result<Vec<_>, _>>()?)
        };
        self.told(answers.await)
    }

    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        let ready = async {
            sqlx::query(sql::TENANTS).fetch_optional(&self.readers).await?;
            Ok(())
        };
        self.told(ready.await)
    }
}

/// The end of a page or window that has none: behind every time.
pub(super) const NEVER: &str = "~";

/// A bound as text; what is open is before or behind every time.
pub(super) fn bound(at: Option<Timestamp>, open: &str) -> String {
    at.map_or_else(|| open.to_owned(), text)
}

/// A page of one queue's ratings, or of those of every queue that the filter allows.
async fn page(
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
    filter: &RatingFilter,
    queue: Option<&QueueId>,
    after: Option<&RatingCursor>,
    limit: u16,
) -> Result<Vec<Rating>, Fault> {
    let statement = match (queue, &filter.agent) {
        (Some(_), _) => sql::PAGE_OF_QUEUE,
        (None, Some(_)) => sql::PAGE_OF_AGENT,
        (None, None) => sql::PAGE_OF_ALL,
    };
    let queues = match (queue, &filter.queues) {
        (Some(queue), _) => Some(queue.to_string()),
        (None, Some(queues)) => Some(serde_json::to_string(queues)?),
        (None, None) => None,
    };
    // The window's end is the page's beginning, unless an earlier page came further back.
    let end = (bound(filter.window.to, NEVER), String::new());
    let begin = after.map_or(end.clone(), |after| end.min((text(after.created_at), after.id.to_string())));
    let query = sqlx::query(statement)
        .bind(tenant.as_str())
        .bind(filter.agent.as_ref().map(AgentId::as_str))
        .bind(queues)
        .bind(filter.score.map(|score| score.get()))
        .bind(filter.survey.as_ref().map(|survey| survey.as_str()))
        .bind(filter.channel.as_ref().map(|channel| channel.as_str()))
        .bind(filter.language.as_ref().map(|language| language.as_str()))
        .bind(bound(filter.window.from, ""))
        .bind(begin.0)
        .bind(begin.1)
        .bind(limit);
    let rows = query.fetch_all(snapshot).await?;
    Ok(rows.iter().map(rows::rating).collect::<Result<Vec<_>, _>>()?)
}
