//! `[smtp]` and `[[report]]`: what is sent by schedule, to whom, and how.

use std::path::Path;

use aftercall_core::{QueueId, TenantId};
use aftercall_store::QUEUES_MAX;
use axum::http::Uri;
use jiff::civil::Time;
use serde_json::Value;

use super::values;
use crate::fields::{Fields, parsed, text};
use crate::scheduled::{Every, Post, Schedule, Smtp};
use crate::secret::Secret;
use crate::webhooks::SigningKey;

/// When a report is sent that does not say: before work.
const AT_USUAL: Time = Time::constant(6, 0, 0, 0);

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 64;

/// A report that is sent when its period is over.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Whose figures.
    pub tenant: TenantId,
    /// When.
    pub schedule: Schedule,
    /// The queues that count; none: all.
    pub queues: Vec<QueueId>,
    /// Who gets it by mail.
    pub to: Vec<Secret>,
    /// Where it is posted.
    pub post: Option<Post>,
}

impl Report {
    pub(super) fn read(fields: &mut Fields<'_, '_>, smtp: bool) -> Option<Self> {
        let name = fields.required("name", name);
        let tenant = fields.optional("tenant", parsed::<TenantId>);
        let every = fields.required("every", every);
        let at = fields.optional("at", time);
        let queues = fields.list("queues", parsed::<QueueId>);
        let to = fields.list("to", address);
        let url = fields.optional("url", url);
        let key = fields.optional("secret", key);
        let (to, url, key, queues) = (to?, url?, key?, queues?);
        if queues.len() > QUEUES_MAX {
            fields.fault_at("queues", &format!("are more than {QUEUES_MAX}"));
        }
        if to.is_empty() && url.is_none() {
            fields.fault_at("name", "goes nowhere: say `to = [\"boss@example.com\"]`, or `url` and `secret`");
        }
        if !to.is_empty() && !smtp {
            fields.fault_at("to", "needs a mail server: say `[smtp]` with `url` and `from`");
        }
        match (&url, &key) {
            (Some(_), None) => fields.fault_at("url", &format!("needs a `secret`: {KEY}")),
            (None, Some(_)) => fields.fault_at("secret", "needs the `url` that it is for"),
            _ => {}
        }
        Some(Self {
            name: name?,
            tenant: tenant?.unwrap_or_default(),
            schedule: Schedule { every: every?, at: at?.unwrap_or(AT_USUAL) },
            queues,
            to,
            post: url.zip(key).map(|(url, key)| Post { url, key }),
        })
    }
}

/// `[smtp]`
pub(super) fn smtp(fields: &mut Fields<'_, '_>, folder: &Path) -> Option<Smtp> {
    let url = fields.required("url", |value| {
        let url = text(value)?;
        Smtp::fault(&url).map_or(Ok(Secret::new(url)), Err)
    });
    let from = fields.required("from", address);
    let ca = fields.optional("ca", values::path(folder));
    Some(Smtp { url: url?, from: from?, ca: ca? })
}

fn name(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(sound) {
        return Err(format!("must be 1 to {NAME_CHARS_MAX} of the characters a-z, 0-9, `-`, `_` and `.`"));
    }
    Ok(name)
}

fn every(value: &Value) -> Result<Every, String> {
    let word = text(value)?;
    let known = Every::ALL.into_iter().find(|every| every.word() == word);
    known.ok_or_else(|| format!("is `{word}`, and must be day, week or month"))
}

fn time(value: &Value) -> Result<Time, String> {
    let shown = text(value)?;
    let time = (shown.len() == 5).then(|| shown.parse().ok()).flatten();
    time.ok_or_else(|| format!("is `{shown}`, which is not a time of the day, such as `06:00`"))
}

fn address(value: &Value) -> Result<Secret, String> {
    let text = text(value)?;
    if !Smtp::is_address(&text) {
        return Err(
            "must be an address, such as `boss@example.com` or `The boss <boss@example.com>`".to_owned()
        );
    }
    Ok(Secret::new(text))
}

fn url(value: &Value) -> Result<String, String> {
    let url = text(value)?;
    let uri = url.parse::<Uri>().ok();
    let is_whole =
        uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    if is_whole {
        Ok(url)
    } else {
        Err("must be an address such as `https://example.com/reports`".to_owned())
    }
}

const KEY: &str =
    "it must be `whsec_` and 24 to 64 random bytes in base64 (`echo whsec_$(openssl rand -base64 32)`)";

fn key(value: &Value) -> Result<SigningKey, String> {
    SigningKey::read(&text(value)?)
}
