//! `[[route]]` and `[[queue]]`: which survey a call gets.

use aftercall_core::{Language, QueueId, SurveyName, TenantId};
use regex::Regex;
use serde_json::Value;

use super::values;
use crate::fields::{Fields, flag, parsed, text};

/// Calls of a kind, and what they get.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name, for people.
    pub name: String,
    /// Which calls.
    pub pattern: Match,
    /// The survey they get.
    pub survey: SurveyName,
    /// Whose data they become.
    pub tenant: Option<TenantId>,
    /// The language they are spoken to in, if not the survey's own.
    pub language: Option<Language>,
}

/// What must be found in a call; what is not given is not looked at.
#[derive(Debug, Clone, Default)]
pub struct Match {
    to_user: Option<Regex>,
    from_user: Option<Regex>,
    request_user: Option<Regex>,
    called: Option<Regex>,
    headers: Vec<(String, Regex)>,
}

/// What a route looks at in a call. A thing that the call does not have is `None` and matches nothing.
#[derive(Clone, Copy)]
pub struct Seen<'c> {
    /// The user part of To.
    pub to_user: Option<&'c str>,
    /// The user part of From.
    pub from_user: Option<&'c str>,
    /// The user part of the Request-URI.
    pub request_user: Option<&'c str>,
    /// The number first dialled, where the PBX says it (`Diversion`).
    pub called: Option<&'c str>,
    /// The first header of a name (given in lower case).
    pub header: &'c dyn Fn(&str) -> Option<&'c str>,
}

impl Match {
    /// Whether everything that is asked for is found.
    #[must_use]
    pub fn matches(&self, call: &Seen<'_>) -> bool {
        let parts = [
            (&self.to_user, call.to_user),
            (&self.from_user, call.from_user),
            (&self.request_user, call.request_user),
            (&self.called, call.called),
        ];
        let found = |pattern: &Regex, text: Option<&str>| text.is_some_and(|text| pattern.is_match(text));
        parts.iter().all(|(pattern, text)| pattern.as_ref().is_none_or(|pattern| found(pattern, *text)))
            && self.headers.iter().all(|(name, pattern)| found(pattern, (call.header)(name)))
    }

    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let to_user = fields.optional("to_user", values::pattern);
        let from_user = fields.optional("from_user", values::pattern);
        let request_user = fields.optional("request_user", values::pattern);
        let called = fields.optional("called", values::pattern);
        let headers =
            fields.pairs("header", |name, value| Ok((values::header_name(name)?, values::pattern(value)?)));
        Some(Self {
            to_user: to_user?,
            from_user: from_user?,
            request_user: request_user?,
            called: called?,
            headers: headers?,
        })
    }
}

impl Route {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.required("name", values::name);
        let pattern = fields.required_table("match", Match::read);
        let survey = fields.required("application", application);
        let tenant = fields.optional("tenant", parsed::<TenantId>);
        let language = fields.optional("language", parsed::<Language>);
        Some(Self { name: name?, pattern: pattern?, survey: survey?, tenant: tenant?, language: language? })
    }
}

/// What a queue's calls get.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The queue, as cleaned ids name it.
    pub name: QueueId,
    /// Whose queue.
    pub tenant: TenantId,
    /// The language its callers are spoken to in, if not the survey's own.
    pub language: Option<Language>,
    /// What follows its calls; without it, what the routes say.
    pub after_call: Option<AfterCall>,
}

/// `[queue.after_call]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterCall {
    /// Whether callers are asked at all.
    pub csat_enabled: bool,
    /// The survey they get; without it, what the routes say.
    pub csat_ivr: Option<SurveyName>,
}

impl Queue {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.required("name", parsed::<QueueId>);
        let tenant = fields.optional("tenant", parsed::<TenantId>);
        let language = fields.optional("language", parsed::<Language>);
        let after_call = fields.table("after_call", |after| {
            let csat_enabled = after.optional("csat_enabled", flag);
            let csat_ivr = after.optional("csat_ivr", parsed::<SurveyName>);
            Some(AfterCall { csat_enabled: csat_enabled?.unwrap_or(true), csat_ivr: csat_ivr? })
        });
        Some(Self {
            name: name?,
            tenant: tenant?.unwrap_or_default(),
            language: language?,
            after_call: after_call?,
        })
    }
}

fn application(value: &Value) -> Result<SurveyName, String> {
    let text = text(value)?;
    let name =
        text.strip_prefix("ivr:").ok_or("must be `ivr:` and a survey's name, such as `ivr:csat-survey`")?;
    name.parse().map_err(|fault| format!("names a survey that {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'c>(user: Option<&'c str>, header: &'c dyn Fn(&str) -> Option<&'c str>) -> Seen<'c> {
        Seen { to_user: user, from_user: Some("1001"), request_user: user, called: None, header }
    }

    #[test]
    fn a_route_matches_when_every_pattern_of_it_is_found() {
        let spring = |name: &str| (name == "x-campaign").then_some("Spring");
        let none = |_: &str| None;
        let regex = |text: &str| Some(Regex::new(text).unwrap());
        let to = Match { to_user: regex("^csat"), ..Match::default() };
        let both = Match { from_user: regex("^1001$"), ..to.clone() };
        let called = Match { called: regex(""), ..Match::default() };
        let header = Match {
            headers: vec![("x-campaign".to_owned(), Regex::new("(?i)spring").unwrap())],
            ..to.clone()
        };
        for (pattern, call, expected) in [
            (Match::default(), call(None, &none), true),
            (to.clone(), call(Some("csat-survey"), &none), true),
            (to.clone(), call(Some("x-csat"), &none), false),
            (to, call(None, &none), false),
            (both, call(Some("csat-survey"), &none), true),
            (called, call(Some("csat-survey"), &none), false),
            (header.clone(), call(Some("csat-survey"), &spring), true),
            (header, call(Some("csat-survey"), &none), false),
        ] {
            assert_eq!(pattern.matches(&call), expected, "{pattern:?}");
        }
    }
}
