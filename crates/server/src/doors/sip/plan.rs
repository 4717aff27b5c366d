//! Which survey a call gets, or why it gets none.

use std::collections::BTreeMap;
use std::sync::Arc;

use aftercall_core::{AgentId, CallId, Language, QueueId, Survey, SurveyName, TenantId};

use crate::config::{Config, Queue, Route, Seen};
use crate::surveys::Surveys;

/// What is known of a call when it comes in, ids cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) call: CallId,
    pub(super) agent: Option<AgentId>,
    pub(super) queue: Option<QueueId>,
    pub(super) skill: Option<String>,
    /// The survey it asks for by name.
    pub(super) survey: Option<String>,
    /// The languages the caller would have, most wanted first.
    pub(super) languages: Vec<Language>,
    /// The user part of the Request-URI.
    pub(super) called: Option<String>,
    /// The number that was dialled first, before the call was diverted (RFC 5806) to the one called now.
    pub(super) first_called: Option<String>,
    /// The PBX said that this caller is not to be asked.
    pub(super) unwanted: bool,
}

/// What is done with a call.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// It gets this survey.
    Ask(Chosen),
    /// It gets none, by a rule.
    Suppress {
        tenant: TenantId,
        /// The reason in `cc_csat_offers`.
        reason: &'static str,
    },
}

/// A survey and how it is conducted.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) tenant: TenantId,
    pub(super) survey: Arc<Survey>,
    /// The language it is to be in, if the survey speaks one that was asked for.
    pub(super) language: Option<Language>,
    /// What branches may test.
    pub(super) variables: BTreeMap<String, String>,
}

/// Decides (csat.md, 2.8): a survey asked for on the call, else the queue's, else the first matching
/// route's, else the one named like the called user, else the default. `said` is what the call says of a
/// variable of the survey's own, `peer` the tenant whose calls come from that peer.
pub(super) fn plan(
    facts: &Facts,
    seen: &Seen<'_>,
    said: &dyn Fn(&str) -> Option<String>,
    peer: &TenantId,
    config: &Config,
    surveys: &Surveys,
) -> Option<Plan> {
    let route = config.routes.iter().find(|route| route.pattern.matches(seen));
    let tenant = route.and_then(|route| route.tenant.clone()).unwrap_or_else(|| peer.clone());
    let queue = facts.queue.as_ref().and_then(|name| queue_of(config, &tenant, name));
    let after_call = queue.and_then(|queue| queue.after_call.as_ref());
    if facts.unwanted {
        return Some(Plan::Suppress { tenant, reason: "requested" });
    }
    if after_call.is_some_and(|after| !after.csat_enabled) {
        return Some(Plan::Suppress { tenant, reason: "disabled" });
    }
    let known = |name: &SurveyName| surveys.get(name).cloned();
    let named = |name: &String| SurveyName::new(name.as_str()).ok().as_ref().and_then(known);
    let survey = facts
        .survey
        .as_ref()
        .and_then(named)
        .or_else(|| after_call.and_then(|after| after.csat_ivr.as_ref()).and_then(known))
        .or_else(|| route.and_then(|route| known(&route.survey)))
        .or_else(|| facts.called.as_ref().and_then(named))
        .or_else(|| known(&config.default_survey))?;
    let language = facts
        .languages
        .iter()
        .chain(queue.and_then(|queue| queue.language.as_ref()))
        .chain(route.and_then(|route: &Route| route.language.as_ref()))
        .chain(&config.default_language)
        .find_map(|asked| survey.speaks(asked))
        .cloned();
    let variables = variables(facts, said, &survey, language.as_ref());
    Some(Plan::Ask(Chosen { tenant, survey, language, variables }))
}

fn queue_of<'c>(config: &'c Config, tenant: &TenantId, name: &QueueId) -> Option<&'c Queue> {
    config.queues.iter().find(|queue| queue.name == *name && queue.tenant == *tenant)
}

