//! The SQLite store.

use std::ops::Range;

use aftercall_core::stats::Tally;
use aftercall_core::{AgentId, CallId, QueueId, TenantId};
use jiff::Timestamp;

use crate::*;

/// One SQLite file.
#[derive(Debug, Clone)]
pub struct Sqlite {}

impl Sqlite {
    pub(crate) async fn open(_path: &str) -> Result<Self, StoreError> {
        todo!()
    }
    pub(crate) async fn write(&self, _batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        todo!()
    }
    pub(crate) async fn rating(&self, _tenant: &TenantId, _call: &CallId) -> Result<Found, StoreError> {
        todo!()
    }
    pub(crate) async fn ratings(
        &self,
        _tenant: &TenantId,
        _filter: &RatingFilter,
        _after: Option<&RatingCursor>,
        _limit: u16,
    ) -> Result<Vec<Rating>, StoreError> {
        todo!()
    }
    pub(crate) async fn tally(
        &self,
        _tenant: &TenantId,
        _subject: &Subject,
        _window: &Window,
    ) -> Result<Tally, StoreError> {
        todo!()
    }
    pub(crate) async fn tallies(
        &self,
        _tenant: &TenantId,
        _subject: &Subject,
        _ranges: &[Range<Timestamp>],
    ) -> Result<Vec<Tally>, StoreError> {
        todo!()
    }
    pub(crate) async fn queue_agents(
        &self,
        _tenant: &TenantId,
        _queue: &QueueId,
        _window: &Window,
    ) -> Result<Vec<(AgentId, Tally)>, StoreError> {
        todo!()
    }
    pub(crate) async fn offer(
        &self,
        _tenant: &TenantId,
        _call: &CallId,
    ) -> Result<Option<Offer>, StoreError> {
        todo!()
    }
    pub(crate) async fn answers(
        &self,
        _tenant: &TenantId,
        _call: &CallId,
    ) -> Result<Vec<Answer>, StoreError> {
        todo!()
    }
    pub(crate) async fn put_tenant(&self, _tenant: &Tenant, _at: Timestamp) -> Result<TenantPut, StoreError> {
        todo!()
    }
    pub(crate) async fn create_tenant(&self, _tenant: &Tenant, _at: Timestamp) -> Result<bool, StoreError> {
        todo!()
    }
    pub(crate) async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        todo!()
    }
    pub(crate) async fn tenant(&self, _id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        todo!()
    }
    pub(crate) async fn create_key(&self, _key: &NewKey) -> Result<Option<ApiKey>, StoreError> {
        todo!()
    }
    pub(crate) async fn keys(&self, _tenant: &TenantId) -> Result<Vec<ApiKey>, StoreError> {
        todo!()
    }
    pub(crate) async fn key_by_hash(&self, _hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        todo!()
    }
    pub(crate) async fn any_key(&self) -> Result<bool, StoreError> {
        todo!()
    }
    pub(crate) async fn revoke_key(
        &self,
        _tenant: &TenantId,
        _key: KeyId,
        _at: Timestamp,
    ) -> Result<Revoked, StoreError> {
        todo!()
    }
    pub(crate) async fn keys_used(&self, _uses: &[KeyUse]) -> Result<(), StoreError> {
        todo!()
    }
    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        todo!()
    }
    pub(crate) async fn close(&self) {
        todo!()
    }
}
