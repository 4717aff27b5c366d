//! What a call says of itself: whose it is, which agent and queue it was about, what it wants.

use std::sync::Arc;

use aftercall_core::{AgentId, CallId, Language, QueueId, TenantId};
use aftercall_store::{About, Channel, Session, SessionId};

use super::plan::{Chosen, Facts, Plan, plan};
use crate::clock::Clock;
use crate::config::{Config, Seen};
use crate::signalling::{InviteRequest, Standing};
use crate::surveys::Surveys;

/// A call as it came in: the request, and what was read out of it.
pub(super) struct Incoming<'r> {
    request: &'r InviteRequest,
    facts: Facts,
    peer: TenantId,
}

/// Reads an INVITE. Identity headers count only from peers (trust.md): a stranger's call has its
/// SIP Call-ID and the user it called, nothing more.
pub(super) fn read<'r>(request: &'r InviteRequest, config: &Config, clock: &Clock) -> Incoming<'r> {
    let peer = match request.standing {
        Standing::Peer(place) => config.sip.peers.get(place).map(|peer| peer.tenant.clone()),
        Standing::Stranger => None,
    };
    let trusted = matches!(request.standing, Standing::Peer(_));
    let header = |names: &[String]| {
        let values = names.iter().filter_map(|name| request.header(name));
        values.map(str::trim).find(|value| trusted && !value.is_empty())
    };
    let names = &config.sip.headers;
    let clean = |value: &str| config.ids_clean.clean(value).map(str::to_owned);
    let call = header(&names.call)
        .and_then(|value| CallId::new(value).ok())
        .or_else(|| CallId::new(request.sip_call_id.as_str()).ok())
        .or_else(|| CallId::new(uuid(clock)).ok());
    let facts = Facts {
        call: call.unwrap_or_else(|| unreachable!("a UUID is an id")),
        agent: header(&names.agent).and_then(clean).and_then(|id| AgentId::new(id).ok()),
        queue: header(&names.queue).and_then(clean).and_then(|id| QueueId::new(id).ok()),
        skill: None,
        survey: header(&names.survey).map(str::to_owned),
        language: header(&names.language).and_then(|tag| Language::new(tag).ok()),
        called: user(&request.request_uri).map(str::to_owned),
        unwanted: trusted
            && request.header("X-CSAT").is_some_and(|value| value.trim().eq_ignore_ascii_case("no")),
    };
    Incoming { request, facts, peer: peer.unwrap_or_default() }
}

impl Incoming<'_> {
    /// The survey this call gets, or why it gets none. Nothing when no survey exists at all.
    pub(super) fn plan(&self, config: &Config, surveys: &Surveys) -> Option<Plan> {
        let header = |name: &str| self.request.header(name);
        let called = user(&self.request.request_uri);
        let seen = Seen {
            to_user: user(&self.request.to),
            from_user: user(&self.request.from),
            request_user: called,
            called,
            header: &header,
        };
        plan(&self.facts, &seen, &self.peer, config, surveys)
    }

    /// The session to keep things under. A suppressed call has no survey.
    pub(super) fn session(&self, tenant: TenantId, chosen: Option<&Chosen>, clock: &Clock) -> Arc<Session> {
        let survey = chosen.map(|chosen| &chosen.survey);
        let about = About {
            agent: self.facts.agent.clone(),
            queue: self.facts.queue.clone(),
            survey: survey.map(|survey| survey.name().clone()),
            survey_version: survey.map(|survey| survey.version()),
            channel: Channel::new(super::CHANNEL).ok(),
            language: chosen.map(|chosen| chosen.survey.spoken(chosen.language.as_ref()).clone()),
        };
        let id = SessionId::new(uuid(clock)).unwrap_or_else(|_| unreachable!("a UUID is a session's id"));
        Arc::new(Session { tenant, call: self.facts.call.clone(), id, about })
    }
}

/// A UUIDv7 of this moment (RFC 9562, 5.7).
fn uuid(clock: &Clock) -> String {
    let now = clock.now();
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)).to_string()
}

fn user(address: &str) -> Option<&str> {
    let (_, after) = address.split_once("sip:")?;
    let (user, _) = after.split_once('@')?;
    Some(user)
}