fn variables(
    facts: &Facts,
    said: &dyn Fn(&str) -> Option<String>,
    survey: &Survey,
    language: Option<&Language>,
) -> BTreeMap<String, String> {
    let own = survey.definition().variables.iter().map(|name| (name.as_str(), said(name)));
    let known = [
        ("agent", facts.agent.as_ref().map(AgentId::to_string)),
        ("called", facts.first_called.clone()),
        ("channel", Some(super::CHANNEL.to_owned())),
        ("language", Some(survey.spoken(language).to_string())),
        ("queue", facts.queue.as_ref().map(QueueId::to_string)),
        ("skill", facts.skill.clone()),
    ];
    // What is known of every call goes before what the survey calls so.
    own.chain(known).filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONFIG: &str = r#"
default_language = "fr"

[[route]]
name = "sales"
match = { to_user = "^sales$" }
application = "ivr:by-route"
language = "de"

[[route]]
name = "north"
match = { header = { X-Site = "north" } }
application = "ivr:by-route"
tenant = "north"

[[queue]]
name = "quiet"
[queue.after_call]
csat_enabled = false

[[queue]]
name = "gold"
language = "es"
[queue.after_call]
csat_enabled = true
csat_ivr = "by-queue"

[[queue]]
name = "gold"
tenant = "north"
[queue.after_call]
csat_enabled = false
"#;

    fn surveys() -> Surveys {
        let folder = tempfile::tempdir().unwrap();
        for name in ["by-name", "by-route", "by-queue", "called"] {
            let source = aftercall_core::survey::CSAT_SURVEY;
            std::fs::write(folder.path().join(format!("{name}.toml")), source).unwrap();
        }
        let (surveys, faults) = Surveys::load(folder.path());
        assert_eq!(faults, []);
        surveys
    }

    fn facts(called: &str, queue: Option<&str>) -> Facts {
        Facts {
            call: CallId::new("c1").unwrap(),
            agent: None,
            queue: queue.map(|queue| QueueId::new(queue).unwrap()),
            skill: None,
            survey: None,
            languages: Vec::new(),
            called: Some(called.to_owned()),
            first_called: Some(called.to_owned()),
            unwanted: false,
        }
    }

    /// `TENANT SURVEY LANGUAGE`, or `TENANT -REASON`.
    fn decided(facts: &Facts, site: Option<&'static str>) -> String {
        let config = Config::read(Path::new("aftercall.toml"), CONFIG, &|_| None).unwrap();
        let header = |name: &str| (name == "x-site").then_some(site).flatten();
        let user = facts.called.as_deref();
        let seen = Seen { to_user: user, from_user: None, request_user: user, called: None, header: &header };
        match plan(facts, &seen, &|_| None, &TenantId::default(), &config, &surveys()).unwrap() {
            Plan::Suppress { tenant, reason } => format!("{tenant} -{reason}"),
            Plan::Ask(chosen) => {
                let language = chosen.language.map(|language| language.to_string()).unwrap_or_default();
                format!("{} {} {language}", chosen.tenant, chosen.survey.name())
            }
        }
    }

    #[test]
    fn the_survey_is_chosen_in_the_documented_order() {
        let asked = |survey: &str| Facts { survey: Some(survey.to_owned()), ..facts("sales", Some("gold")) };
        let speaking = |tags: &[&str]| {
            let languages = tags.iter().map(|tag| tag.parse().unwrap()).collect();
            Facts { languages, ..facts("sales", Some("gold")) }
        };
        let unwanted = Facts { unwanted: true, ..facts("sales", None) };
        for (facts, site, expected) in [
            (asked("by-name"), None, "default by-name es"),
            (asked("no-such-survey"), None, "default by-queue es"),
            (facts("sales", Some("gold")), None, "default by-queue es"),
            (facts("sales", Some("unlisted")), None, "default by-route de"),
            (facts("sales", None), None, "default by-route de"),
            (facts("called", None), None, "default called fr"),
            (facts("4711", None), None, "default csat-survey fr"),
            (speaking(&["it"]), None, "default by-queue it"),
            (speaking(&["tlh", "zh-hant-tw", "it"]), None, "default by-queue zh"),
            (speaking(&["tlh"]), None, "default by-queue es"),
            (facts("sales", Some("quiet")), None, "default -disabled"),
            (unwanted, None, "default -requested"),
            (facts("4711", None), Some("north"), "north by-route fr"),
            (facts("4711", Some("gold")), Some("north"), "north -disabled"),
        ] {
            assert_eq!(decided(&facts, site), expected, "{facts:?}");
        }
    }
}
