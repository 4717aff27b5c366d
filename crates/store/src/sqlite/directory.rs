//! Tenants and keys: few rows, rarely written.

use aftercall_core::TenantId;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::error::StoreError;
use crate::fault::Fault;
use crate::ids::Ids;
use crate::ledger::{MARKS_AT_ONCE, buckets};
use crate::read::{QUEUES_MAX, bounded};
use crate::rows::{self, api_key};
use crate::sqlite::write::mark;
use crate::sqlite::{Sqlite, sql};
use crate::stamp::text;
use crate::tenant::{ApiKey, KeyHash, KeyUse, NewKey, Revoked, Role, Tenant, TenantPut, Zone};
use crate::words::KeyId;
use crate::write::BATCH_MAX;

impl Sqlite {
    pub(crate) async fn create_tenant(&self, tenant: &Tenant, at: Timestamp) -> Result<bool, StoreError> {
        let created = async {
            let mut transaction = self.begin().await?;
            let is_new = insert_tenant(&mut transaction, tenant, at).await?;
            transaction.commit().await?;
            Ok(is_new)
        };
        self.told(created.await)
    }

    pub(crate) async fn put_tenant(&self, tenant: &Tenant, at: Timestamp) -> Result<TenantPut, StoreError> {
        let put = async {
            let mut transaction = self.begin().await?;
            let outcome = match find_tenant(&mut transaction, &tenant.id).await? {
                None => {
                    insert_tenant(&mut transaction, tenant, at).await?;
                    TenantPut::New
                }
                Some(old) if old == *tenant => TenantPut::Same,
                Some(old) => {
                    update_tenant(&mut transaction, &self.ids, &old, tenant, at).await?;
                    TenantPut::Changed
                }
            };
            transaction.commit().await?;
            Ok(outcome)
        };
        self.told(put.await)
    }

    pub(crate) async fn doubt_all(&self, tenant: &TenantId, at: Timestamp) -> Result<bool, StoreError> {
        let doubted = async {
            let mut transaction = self.begin().await?;
            let Some(tenant) = find_tenant(&mut transaction, tenant).await? else { return Ok(false) };
            mark_all(&mut transaction, &self.ids, &tenant.id, &[&tenant.time_zone], at).await?;
            sqlx::query(sql::MARK_KEPT).bind(tenant.id.as_str()).execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(true)
        };
        self.told(doubted.await)
    }

