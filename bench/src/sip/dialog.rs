//! One call's signalling as the caller sees it: what was sent, what is waited for, what comes next.
//!
//! Pure: messages and time in, messages and news out. Requests within the call go to the server's Contact, but to
//! the address the INVITE went to: there is no proxy in a benchmark.

use std::net::SocketAddr;
use std::time::Duration;

use super::message::{Message, Name, Start};
use super::retry::{Due, Retry};

/// Who calls whom about what.
#[derive(Debug, Clone)]
pub struct Parties {
    /// The Request-URI, `sip:csat-survey@127.0.0.1:5060`.
    pub target: String,
    /// Where the caller hears SIP.
    pub local: SocketAddr,
    /// Unique among all calls ever made: Call-ID, tag, branches and `X-Call-Id` are made from it.
    pub name: String,
    /// `X-Agent-Id`.
    pub agent: String,
    /// `X-Queue-Id`.
    pub queue: String,
}

/// What happened to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It was answered with this SDP, and the ACK is among what is to be sent.
    Answered {
        /// As it was received.
        sdp: String,
    },
    /// The INVITE got this final response.
    Refused(u16),
    /// The other side hung up.
    PeerHungUp,
    /// We hung up, and the other side knows.
    Left,
    /// Nobody answered the INVITE, or not in time.
    NoAnswer,
    /// The other side did not answer our BYE, or refused it.
    ByeFailed,
    /// The other side asked something that a survey call has no use for.
    Unexpected,
}

/// What is to be sent, in order, and what happened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Messages for the other side.
    pub send: Vec<String>,
    /// At most one thing happens at a time.
    pub news: Option<News>,
}

/// The signalling of one call.
#[derive(Debug)]
pub struct Dialog {
    parties: Parties,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was heard yet. `leaving`: to be cancelled as soon as that is allowed (RFC 3261, 9.1).
    Calling { invite: String, retry: Retry, leaving: bool },
    /// It is being worked on: nothing is sent again.
    Ringing,
    /// Cancelled, and waiting for the INVITE's final response.
    Cancelling { cancel: String, retry: Retry },
    /// In a call.
    Up { ack: String, bye: String },
    /// We hang up.
    Leaving { ack: String, bye: String, retry: Retry },
    /// Done; a final response that is repeated gets its ACK again.
    Over { ack: Option<String> },
}

impl Dialog {
    /// Calls: the INVITE with this offer is to be sent `now`.
    #[must_use]
    pub fn call(parties: Parties, offer: &str, now: Duration) -> (Self, String) {
        let invite = parties.invite(offer);
        let state = State::Calling { invite: invite.clone(), retry: Retry::of_invite(now), leaving: false };
        (Self { parties, state }, invite)
    }

    /// Hears a message whose Call-ID is this call's.
    pub fn hear(&mut self, message: &Message<'_>, now: Duration) -> Step {
        match message.start {
            Start::Request { method } => self.asked(method, message),
            Start::Response { status } => match message.cseq() {
                Some((_, "INVITE")) => self.invite_answered(status, message, now),
                Some((_, "BYE")) => self.bye_answered(status),
                // That a CANCEL arrived says nothing: the INVITE's response follows.
                _ => Step::default(),
            },
        }
    }

    /// Looks at the timers. Whatever it sends is sent again.
    pub fn tick(&mut self, now: Duration) -> Step {
        let (retry, message, given_up) = match &mut self.state {
            State::Calling { invite, retry, .. } => (retry, invite, News::NoAnswer),
            State::Cancelling { cancel, retry } => (retry, cancel, News::NoAnswer),
            State::Leaving { bye, retry, .. } => (retry, bye, News::ByeFailed),
            State::Ringing | State::Up { .. } | State::Over { .. } => return Step::default(),
        };
        match retry.due(now) {
            Due::Nothing => Step::default(),
            Due::Again => Step::send(message.clone()),
            Due::GiveUp => {
                self.state = State::Over { ack: None };
                Step::news(given_up)
            }
        }
    }

    /// Hangs up, or gives up calling. News of it follow.
    pub fn hang_up(&mut self, now: Duration) -> Step {
        match &mut self.state {
            State::Calling { leaving, .. } => {
                *leaving = true;
                Step::default()
            }
            State::Ringing => self.cancel(now),
            State::Up { ack, bye } => {
                let (ack, bye) = (std::mem::take(ack), std::mem::take(bye));
                let step = Step::send(bye.clone());
                self.state = State::Leaving { ack, bye, retry: Retry::of_others(now) };
                step
            }
            State::Cancelling { .. } | State::Leaving { .. } | State::Over { .. } => Step::default(),
        }
    }

    fn cancel(&mut self, now: Duration) -> Step {
        let cancel = self.parties.cancel();
        self.state = State::Cancelling { cancel: cancel.clone(), retry: Retry::of_others(now) };
        Step::send(cancel)
    }

    fn asked(&mut self, method: &str, request: &Message<'_>) -> Step {
        match (method, &self.state) {
            ("ACK", _) => Step::default(),
            ("BYE", State::Up { ack, .. }) => {
                self.state = State::Over { ack: Some(ack.clone()) };
                Step { send: vec![request.answer("200 OK")], news: Some(News::PeerHungUp) }
            }
            // Both hang up at once: theirs is answered, ours will be.
            ("BYE", State::Leaving { .. } | State::Over { .. }) => Step::send(request.answer("200 OK")),
            ("BYE", _) => Step::send(request.answer("481 Call/Transaction Does Not Exist")),
            _ => Step { send: vec![request.answer("501 Not Implemented")], news: Some(News::Unexpected) },
        }
    }

