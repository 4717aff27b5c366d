//! What single values of the configuration may be.

use aftercall_wire::sip::is_token;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aftercall_core::stats::WeekStart;
use aftercall_store::Zone;
use ipnet::IpNet;
use regex::Regex;
use serde_json::Value;

use crate::fields::text;

/// A pattern: found anywhere, unless it says `^` and `$` itself.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        // The library draws the pattern with an arrow under it; the last line says what is wrong.
        let drawn = error.to_string();
        let last = drawn.lines().last().unwrap_or_default();
        format!("is not a regular expression: {}", last.strip_prefix("error: ").unwrap_or(last))
    })
}

pub(super) fn pattern(value: &Value) -> Result<Regex, String> {
    regex(&text(value)?)
}

/// An IANA time zone.
pub(super) fn zone(value: &Value) -> Result<Zone, String> {
    let name = text(value)?;
    Zone::new(&name).map_err(|_| {
        format!(
            "is `{name}`, which is not an IANA time zone (such as `UTC`, `Europe/Berlin`, `Asia/Shanghai`)"
        )
    })
}

/// A day that weeks begin with.
pub(super) fn week_start(value: &Value) -> Result<WeekStart, String> {
    let word = text(value)?;
    let known = WeekStart::ALL.into_iter().find(|day| day.word() == word);
    known.ok_or_else(|| {
        format!("is `{word}`, which is not a day that weeks begin with: monday, sunday or saturday")
    })
}

/// An address, or a network in CIDR notation.
pub(super) fn network(value: &Value) -> Result<IpNet, String> {
    let text = text(value)?;
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse::<IpNet>()).map(|network| network.trunc()).map_err(|_| {
        format!("is `{text}`, which is neither an address nor a network (such as `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`)")
    })
}

/// A path; a relative one starts from `folder`.
pub(super) fn path(folder: &Path) -> impl Fn(&Value) -> Result<PathBuf, String> {
    move |value| {
        let text = text(value)?;
        if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(folder.join(text)) }
    }
}

/// Text with something in it.
pub(super) fn name(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(text) }
}

/// The name of a header (RFC 3261, 25.1: token), in lower case, as headers are compared.
pub(super) fn header_name(text: &str) -> Result<String, String> {
    if !is_token(text) {
        return Err(format!("is `{text}`, which cannot be the name of a header"));
    }
    Ok(text.to_ascii_lowercase())
}

/// The places of entries that were there before, each with the place of the first one like it.
pub(super) fn repeated<T: PartialEq>(entries: impl Iterator<Item = T>) -> Vec<(usize, usize)> {
    let entries: Vec<T> = entries.collect();
    let first = |entry: &T| entries.iter().position(|earlier| earlier == entry);
    entries
        .iter()
        .map(first)
        .enumerate()
        .filter_map(|(at, first)| Some((at, first?)))
        .filter(|(at, first)| first < at)
        .collect()
}
