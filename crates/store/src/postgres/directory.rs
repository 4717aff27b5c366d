//! Tenants and keys: few rows, rarely written.

use aftercall_core::TenantId;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::PgConnection;

use crate::error::StoreError;
use crate::fault::Fault;
use crate::ledger::{MARKS_AT_ONCE, buckets};
use crate::postgres::cells::Stamp;
use crate::postgres::encode::column;
use crate::postgres::read::present;
use crate::postgres::write::mark;
use crate::postgres::{Postgres, Query, sql};
use crate::read::{QUEUES_MAX, bounded};
use crate::rows::{self, api_key};
use crate::tenant::{ApiKey, KeyHash, KeyUse, NewKey, Revoked, Role, Tenant, TenantPut, Zone};
use crate::words::KeyId;
use crate::write::BATCH_MAX;

impl Postgres {
    pub(crate) async fn create_tenant(&self, tenant: &Tenant, at: Timestamp) -> Result<bool, StoreError> {
        let created = || async {
            let made = insert_tenant(tenant, at).execute(&self.writers).await?;
            Ok(made.rows_affected() > 0)
        };
        self.tried(created).await
    }

    pub(crate) async fn put_tenant(&self, tenant: &Tenant, at: Timestamp) -> Result<TenantPut, StoreError> {
        self.tried(|| self.put(tenant, at)).await
    }

    async fn put(&self, tenant: &Tenant, at: Timestamp) -> Result<TenantPut, Fault> {
        let mut transaction = self.begin().await?;
        if insert_tenant(tenant, at).execute(&mut *transaction).await?.rows_affected() > 0 {
            transaction.commit().await?;
            return Ok(TenantPut::New);
        }
        // Batches that are under way are waited for: what they counted by the old calendar is marked with the rest.
        let lock = sqlx::query(sql::LOCK_TENANT).bind(tenant.id.as_str());
        let old = rows::tenant(&lock.fetch_one(&mut *transaction).await?)?;
        if old == *tenant {
            return Ok(TenantPut::Same);
        }
        sqlx::query(sql::UPDATE_TENANT)
            .bind(tenant.id.as_str())
            .bind(tenant.time_zone.name())
            .bind(tenant.week_start.word())
            .execute(&mut *transaction)
            .await?;
        if old.time_zone != tenant.time_zone {
            let zones = [&old.time_zone, &tenant.time_zone];
            self.mark_all(&mut transaction, &tenant.id, &zones, at).await?;
        }
        transaction.commit().await?;
        Ok(TenantPut::Changed)
    }

    /// Marks every bucket in which a tenant has anything, by the calendar of each zone.
    async fn mark_all(
        &self,
        connection: &mut PgConnection,
        tenant: &TenantId,
        zones: &[&Zone],
        at: Timestamp,
    ) -> Result<(), Fault> {
        let query = sqlx::query(sql::DAYS_OF_TENANT).bind(tenant.as_str());
        let found = query.fetch_all(&mut *connection).await?;
        let days: Vec<(String, Date)> = found.iter().map(rows::queue_day).collect::<Result<_, _>>()?;
        for some in buckets(&days, zones).chunks(MARKS_AT_ONCE) {
            mark(connection, &self.ids, tenant, some.iter().copied(), at).await?;
        }
        Ok(())
    }

    pub(crate) async fn doubt_all(&self, tenant: &TenantId, at: Timestamp) -> Result<bool, StoreError> {
        self.tried(|| self.doubt(tenant, at)).await
    }

    async fn doubt(&self, tenant: &TenantId, at: Timestamp) -> Result<bool, Fault> {
        let mut transaction = self.begin().await?;
        let lock = sqlx::query(sql::LOCK_TENANT).bind(tenant.as_str());
        let Some(row) = lock.fetch_optional(&mut *transaction).await? else { return Ok(false) };
        let zone = rows::tenant(&row)?.time_zone;
        self.mark_all(&mut transaction, tenant, &[&zone], at).await?;
        sqlx::query(sql::MARK_KEPT).bind(tenant.as_str()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(crate) async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        self.all(|| sqlx::query(sql::TENANTS), rows::tenant).await
    }

    pub(crate) async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        self.one(|| sqlx::query(sql::TENANT).bind(id.as_str()), rows::tenant).await
    }

