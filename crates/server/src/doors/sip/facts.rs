//! What a call says of itself: whose it is, which agent and queue it was about, what it wants.

use std::sync::Arc;

use crate::writer::words::{About, Channel, Session, SessionId};
use aftercall_core::{AgentId, CallId, IdFault, Language, QueueId, TenantId};
use aftercall_wire::headers::{NameAddr, Uri};
use aftercall_wire::identity::{self, CallFacts};

use super::plan::{Chosen, Facts, Plan, plan};
use crate::clock::Clock;
use crate::config::{Config, Seen};
use crate::signalling::{InviteRequest, Standing};
use crate::surveys::Surveys;
use crate::unusual::{Source, Unusual};

/// A call as it came in: the request, and what was read out of it.
pub(super) struct Incoming<'r> {
    request: &'r InviteRequest,
    facts: Facts,
    peer: TenantId,
    /// Who calls, unless they asked not to be named.
    caller: Option<String>,
}

/// Reads an INVITE. Identity headers count only from peers (trust.md): a stranger's call has its
/// SIP Call-ID and the user it called, nothing more.
pub(super) fn read<'r>(request: &'r InviteRequest, config: &Config, clock: &Clock) -> Incoming<'r> {
    let (peer, said) = match request.standing {
        Standing::Peer(place) => {
            let tenant = config.sip.peers.get(place).map(|peer| peer.tenant.clone());
            (tenant.unwrap_or_default(), said(request, config))
        }
        Standing::Stranger => (TenantId::default(), CallFacts::default()),
    };
    let clean = |id: String| config.ids_clean.clean(&id).map(str::to_owned);
    let agent = said.agent.and_then(clean).map(AgentId::new);
    let queue = said.queue.and_then(clean).map(QueueId::new);
    let given = [said.call_ref, Some(request.sip_call_id.clone()), Some(uuid(clock))];
    let call = given.into_iter().flatten().find_map(|id| kept("call", CallId::new(id)));
    let called = Uri::parse(&request.request_uri).ok().and_then(|uri| uri.called().map(str::to_owned));
    let facts = Facts {
        call: call.unwrap_or_else(|| unreachable!("a UUID is an id")),
        agent: agent.and_then(|id| kept("agent", id)),
        queue: queue.and_then(|id| kept("queue", id)),
        skill: said.skill,
        survey: said.survey,
        languages: said.languages.iter().filter_map(|tag| Language::new(tag).ok()).collect(),
        first_called: said.diverted_from.or_else(|| called.clone()),
        called,
        unwanted: said.suppressed,
    };
    let caller = said.caller.filter(|_| !said.private);
    Incoming { request, facts, peer, caller }
}

/// An id, if it is one that can be kept. Otherwise the rating goes to nobody, which somebody should know.
fn kept<T>(whose: &str, id: Result<T, IdFault>) -> Option<T> {
    id.inspect_err(|fault| tracing::warn!(whose, %fault, "an id that a call came with is left out")).ok()
}

fn said(request: &InviteRequest, config: &Config) -> CallFacts {
    identity::call_facts(&config.sip.headers, &request.request_uri, &request.pairs())
}

impl Incoming<'_> {
    /// The survey this call gets, or why it gets none. Nothing when no survey exists at all.
    pub(super) fn plan(&self, config: &Config, surveys: &Surveys) -> Option<Plan> {
        let header = |name: &str| self.request.header(name);
        let user = |address: &str| {
            NameAddr::parse(address).ok().and_then(|address| Some(address.uri.called()?.to_owned()))
        };
        let (to, from) = (user(&self.request.to), user(&self.request.from));
        let seen = Seen {
            to_user: to.as_deref(),
            from_user: from.as_deref(),
            request_user: self.facts.called.as_deref(),
            called: self.facts.first_called.as_deref(),
            header: &header,
        };
        // A stranger's word is none.
        let said = |name: &str| match self.request.standing {
            Standing::Peer(_) => identity::variable(name, &self.request.request_uri, &self.request.pairs()),
            Standing::Stranger => None,
        };
        plan(&self.facts, &seen, &said, &self.peer, config, surveys)
    }

    /// Who calls, as far as that is to be known.
    pub(super) fn caller(&self, unusual: &Unusual) -> Option<Source> {
        self.caller.as_ref().map(|caller| unusual.source(caller))
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
