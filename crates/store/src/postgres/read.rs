//! Reads. Each is one statement, so one snapshot.

use std::collections::BTreeSet;
use std::ops::Range;

use aftercall_core::stats::Tally;
use aftercall_core::{AgentId, CallId, QueueId, TenantId};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::error::StoreError;
use crate::postgres::cells::Stamp;
use crate::postgres::encode::column;
use crate::postgres::{Postgres, Query, sql};
use crate::quality::Quality;
use crate::rating::{Found, Rating, RatingCursor, RatingFilter};
use crate::read::{PAGE_MAX, QUEUES_MAX, RANGES_MAX, Subject, Window, bounded};
use crate::rows;
use crate::session::{Answer, Offer};

impl Postgres {
    pub(crate) async fn rating(&self, tenant: &TenantId, call: &CallId) -> Result<Found, StoreError> {
        if let Some(rating) = self.one(|| of_call(sql::RATING, tenant, call), rows::rating).await? {
            return Ok(Found::Live(Box::new(rating)));
        }
        let deleted = self.one(|| of_call(sql::DELETED, tenant, call), present).await?;
        Ok(if deleted.is_some() { Found::Erased } else { Found::Never })
    }

    pub(crate) async fn ratings(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        after: Option<&RatingCursor>,
        limit: u16,
    ) -> Result<Vec<Rating>, StoreError> {
        bounded("queues", filter.queues.as_ref().map_or(0, Vec::len), QUEUES_MAX)?;
        self.all(|| page(tenant, filter, after, limit.min(PAGE_MAX)), rows::rating).await
    }

    pub(crate) async fn tally(
        &self,
        tenant: &TenantId,
        subject: &Subject,
        window: &Window,
    ) -> Result<Tally, StoreError> {
        let tallies = self.tallied(tenant, subject, &[from(window)], &[to(window)]).await?;
        Ok(tallies.into_iter().next().unwrap_or_default())
    }

    pub(crate) async fn tallies(
        &self,
        tenant: &TenantId,
        subject: &Subject,
        ranges: &[Range<Timestamp>],
    ) -> Result<Vec<Tally>, StoreError> {
        bounded("ranges", ranges.len(), RANGES_MAX)?;
        let (first, behind) =
            (column(ranges, |r| Stamp::from(r.start)), column(ranges, |r| Stamp::from(r.end)));
        self.tallied(tenant, subject, &first, &behind).await
    }

    async fn tallied(
        &self,
        tenant: &TenantId,
        subject: &Subject,
        first: &[Stamp],
        behind: &[Stamp],
    ) -> Result<Vec<Tally>, StoreError> {
        let (statement, agent, queue, queues) = match subject {
            Subject::Tenant => (sql::TALLIES_OF_TENANT, None, None, None),
            Subject::Agent(agent) => (sql::TALLIES_OF_AGENT, Some(agent), None, None),
            Subject::Queue(queue) => (sql::TALLIES_OF_QUEUE, None, Some(queue), None),
            Subject::AgentIn(agent, queues) => {
                bounded("queues", queues.len(), QUEUES_MAX)?;
                (sql::TALLIES_OF_AGENT_IN, Some(agent), None, Some(queues))
            }
        };
        let query = || {
            let query = sqlx::query(statement)
                .bind(tenant.as_str())
                .bind(agent.map(AgentId::as_str))
                .bind(queue.map(QueueId::as_str))
                .bind(first)
                .bind(behind);
            match queues {
                Some(queues) => query.bind(column(queues, QueueId::as_str)),
                None => query,
            }
        };
        self.all(query, rows::counted).await
    }

    pub(crate) async fn offer(&self, tenant: &TenantId, call: &CallId) -> Result<Option<Offer>, StoreError> {
        self.one(|| of_call(sql::OFFER, tenant, call), rows::offer).await
    }

    pub(crate) async fn quality(
        &self,
        tenant: &TenantId,
        call: &CallId,
    ) -> Result<Option<Quality>, StoreError> {
        self.one(|| of_call(sql::QUALITY, tenant, call), rows::quality).await
    }

    pub(crate) async fn open_offers(
        &self,
        tenant: &TenantId,
        after: Option<&Offer>,
    ) -> Result<Vec<Offer>, StoreError> {
        let query = || {
            sqlx::query(sql::OPEN_OFFERS)
                .bind(tenant.as_str())
                .bind(after.map_or(Stamp::BEFORE_ALL, |last| Stamp::from(last.offered_at)))
                .bind(after.map_or("", |last| last.call.as_str()))
                .bind(i64::from(PAGE_MAX))
        };
        self.all(query, rows::offer).await
    }

    pub(crate) async fn answers(&self, tenant: &TenantId, call: &CallId) -> Result<Vec<Answer>, StoreError> {
        self.all(|| of_call(sql::ANSWERS, tenant, call), rows::answer).await
    }

    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        self.one(|| sqlx::query(sql::TENANTS), present).await.map(drop)
    }
}

fn of_call(statement: &'static str, tenant: &TenantId, call: &CallId) -> Query {
    sqlx::query(statement).bind(tenant.as_str()).bind(call.as_str())
}

/// That there is a row is all that is asked.
pub(super) fn present(_: &PgRow) -> rows::Decoded<()> {
    Ok(())
}

pub(super) fn from(window: &Window) -> Stamp {
    window.from.map_or(Stamp::BEFORE_ALL, Stamp::from)
}

pub(super) fn to(window: &Window) -> Stamp {
    window.to.map_or(Stamp::BEHIND_ALL, Stamp::from)
}

fn page(tenant: &TenantId, filter: &RatingFilter, after: Option<&RatingCursor>, limit: u16) -> Query {
    let statement = match (&filter.agent, &filter.queues) {
        (Some(_), _) => sql::PAGE_OF_AGENT,
        (None, Some(_)) => sql::PAGE_OF_QUEUES,
        (None, None) => sql::PAGE_OF_ALL,
    };
    // A queue may have been named twice.
    let queues = filter.queues.as_ref().map(|queues| queues.iter().map(QueueId::as_str).collect());
    let queues: Option<Vec<&str>> = queues.map(|queues: BTreeSet<&str>| Vec::from_iter(queues));
    // The window's end is the page's beginning, unless an earlier page came further back.
    let end = (to(&filter.window), Uuid::nil());
    let begin = after.map_or(end, |after| end.min((Stamp::from(after.created_at), after.id.0)));
    sqlx::query(statement)
        .bind(tenant.as_str())
        .bind(filter.agent.as_ref().map(AgentId::as_str))
        .bind(queues)
        .bind(filter.score.map(|score| i16::from(score.get())))
        .bind(filter.survey.as_ref().map(|survey| survey.as_str()))
        .bind(filter.channel.as_ref().map(|channel| channel.as_str()))
        .bind(filter.language.as_ref().map(|language| language.as_str()))
        .bind(from(&filter.window))
        .bind(begin.0)
        .bind(begin.1)
        .bind(i64::from(limit))
}