    pub(crate) async fn create_key(&self, new: &NewKey) -> Result<Option<ApiKey>, StoreError> {
        let queues = if let Role::Supervisor(queues) = &new.role { Some(queues) } else { None };
        bounded("queues", queues.map_or(0, Vec::len), QUEUES_MAX)?;
        let agent = if let Role::Agent(agent) = &new.role { Some(agent) } else { None };
        // Made once: a try of which nothing was heard leaves no second key.
        let id = KeyId(self.ids.next(new.at));
        let created = || async {
            let insert = sqlx::query(sql::INSERT_KEY)
                .bind(new.tenant.as_str())
                .bind(id.0)
                .bind(&new.hash.0[..])
                .bind(new.role.word())
                .bind(agent.map(|agent| agent.as_str()))
                .bind(queues.map(serde_json::to_string).transpose()?)
                .bind(Stamp::from(new.at))
                .bind(new.expires_at.map(Stamp::from));
            let made = key(&new.tenant, id).fetch_optional(&self.writers).await?;
            if made.is_none() {
                insert.execute(&self.writers).await?;
            }
            let row = key(&new.tenant, id).fetch_optional(&self.writers).await?;
            Ok(row.as_ref().map(api_key).transpose()?)
        };
        self.tried(created).await
    }

    pub(crate) async fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, StoreError> {
        self.all(|| sqlx::query(sql::KEYS).bind(tenant.as_str()), api_key).await
    }

    pub(crate) async fn key_by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.one(|| sqlx::query(sql::KEY_BY_HASH).bind(&hash.0[..]), api_key).await
    }

    pub(crate) async fn any_key(&self) -> Result<bool, StoreError> {
        Ok(self.one(|| sqlx::query(sql::ANY_KEY), present).await?.is_some())
    }

    pub(crate) async fn revoke_key(
        &self,
        tenant: &TenantId,
        id: KeyId,
        at: Timestamp,
    ) -> Result<Revoked, StoreError> {
        let revoked = || async {
            let revoke = sqlx::query(sql::REVOKE_KEY).bind(tenant.as_str()).bind(id.0).bind(Stamp::from(at));
            if revoke.execute(&self.writers).await?.rows_affected() > 0 {
                return Ok(Revoked::Now);
            }
            let known = key(tenant, id).fetch_optional(&self.writers).await?;
            Ok(if known.is_some() { Revoked::Before } else { Revoked::Unknown })
        };
        self.tried(revoked).await
    }

    pub(crate) async fn keys_used(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        bounded("uses of keys", uses.len(), BATCH_MAX)?;
        let (tenants, keys) = (column(uses, |u| u.tenant.as_str()), column(uses, |u| u.key.0));
        let moments = column(uses, |u| Stamp::from(u.at));
        let noted = || async {
            let mut transaction = self.begin().await?;
            sqlx::query(sql::LOCK_KEYS).bind(&tenants).bind(&keys).execute(&mut *transaction).await?;
            let note = sqlx::query(sql::KEYS_USED).bind(&tenants).bind(&keys).bind(&moments);
            note.execute(&mut *transaction).await?;
            Ok(transaction.commit().await?)
        };
        self.tried(noted).await
    }
}

fn insert_tenant(tenant: &Tenant, at: Timestamp) -> Query {
    sqlx::query(sql::INSERT_TENANT)
        .bind(tenant.id.as_str())
        .bind(tenant.time_zone.name())
        .bind(tenant.week_start.word())
        .bind(Stamp::from(at))
}

fn key(tenant: &TenantId, id: KeyId) -> Query {
    sqlx::query(sql::KEY).bind(tenant.as_str()).bind(id.0)
}
