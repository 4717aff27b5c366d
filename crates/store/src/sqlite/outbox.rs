//! The outbox, live events and alerts.

use aftercall_core::{Score, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::error::StoreError;
use crate::event::{Alert, Event, EventId, EventKind, EventPage, Happening, OutboxRow, Subscription, merged};
use crate::fault::Fault;
use crate::outbox::{Attempt, Claimed, Deliveries, Delivery, DeliveryState};
use crate::rows;
use crate::sqlite::read::NEVER;
use crate::sqlite::write::put_outbox;
use crate::sqlite::{Sqlite, sql};
use crate::stamp::text;
use crate::words::WebhookName;

impl Sqlite {
    pub(crate) async fn claim(
        &self,
        to: &Subscription,
        now: Timestamp,
        until: Timestamp,
        most: u16,
    ) -> Result<Vec<Claimed>, StoreError> {
        let claimed = async {
            let due = sqlx::query(sql::DUE).bind(to.tenant.as_str()).bind(to.webhook.as_str());
            let found = due.bind(text(now)).bind(most).fetch_all(&self.readers).await?;
            if found.is_empty() {
                return Ok(Vec::new());
            }
            let mut transaction = self.begin().await?;
            let mut claimed = Vec::new();
            for (id, kind, attempts) in found.iter().map(rows::due).collect::<Result<Vec<_>, _>>()? {
                let claim = sqlx::query(sql::CLAIM).bind(to.tenant.as_str()).bind(to.webhook.as_str());
                let claim = claim.bind(id.to_string()).bind(text(now)).bind(text(until));
                if claim.execute(&mut *transaction).await?.rows_affected() == 0 {
                    continue;
                }
                let attempt = attempts + 1;
                match event(&mut transaction, to, id, kind).await? {
                    Some(event) => claimed.push(Claimed { event, attempt }),
                    None => {
                        let untold = Attempt::untold(id, attempt);
                        settle(&mut transaction, &to.tenant, &to.webhook, &untold, now).await?;
                    }
                }
            }
            transaction.commit().await?;
            Ok(claimed)
        };
        self.told(claimed.await)
    }

    pub(crate) async fn settle(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        attempts: &[Attempt],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let settled = async {
            let mut transaction = self.begin().await?;
            for attempt in attempts {
                settle(&mut transaction, tenant, webhook, attempt, at).await?;
            }
            Ok(transaction.commit().await?)
        };
        self.told(settled.await)
    }

    pub(crate) async fn deliveries(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        state: Option<DeliveryState>,
        before: Option<EventId>,
        limit: u16,
    ) -> Result<Vec<Delivery>, StoreError> {
        let page = async {
            let statement =
                if state.is_some() { sql::PAGE_OF_DELIVERIES_IN } else { sql::PAGE_OF_DELIVERIES };
            let before = before.map_or_else(|| NEVER.to_owned(), |id| id.to_string());
            let query = sqlx::query(statement).bind(tenant.as_str()).bind(webhook.as_str());
            let query = query.bind(before).bind(limit);
            let query = if let Some(state) = state { query.bind(state.word()) } else { query };
            let rows = query.fetch_all(&self.readers).await?;
            Ok(rows.iter().map(rows::delivery).collect::<Result<Vec<_>, _>>()?)
        };
        self.told(page.await)
    }

    pub(crate) async fn delivered(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
    ) -> Result<Deliveries, StoreError> {
        let of_webhook = |statement| sqlx::query(statement).bind(tenant.as_str()).bind(webhook.as_str());
        let counted = async {
            let mut counts = [0, 0];
            for (count, state) in counts.iter_mut().zip([DeliveryState::Waiting, DeliveryState::Dead]) {
                let query = of_webhook(sql::COUNT_OF_DELIVERIES).bind(state.word());
                *count = rows::count(&query.fetch_one(&self.readers).await?)?;
            }
            let last = of_webhook(sql::LAST_DELIVERED).fetch_optional(&self.readers).await?;
            let last_delivered_at = last.as_ref().map(rows::settled_at).transpose()?.flatten();
            Ok(Deliveries { waiting: counts[0], dead: counts[1], last_delivered_at })
        };
        self.told(counted.await)
    }

    pub(crate) async fn retry(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        event: EventId,
        now: Timestamp,
    ) -> Result<Option<Delivery>, StoreError> {
        let of_event = |statement| {
            sqlx::query(statement).bind(tenant.as_str()).bind(webhook.as_str()).bind(event.to_string())
        };
        let retried = async {
            let mut transaction = self.begin().await?;
            of_event(sql::RETRY).bind(text(now)).execute(&mut *transaction).await?;
            let row = of_event(sql::DELIVERY).fetch_optional(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(row.as_ref().map(rows::delivery).transpose()?)
        };
        self.told(retried.await)
    }

    pub(crate) async fn send_again(
        &self,
        to: &Subscription,
        events: &[Event],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sent = async {
            let rows: Vec<OutboxRow> = events.iter().map(|event| OutboxRow::of(to, event, now)).collect();
            let mut transaction = self.begin().await?;
            put_outbox(&mut transaction, sql::SEND_AGAIN, &to.tenant, &rows).await?;
            Ok(transaction.commit().await?)
        };
        self.told(sent.await)
    }

    pub(crate) async fn forget(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        before: Timestamp,
        most: u16,
    ) -> Result<u64, StoreError> {
        let forgotten = async {
            let mut forgotten = 0;
            for state in [DeliveryState::Delivered, DeliveryState::Dead] {
                let forget = sqlx::query(sql::FORGET).bind(tenant.as_str()).bind(webhook.as_str());
                let forget = forget.bind(state.word()).bind(EventId::at(before).to_string()).bind(most);
                forgotten += forget.execute(&self.writer).await?.rows_affected();
            }
            Ok(forgotten)
        };
        self.told(forgotten.await)
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
            let query = sqlx::query(statement).bind(tenant.as_str()).bind(from.source.to_string());
            query.bind(to.to_string()).bind(limit)
        };
        let events = async {
            // One moment of both tables.
            let mut snapshot = self.readers.begin().await?;
            let happenings = of_span(sql::HAPPENINGS).fetch_all(&mut *snapshot).await?;
            let happenings: Vec<Happening> =
                happenings.iter().map(rows::happening).collect::<Result<_, _>>()?;
            let alerts = of_span(sql::ALERTS).fetch_all(&mut *snapshot).await?;
            let alerts = alerts.iter().map(rows::alert).collect::<Result<Vec<_>, _>>()?;
            Ok(merged(from, &happenings, alerts, limit.into(), low))
        };
        self.told(events.await)
    }

    pub(crate) async fn behind_events(&self, tenant: &TenantId) -> Result<EventId, StoreError> {
        let behind = async {
            let mut last = Uuid::nil();
            for statement in [sql::LAST_HAPPENING, sql::LAST_ALERT] {
                let row = sqlx::query(statement).bind(tenant.as_str()).fetch_optional(&self.readers).await?;
                last = last.max(row.as_ref().map(rows::last_id).transpose()?.unwrap_or_default());
            }
            Ok(EventId::behind(last))
        };
        self.told(behind.await)
    }

    pub(crate) async fn raise(
        &self,
        tenant: &TenantId,
        day: Date,
        alerts: &[Alert],
        at: Timestamp,
    ) -> Result<Option<Vec<Event>>, StoreError> {
        let raised = async {
            let mut transaction = self.begin().await?;
            let first = sqlx::query(sql::INSERT_ALERT_DAY).bind(tenant.as_str()).bind(day.to_string());
            if first.bind(text(at)).execute(&mut *transaction).await?.rows_affected() == 0 {
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
        };
        self.told(raised.await)
    }

    pub(crate) async fn last_alert_day(&self, tenant: &TenantId) -> Result<Option<Date>, StoreError> {
        let day = async {
            let query = sqlx::query(sql::LAST_ALERT_DAY).bind(tenant.as_str());
            let row = query.fetch_optional(&self.readers).await?;
            Ok(row.as_ref().map(rows::last_day).transpose()?)
        };
        self.told(day.await)
    }
}

/// An event as it is told now; `None`: it is not told any more.
async fn event(
    connection: &mut SqliteConnection,
    to: &Subscription,
    id: EventId,
    kind: EventKind,
) -> Result<Option<Event>, Fault> {
    let of_row = |statement| sqlx::query(statement).bind(to.tenant.as_str()).bind(id.source.to_string());
    if kind == EventKind::AlertRaised {
        let row = of_row(sql::ALERT).fetch_optional(connection).await?;
        return Ok(row.as_ref().map(rows::alert).transpose()?);
    }
    let row = of_row(sql::HAPPENING).fetch_optional(connection).await?;
    let happening = row.as_ref().map(rows::happening).transpose()?;
    Ok(happening.map(|happening| happening.event(id, kind)))
}

async fn settle(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    webhook: &WebhookName,
    attempt: &Attempt,
    at: Timestamp,
) -> Result<(), Fault> {
    let (state, due_at) = attempt.outcome.settled();
    sqlx::query(sql::SETTLE_DELIVERY)
        .bind(tenant.as_str())
        .bind(webhook.as_str())
        .bind(attempt.event.to_string())
        .bind(attempt.attempt)
        .bind(state.word())
        .bind(due_at.map(text))
        .bind((state != DeliveryState::Waiting).then(|| text(at)))
        .bind(attempt.status)
        .bind(attempt.reason.as_deref())
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_alert(
    connection: &mut SqliteConnection,
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
        .bind(id.to_string())
        .bind(text(at))
        .bind(i64::try_from(alert.rating_count).unwrap_or(i64::MAX))
        .bind(alert.value.to_string())
        .bind(alert.centre.to_string())
        .bind(alert.limits.map(|[low, _]| low.to_string()))
        .bind(alert.limits.map(|[_, high]| high.to_string()))
        .execute(connection)
        .await?;
    Ok(())
}
