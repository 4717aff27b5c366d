//! Tenants and API keys (spec/trust.md).

use std::fmt;

use aftercall_core::stats::WeekStart;
use aftercall_core::{AgentId, QueueId, TenantId};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::words::KeyId;

/// Whose data it is, and by which calendar it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// The IANA time zone that days, weeks and months are those of.
    pub time_zone: Zone,
    /// The first day of its weeks.
    pub week_start: WeekStart,
}

/// A time zone of the IANA database, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// There is no time zone of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of an IANA time zone, such as \"Europe/Berlin\" or \"UTC\"")]
pub struct NotAZone(pub String);

impl Zone {
    /// Finds the zone; the name's case does not matter.
    ///
    /// # Errors
    /// When the IANA database has no zone of that name.
    pub fn new(name: &str) -> Result<Self, NotAZone> {
        let zone = TimeZone::get(name).map_err(|_| NotAZone(name.to_owned()))?;
        let name = zone.iana_name().ok_or_else(|| NotAZone(name.to_owned()))?.to_owned();
        Ok(Self { name, zone })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> &TimeZone {
        &self.zone
    }
}

/// What came of putting a tenant in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantPut {
    /// There was none of this name.
    New,
    /// It is as it was.
    Same,
    /// Its zone or week changed; the days its ratings count in follow.
    Changed,
}

/// The SHA-256 of an API key: all that is kept of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// What the holder of a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Post ratings and door events.
    Ingest,
    /// Read their own results.
    Agent(AgentId),
    /// Read everything but comments' audio.
    Viewer,
    /// Everything but configuration, in exactly these queues. At most [`crate::QUEUES_MAX`].
    Supervisor(Vec<QueueId>),
    /// Everything.
    Admin,
}

impl Role {
    /// The word on the command line and in the database.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Agent(_) => "agent",
            Self::Viewer => "viewer",
            Self::Supervisor(_) => "supervisor",
            Self::Admin => "admin",
        }
    }
}

/// A key to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Whose data it opens.
    pub tenant: TenantId,
    /// The hash of the key's text.
    pub hash: KeyHash,
    /// What it opens.
    pub role: Role,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it is created.
    pub at: Timestamp,
}

/// A key as it is kept. Whether it works now is the caller's to judge, who has the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What an operator sees and revokes.
    pub id: KeyId,
    /// Whose data it opens.
    pub tenant: TenantId,
    /// What it opens.
    pub role: Role,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, as far as [`crate::Store::keys_used`] was told.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether the key opens anything at that instant.
    #[must_use]
    pub fn works(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// What came of revoking a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// It works no longer.
    Now,
    /// It had been revoked before.
    Before,
    /// The tenant has no such key.
    Unknown,
}

/// A key was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// Whose key.
    pub tenant: TenantId,
    /// Which key.
    pub key: KeyId,
    /// When.
    pub at: Timestamp,
}