    pub(crate) async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let tenants = async {
            let rows = sqlx::query(sql::TENANTS).fetch_all(&self.readers).await?;
            Ok(rows.iter().map(rows::tenant).collect::<Result<Vec<_>, _>>()?)
        };
        self.told(tenants.await)
    }

    pub(crate) async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        let tenant = async {
            let mut connection = self.readers.acquire().await?;
            find_tenant(&mut connection, id).await
        };
        self.told(tenant.await)
    }

    pub(crate) async fn create_key(&self, new: &NewKey) -> Result<Option<ApiKey>, StoreError> {
        let queues = if let Role::Supervisor(queues) = &new.role { Some(queues) } else { None };
        bounded("queues", queues.map_or(0, Vec::len), QUEUES_MAX)?;
        let agent = if let Role::Agent(agent) = &new.role { Some(agent) } else { None };
        let created = async {
            let id = KeyId(self.ids.next(new.at));
            let queues = queues.map(serde_json::to_string).transpose()?;
            let insert = sqlx::query(sql::INSERT_KEY)
                .bind(new.tenant.as_str())
                .bind(id.to_string())
                .bind(&new.hash.0[..])
                .bind(new.role.word())
                .bind(agent.map(|agent| agent.as_str()))
                .bind(queues)
                .bind(text(new.at))
                .bind(new.expires_at.map(text));
            let mut transaction = self.begin().await?;
            insert.execute(&mut *transaction).await?;
            let row = key(&mut transaction, &new.tenant, id).await?;
            transaction.commit().await?;
            Ok(row.as_ref().map(api_key).transpose()?)
        };
        self.told(created.await)
    }

    pub(crate) async fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, StoreError> {
        let keys = async {
            let rows = sqlx::query(sql::KEYS).bind(tenant.as_str()).fetch_all(&self.readers).await?;
            Ok(rows.iter().map(api_key).collect::<Result<Vec<_>, _>>()?)
        };
        self.told(keys.await)
    }

    pub(crate) async fn key_by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        let found = async {
            let query = sqlx::query(sql::KEY_BY_HASH).bind(&hash.0[..]);
            let row = query.fetch_optional(&self.readers).await?;
            Ok(row.as_ref().map(api_key).transpose()?)
        };
        self.told(found.await)
    }

    pub(crate) async fn any_key(&self) -> Result<bool, StoreError> {
        let any = async { Ok(sqlx::query(sql::ANY_KEY).fetch_optional(&self.readers).await?.is_some()) };
        self.told(any.await)
    }

    pub(crate) async fn revoke_key(
        &self,
        tenant: &TenantId,
        id: KeyId,
        at: Timestamp,
    ) -> Result<Revoked, StoreError> {
        let revoked = async {
            let revoke =
                sqlx::query(sql::REVOKE_KEY).bind(tenant.as_str()).bind(id.to_string()).bind(text(at));
            let mut transaction = self.begin().await?;
            let outcome = if revoke.execute(&mut *transaction).await?.rows_affected() > 0 {
                Revoked::Now
            } else if key(&mut transaction, tenant, id).await?.is_some() {
                Revoked::Before
            } else {
                Revoked::Unknown
            };
            transaction.commit().await?;
            Ok(outcome)
        };
        self.told(revoked.await)
    }

    pub(crate) async fn keys_used(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        bounded("uses of keys", uses.len(), BATCH_MAX)?;
        let noted = async {
            let uses: Vec<[String; 3]> =
                uses.iter().map(|u| [u.tenant.to_string(), u.key.to_string(), text(u.at)]).collect();
            sqlx::query(sql::KEYS_USED).bind(serde_json::to_string(&uses)?).execute(&self.writer).await?;
            Ok(())
        };
        self.told(noted.await)
    }
}

async fn find_tenant(connection: &mut SqliteConnection, id: &TenantId) -> Result<Option<Tenant>, Fault> {
    let row = sqlx::query(sql::TENANT).bind(id.as_str()).fetch_optional(connection).await?;
    Ok(row.as_ref().map(rows::tenant).transpose()?)
}

async fn insert_tenant(
    connection: &mut SqliteConnection,
    tenant: &Tenant,
    at: Timestamp,
) -> Result<bool, Fault> {
    let insert = sqlx::query(sql::INSERT_TENANT)
        .bind(tenant.id.as_str())
        .bind(tenant.time_zone.name())
        .bind(tenant.week_start.word())
        .bind(text(at));
    Ok(insert.execute(connection).await?.rows_affected() > 0)
}

async fn update_tenant(
    connection: &mut SqliteConnection,
    ids: &Ids,
    old: &Tenant,
    new: &Tenant,
    at: Timestamp,
) -> Result<(), Fault> {
    let update = sqlx::query(sql::UPDATE_TENANT)
        .bind(new.id.as_str())
        .bind(new.time_zone.name())
        .bind(new.week_start.word());
    update.execute(&mut *connection).await?;
    if old.time_zone != new.time_zone {
        mark_all(connection, ids, &new.id, &[&old.time_zone, &new.time_zone], at).await?;
    }
    Ok(())
}

/// Marks every bucket in which a tenant has anything, by the calendar of each zone.
async fn mark_all(
    connection: &mut SqliteConnection,
    ids: &Ids,
    tenant: &TenantId,
    zones: &[&Zone],
    at: Timestamp,
) -> Result<(), Fault> {
    let rows = sqlx::query(sql::DAYS_OF_TENANT).bind(tenant.as_str()).fetch_all(&mut *connection).await?;
    let days: Vec<(String, Date)> = rows.iter().map(rows::queue_day).collect::<Result<_, _>>()?;
    for some in buckets(&days, zones).chunks(MARKS_AT_ONCE) {
        mark(connection, ids, tenant, some.iter().copied(), at).await?;
    }
    Ok(())
}

async fn key(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    id: KeyId,
) -> Result<Option<SqliteRow>, Fault> {
    let query = sqlx::query(sql::KEY).bind(tenant.as_str()).bind(id.to_string());
    Ok(query.fetch_optional(connection).await?)
}
