//! The outbox, live events and alerts. Of several nodes that claim the same event one changes its row.

use aftercall_core::{Score, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::StoreError;
use crate::event::{Alert, Event, EventId, EventKind, EventPage, Happening, OutboxRow, Subscription, merged};
use crate::fault::Fault;
use crate::outbox::{Attempt, Claimed, Deliveries, Delivery, DeliveryState};
use crate::postgres::cells::Stamp;
use crate::postgres::write::put_outbox;
use crate::postgres::{Postgres, Query, sql};
use crate::rows;
use crate::words::WebhookName;

/// Behind every event's id.
const LAST: &str = "~";

impl Postgres {
    pub(crate) async fn claim(
        &self,
        to: &Subscription,
        now: Timestamp,
        until: Timestamp,
        most: u16,
    ) -> Result<Vec<Claimed>, StoreError> {
        let due =
            || of_webhook(sql::DUE, &to.tenant, &to.webhook).bind(Stamp::from(now)).bind(i64::from(most));
        let due = self.all(due, rows::due).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        self.tried(|| self.claim_of(&due, to, now, until)).await
    }

    async fn claim_of(
        &self,
        due: &[(EventId, EventKind, u32)],
        to: &Subscription,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Claimed>, Fault> {
        let mut transaction = self.begin().await?;
        let mut claimed = Vec::new();
        for (id, kind, attempts) in due {
            let claim = of_webhook(sql::CLAIM, &to.tenant, &to.webhook).bind(id.to_string());
            let claim = claim.bind(Stamp::from(now)).bind(Stamp::from(until));
            if claim.execute(&mut *transaction).await?.rows_affected() == 0 {
                continue;
            }
            let attempt = attempts + 1;
            match event(&mut transaction, to, *id, *kind).await? {
                Some(event) => claimed.push(Claimed { event, attempt }),
                None => {
                    let untold = Attempt::untold(*id, attempt);
                    settle(&mut transaction, &to.tenant, &to.webhook, &untold, now).await?;
                }
            }
        }
        transaction.commit().await?;
        Ok(claimed)
    }

    pub(crate) async fn settle(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        attempts: &[Attempt],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let settled = || async {
            let mut transaction = self.begin().await?;
            for attempt in attempts {
                settle(&mut transaction, tenant, webhook, attempt, at).await?;
            }
            Ok(transaction.commit().await?)
        };
        self.tried(settled).await
    }

    pub(crate) async fn deliveries(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        state: Option<DeliveryState>,
        before: Option<EventId>,
        limit: u16,
    ) -> Result<Vec<Delivery>, StoreError> {
        let before = before.map_or_else(|| LAST.to_owned(), |id| id.to_string());
        let query = || {
            let page = |statement| {
                of_webhook(statement, tenant, webhook).bind(before.clone()).bind(i64::from(limit))
            };
            match state {
                Some(state) => page(sql::PAGE_OF_DELIVERIES_IN).bind(state.word()),
                None => page(sql::PAGE_OF_DELIVERIES),
            }
        };
        self.all(query, rows::delivery).await
    }

    pub(crate) async fn delivered(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
    ) -> Result<Deliveries, StoreError> {
        let count = async |state: DeliveryState| {
            let query = || of_webhook(sql::COUNT_OF_DELIVERIES, tenant, webhook).bind(state.word());
            Ok::<_, StoreError>(self.one(query, rows::count).await?.unwrap_or_default())
        };
        let last = || of_webhook(sql::LAST_DELIVERED, tenant, webhook);
        Ok(Deliveries {
            waiting: count(DeliveryState::Waiting).await?,
            dead: count(DeliveryState::Dead).await?,
            last_delivered_at: self.one(last, rows::settled_at).await?.flatten(),
        })
    }

    pub(crate) async fn retry(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        event: EventId,
        now: Timestamp,
    ) -> Result<Option<Delivery>, StoreError> {
        let of_event = |statement| of_webhook(statement, tenant, webhook).bind(event.to_string());
        let retried = || async {
            let mut transaction = self.begin().await?;
            of_event(sql::RETRY).bind(Stamp::from(now)).execute(&mut *transaction).await?;
            let row = of_event(sql::DELIVERY).fetch_optional(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(row.as_ref().map(rows::delivery).transpose()?)
        };
        self.tried(retried).await
    }

    pub(crate) async fn send_again(
        &self,
        to: &Subscription,
        events: &[Event],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows: Vec<OutboxRow> = events.iter().map(|event| OutboxRow::of(to, event, now)).collect();
        let sent = || async {
            let mut transaction = self.begin().await?;
            put_outbox(&mut transaction, sql::SEND_AGAIN, &to.tenant, &rows).await?;
            Ok(transaction.commit().await?)
        };
        self.tried(sent).await
    }

    pub(crate) async fn forget(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        before: Timestamp,
        most: u16,
    ) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for state in [DeliveryState::Delivered, DeliveryState::Dead] {
            let forget = || async {
                let query = of_webhook(sql::FORGET, tenant, webhook).bind(state.word());
                let query = query.bind(EventId::at(before).to_string()).bind(i64::from(most));
                Ok(query.execute(&self.writers).await?.rows_affected())
            };
            forgotten += self.tried(forget).await?;
        }
        Ok(forgotten)
    }

    pub(crate) async fn events(
        &self,
        tenant: &TenantId,
        from: EventId,
        to: Option<Timestamp>,
        low: Score,
        limit: u16,
    ) -> Result<EventPage, StoreError> {
        let to = to.map_or(Uuid::max(), |to| EventId::at(to).source);
        let of_span = |statement| {
            let query = sqlx::query(statement).bind(tenant.as_str()).bind(from.source);
            query.bind(to).bind(i64::from(limit))
        };
        let page = || async {
            let mut snapshot = self.readers.begin_with(sql::SNAPSHOT).await?;
            let happenings = of_span(sql::HAPPENINGS).fetch_all(&mut *snapshot).await?;
            let happenings: Vec<Happening> =
                happenings.iter().map(rows::happening).collect::<Result<_, _>>()?;
            let alerts = of_span(sql::ALERTS).fetch_all(&mut *snapshot).await?;
            let alerts = alerts.iter().map(rows::alert).collect::<Result<Vec<_>, _>>()?;
            Ok(merged(from, &happenings, alerts, limit.into(), low))
        };
        self.tried(page).await
    }

    pub(crate) async fn behind_events(&self, tenant: &TenantId) -> Result<EventId, StoreError> {
        let mut last = Uuid::nil();
        for statement in [sql::LAST_HAPPENING, sql::LAST_ALERT] {
            let found = self.one(|| sqlx::query(statement).bind(tenant.as_str()), rows::last_id).await?;
            last = last.max(found.unwrap_or_default());
        }
        Ok(EventId::behind(last))
    }

    pub(crate) async fn raise(
        &self,
        tenant: &TenantId,
        day: Date,
        alerts: &[Alert],
        at: Timestamp,
    ) -> Result<Option<Vec<Event>>, StoreError> {
        self.tried(|| self.raise_once(tenant, day, alerts, at)).await
    }

    async fn raise_once(
        &self,
        tenant: &TenantId,
        day: Date,
        alerts: &[Alert],
        at: Timestamp,
    ) -> Result<Option<Vec<Event>>, Fault> {
        let mut transaction = self.begin().await?;
        let first = sqlx::query(sql::INSERT_ALERT_DAY).bind(tenant.as_str()).bind(day.to_string());
        if first.bind(Stamp::from(at)).execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let mut raised = Vec::new();
        for alert in alerts {
            let id = self.ids.next(at);
            insert_alert(&mut transaction, tenant, alert, id, at).await?;
            let event = alert.clone().event(id, at);
            let told = self.subscriptions.rows_of(tenant, &event);
            put_outbox(&mut transaction, sql::INSERT_OUTBOX, tenant, &told).await?;
            raised.push(event);
        }
        transaction.commit().await?;
        Ok(Some(raised))
    }

    pub(crate) async fn last_alert_day(&self, tenant: &TenantId) -> Result<Option<Date>, StoreError> {
        self.one(|| sqlx::query(sql::LAST_ALERT_DAY).bind(tenant.as_str()), rows::last_day).await
    }
}

fn of_webhook(statement: &'static str, tenant: &TenantId, webhook: &WebhookName) -> Query {
    sqlx::query(statement).bind(tenant.as_str()).bind(webhook.as_str())
}

/// An event as it is told now; `None`: it is not told any more.
async fn event(
    connection: &mut PgConnection,
    to: &Subscription,
    id: EventId,
    kind: EventKind,
) -> Result<Option<Event>, Fault> {
    let of_row = |statement| sqlx::query(statement).bind(to.tenant.as_str()).bind(id.source);
    if kind == EventKind::AlertRaised {
        let row = of_row(sql::ALERT).fetch_optional(connection).await?;
        return Ok(row.as_ref().map(rows::alert).transpose()?);
    }
    let row = of_row(sql::HAPPENING).fetch_optional(connection).await?;
    let happening = row.as_ref().map(rows::happening).transpose()?;
    Ok(happening.map(|happening| happening.event(id, kind)))
}

async fn settle(
    connection: &mut PgConnection,
    tenant: &TenantId,
    webhook: &WebhookName,
    attempt: &Attempt,
    at: Timestamp,
) -> Result<(), Fault> {
    let (state, due_at) = attempt.outcome.settled();
    of_webhook(sql::SETTLE_DELIVERY, tenant, webhook)
        .bind(attempt.event.to_string())
        .bind(i64::from(attempt.attempt))
        .bind(state.word())
        .bind(due_at.map(Stamp::from))
        .bind((state != DeliveryState::Waiting).then(|| Stamp::from(at)))
        .bind(attempt.status.map(i64::from))
        .bind(attempt.reason.clone())
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_alert(
    connection: &mut PgConnection,
    tenant: &TenantId,
    alert: &Alert,
    id: Uuid,
    at: Timestamp,
) -> Result<(), Fault> {
    sqlx::query(sql::INSERT_ALERT)
        .bind(tenant.as_str())
        .bind(alert.queue.as_ref().map_or("", |queue| queue.as_str()))
        .bind(alert.day.to_string())
        .bind(alert.rule.word())
        .bind(id)
        .bind(Stamp::from(at))
        .bind(i64::try_from(alert.rating_count).unwrap_or(i64::MAX))
        .bind(alert.value.to_string())
        .bind(alert.centre.to_string())
        .bind(alert.limits.map(|[low, _]| low.to_string()))
        .bind(alert.limits.map(|[_, high]| high.to_string()))
        .execute(connection)
        .await?;
    Ok(())
}
