//! `[[webhook]]`: who is told of ratings and alerts.

use std::collections::BTreeSet;
use std::time::Duration;

use aftercall_core::survey::fault::did_you_mean;
use aftercall_core::{QueueId, Score, TenantId};
use aftercall_store::{EventKind, Subscription, WebhookName};
use axum::http::Uri;
use serde_json::Value;

use crate::fields::{Fields, parsed, text, whole};
use crate::secret::Secret;
use crate::webhooks::SigningKey;

/// The most webhooks: each sends at most 4 events at once, so 128 threads wait for the other sides in the worst case.
pub(super) const WEBHOOKS_MAX: usize = 32;

/// Secrets of one webhook: the present one, and others while they are being exchanged.
const SECRETS_MAX: usize = 4;

/// Up to which score a rating is low, unless the file says otherwise.
pub const LOW_SCORE_DEFAULT: u32 = 2;

/// How long the other side may take, in seconds, unless the file says otherwise.
const TIMEOUT_SECONDS_DEFAULT: u32 = 10;

/// How long it is kept what became of an event, in days, unless the file says otherwise.
const KEEP_DAYS_DEFAULT: u32 = 30;

/// Someone who is told.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// What they are told of.
    pub subscription: Subscription,
    /// Where they are; it may hold a token.
    pub url: Secret,
    /// What is signed with, the first of them the newest.
    pub keys: Vec<SigningKey>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long it is kept what became of an event, counted from when it happened.
    pub keep: Duration,
}

impl Webhook {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let webhook = fields.required("name", parsed::<WebhookName>);
        let url = fields.required("url", address);
        let keys = fields.required("secret", secrets);
        let kinds = fields.list("events", kind);
        let tenant = fields.optional("tenant", parsed::<TenantId>);
        let queues = fields.list("queues", parsed::<QueueId>);
        let low_score = fields.optional("low_score", |value| {
            let number = whole(1..=5)(value)?;
            u8::try_from(number).ok().and_then(|number| Score::try_from(number).ok()).ok_or_else(String::new)
        });
        let timeout = fields.optional("timeout_seconds", whole(1..=60));
        // What is sent again for three days must still be known then.
        let keep = fields.optional("keep_days", whole(4..=3_650));
        let kinds: BTreeSet<EventKind> = kinds?.into_iter().collect();
        let queues = queues?;
        let timeout = timeout?.unwrap_or(TIMEOUT_SECONDS_DEFAULT);
        let keep = keep?.unwrap_or(KEEP_DAYS_DEFAULT);
        Some(Self {
            subscription: Subscription {
                tenant: tenant?.unwrap_or_default(),
                webhook: webhook?,
                kinds: if kinds.is_empty() { EventKind::ALL.into() } else { kinds },
                queues: (!queues.is_empty()).then_some(queues),
                low_score: low_score?.or(low_score_default())?,
            },
            url: url?,
            keys: keys?,
            timeout: Duration::from_secs(timeout.into()),
            keep: Duration::from_secs(u64::from(keep) * 86_400),
        })
    }
}

/// Up to which score a rating is low where nobody says otherwise.
#[must_use]
pub fn low_score_default() -> Option<Score> {
    u8::try_from(LOW_SCORE_DEFAULT).ok().and_then(|number| Score::try_from(number).ok())
}

/// A whole `http` or `https` address. It is not repeated: it may hold a token.
fn address(value: &Value) -> Result<Secret, String> {
    let text = text(value)?;
    let whole = || "is not a whole address such as `https://crm.example.com/hooks/csat`".to_owned();
    let uri: Uri = text.parse().map_err(|_| whole())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(whole());
    }
    if text.contains('#') || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("must have no user and no `#`".to_owned());
    }
    Ok(Secret::new(text))
}

/// One secret or a list of them.
fn secrets(value: &Value) -> Result<Vec<SigningKey>, String> {
    let given = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    if given.is_empty() || given.len() > SECRETS_MAX {
        return Err(format!("must be one secret, or a list of at most {SECRETS_MAX}"));
    }
    given.iter().map(|one| SigningKey::read(&text(one)?)).collect()
}

fn kind(value: &Value) -> Result<EventKind, String> {
    let word = text(value)?;
    EventKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
        let words = EventKind::ALL.map(EventKind::word);
        let hint = did_you_mean(&word, words);
        format!("is `{word}`, which is no event{hint}: {}", words.join(", "))
    })
}