    fn invite_answered(&mut self, status: u16, response: &Message<'_>, now: Duration) -> Step {
        match status {
            100..200 => match self.state {
                State::Calling { leaving: true, .. } => self.cancel(now),
                State::Calling { leaving: false, .. } => {
                    self.state = State::Ringing;
                    Step::default()
                }
                _ => Step::default(),
            },
            200..300 => self.accepted(response, now),
            _ => self.refused(status, response),
        }
    }

    fn accepted(&mut self, response: &Message<'_>, now: Duration) -> Step {
        match &self.state {
            State::Calling { leaving: false, .. } | State::Ringing => {
                let (ack, bye) = self.parties.within(response);
                self.state = State::Up { ack: ack.clone(), bye };
                Step { send: vec![ack], news: Some(News::Answered { sdp: response.body.to_owned() }) }
            }
            // It crossed our giving up: the call is there, so it is acknowledged and ended (RFC 3261, 15).
            State::Calling { leaving: true, .. } | State::Cancelling { .. } => {
                let (ack, bye) = self.parties.within(response);
                let step = Step { send: vec![ack.clone(), bye.clone()], news: None };
                self.state = State::Leaving { ack, bye, retry: Retry::of_others(now) };
                step
            }
            State::Up { ack, .. } | State::Leaving { ack, .. } | State::Over { ack: Some(ack) } => {
                Step::send(ack.clone())
            }
            State::Over { ack: None } => Step::default(),
        }
    }

    fn refused(&mut self, status: u16, response: &Message<'_>) -> Step {
        let news = match &self.state {
            State::Calling { .. } | State::Ringing => News::Refused(status),
            State::Cancelling { .. } => News::NoAnswer,
            State::Over { ack: Some(ack) } => return Step::send(ack.clone()),
            State::Up { .. } | State::Leaving { .. } | State::Over { ack: None } => return Step::default(),
        };
        let ack = self.parties.ack_of_refusal(response);
        self.state = State::Over { ack: Some(ack.clone()) };
        Step { send: vec![ack], news: Some(news) }
    }

    fn bye_answered(&mut self, status: u16) -> Step {
        let State::Leaving { ack, .. } = &self.state else { return Step::default() };
        if status < 200 {
            return Step::default();
        }
        self.state = State::Over { ack: Some(ack.clone()) };
        // 481: the two BYEs crossed, and the call is as over as it can be.
        Step::news(if status < 300 || status == 481 { News::Left } else { News::ByeFailed })
    }
}

impl Step {
    fn send(message: String) -> Self {
        Self { send: vec![message], news: None }
    }

    fn news(news: News) -> Self {
        Self { send: Vec::new(), news: Some(news) }
    }
}

impl Parties {
    fn invite(&self, offer: &str) -> String {
        let Self { name, agent, queue, local, .. } = self;
        let extra = format!(
            "Contact: <sip:bench@{local}>\r\nAllow: INVITE, ACK, CANCEL, BYE\r\nUser-Agent: aftercall-bench\r\n\
             X-Call-Id: {name}\r\nX-Agent-Id: {agent}\r\nX-Queue-Id: {queue}\r\nContent-Type: application/sdp\r\n"
        );
        self.request(Request { method: "INVITE", extra: &extra, body: offer, ..self.plain() })
    }

    /// The INVITE's branch and nothing more (RFC 3261, 9.1).
    fn cancel(&self) -> String {
        self.request(Request { method: "CANCEL", ..self.plain() })
    }

    /// The ACK of a final response that is no 2xx: part of the INVITE's transaction (RFC 3261, 17.1.1.3).
    fn ack_of_refusal(&self, response: &Message<'_>) -> String {
        let to = response.header(Name::To).unwrap_or_default();
        self.request(Request { method: "ACK", to, ..self.plain() })
    }

    /// The ACK and the BYE of the call that this 2xx begins: transactions of their own (RFC 3261, 13.2.2.4).
    fn within(&self, response: &Message<'_>) -> (String, String) {
        let uri = response.contact().unwrap_or(&self.target);
        let to = response.header(Name::To).unwrap_or_default();
        let plain = Request { uri, to, ..self.plain() };
        let ack = self.request(Request { method: "ACK", branch: "a", ..plain });
        let bye = self.request(Request { method: "BYE", branch: "b", cseq: 2, ..plain });
        (ack, bye)
    }

    fn plain(&self) -> Request<'_> {
        Request { method: "", uri: &self.target, to: "", cseq: 1, branch: "i", extra: "", body: "" }
    }

    fn request(&self, request: Request<'_>) -> String {
        let Self { local, name, target, .. } = self;
        let Request { method, uri, to, cseq, branch, extra, body } = request;
        let to = if to.is_empty() { format!("<{target}>") } else { to.to_owned() };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{branch}-{name};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bench@{local}>;tag={name}\r\nTo: {to}\r\nCall-ID: {name}\r\n\
             CSeq: {cseq} {method}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

/// What differs between our requests.
#[derive(Clone, Copy)]
struct Request<'a> {
    method: &'a str,
    uri: &'a str,
    /// `To` as the other side wrote it, tag and all; empty before it did.
    to: &'a str,
    cseq: u32,
    branch: &'a str,
    extra: &'a str,
    body: &'a str,
}

#[cfg(test)]
mod tests;
