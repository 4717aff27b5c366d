//! Tasks that see one transaction through. What they hear they report to the calls.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Header, Method, Request, Response, SipMessage};
use rsipstack::transaction::TransactionState;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::calls::Report;
use super::dialog::Hop;
use super::flow::{Flow, stack_address};
use super::intake::Intake;
use super::message::{self, make, our_via, whole_values};
use super::{CallKey, Credentials, Target, Transport, digest, sockets};

/// How long a name may take to resolve.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

/// Times a request is sent with credentials: once for the challenge, once more if the nonce was old by then.
const PROOFS_MAX: usize = 2;

/// What is left of an INVITE's life once it has its final answer, in T1: 64 for the ACK to come, as many again for
/// what still arrives after it, and some for the pauses between.
const AFTER_ANSWER_T1: u32 = 64 * 2 + 16;

/// Sees an INVITE of a peer through: until its ACK, or until 64*T1 have passed without one.
pub(super) async fn server_invite(
    transaction: Transaction,
    call: CallKey,
    seq: u32,
    flow: Flow,
    intake: Arc<Intake>,
) {
    let stack = &intake.stack;
    // An answer that the system refuses to send would leave the transaction waiting for ever.
    let life = stack.bounds.answer_within + stack.timers.t1 * AFTER_ANSWER_T1;
    let acked = timeout(life, until_acked(transaction, call, seq, &flow, &intake)).await;
    if !acked.unwrap_or(false) {
        stack.reports.send(Report::NeverAcked { call, seq }).await.unwrap_or_default();
    }
}

async fn until_acked(
    mut transaction: Transaction,
    call: CallKey,
    seq: u32,
    flow: &Flow,
    intake: &Arc<Intake>,
) -> bool {
    let mut acked = false;
    loop {
        let unanswered = matches!(transaction.state, TransactionState::Trying | TransactionState::Proceeding);
        let heard = tokio::select! {
            heard = transaction.receive() => heard,
            // No answer can be sent any more; one that was sent may still be acknowledged over another connection.
            () = flow.gone.cancelled(), if unanswered => return false,
        };
        let report = match heard {
            Some(SipMessage::Request(request)) if request.method == Method::Cancel => {
                Report::Cancelled { call, seq }
            }
            Some(SipMessage::Request(request)) if request.method == Method::Ack => {
                acked = true;
                Report::Acked { call, ack: Box::new(request) }
            }
            Some(_) => continue,
            None => return acked,
        };
        intake.stack.reports.send(report).await.unwrap_or_default();
    }
}

/// Reminds the calls of an INVITE that nobody answers.
pub(super) async fn remind(call: CallKey, seq: u32, intake: Arc<Intake>) {
    tokio::time::sleep(intake.stack.bounds.answer_within).await;
    intake.stack.reports.send(Report::Unanswered { call, seq }).await.unwrap_or_default();
}

/// A request of ours on its way: what it says, and to whom.
pub(super) struct Errand {
    pub(super) request: Request,
    pub(super) hop: Hop,
    pub(super) credentials: Option<Credentials>,
}

impl Errand {
    /// Sends it, with credentials if asked for them, and waits for the final response; `None`: nobody can be reached,
    /// or the connection is lost.
    pub(super) async fn run(self, intake: &Arc<Intake>) -> Option<Response> {
        let flow = reach(&self.hop, intake).await?;
        let mut request = self.request;
        for proofs in 0..=PROOFS_MAX {
            let mut transaction = begin(&request, &flow, intake).await?;
            let mut response = next_response(&mut transaction, &flow).await?;
            while response.status_code.code() < 200 {
                response = next_response(&mut transaction, &flow).await?;
            }
            match proved(&request, &response, self.credentials.as_ref(), proofs) {
                Some(again) => request = again,
                None => return Some(response),
            }
        }
        None
    }
}

/// Sends an ACK, which has no answer.
pub(super) async fn ack(request: Request, hop: Hop, intake: Arc<Intake>) {
    if let Some(flow) = reach(&hop, &intake).await {
        let mut request = request;
        request.headers.push_front(our_via(flow.transport, flow.local(intake.stack.external_ip)));
        flow.send(request.into()).await;
    }
}

/// Starts a client transaction.
pub(super) async fn begin(request: &Request, flow: &Flow, intake: &Arc<Intake>) -> Option<Transaction> {
    let mut request = request.clone();
    request.headers.push_front(our_via(flow.transport, flow.local(intake.stack.external_ip)));
    begin_with_via(request, flow, intake).await
}

/// Starts a client transaction for a request that has its Via: a CANCEL has its INVITE's.
pub(super) async fn begin_with_via(
    request: Request,
    flow: &Flow,
    intake: &Arc<Intake>,
) -> Option<Transaction> {
    let key = TransactionKey::from_request(&request, TransactionRole::Client).ok()?;
    let connection = Some(flow.connection.clone());
    let mut transaction = Transaction::new_client(key, request, intake.stack.endpoint.clone(), connection);
    transaction.destination = Some(stack_address(flow.transport, flow.remote));
    transaction.send().await.ok()?;
    Some(transaction)
}

/// Waits for the next response; `None`: there will be none.
pub(super) async fn next_response(transaction: &mut Transaction, flow: &Flow) -> Option<Response> {
    loop {
        let heard = tokio::select! {
            heard = transaction.receive() => heard,
            // The stack would wait 64*T1 for an answer that cannot come.
            () = flow.gone.cancelled() => return None,
        };
        match heard {
            Some(SipMessage::Response(response)) => return Some(response),
            Some(SipMessage::Request(_)) => {}
            None => return None,
        }
    }
}

/// The same request with credentials, if that is what the response asks for and it can still help.
pub(super) fn proved(
    request: &Request,
    response: &Response,
    credentials: Option<&Credentials>,
    proofs: usize,
) -> Option<Request> {
    let (asks, answers) = match response.status_code.code() {
        401 => ("WWW-Authenticate", "Authorization"),
        407 => ("Proxy-Authenticate", "Proxy-Authorization"),
        _ => return None,
    };
    let challenges: Vec<_> = whole_values(&response.headers, asks).collect();
    if proofs >= PROOFS_MAX || proofs > 0 && !challenges.iter().any(|c| digest::is_stale(c)) {
        return None;
    }
    let (method, uri) = (request.method.to_string(), request.uri.to_string());
    let proof = digest::answer(&challenges, &method, &uri, credentials?, &message::random(16))?;
    let seq = message::cseq(&request.headers)?.checked_add(1)?;
    let mut again = request.clone();
    again.headers.retain(|h| !matches!(h, Header::CSeq(_)) && h.name() != answers);
    again.headers.push(make("CSeq", &format!("{seq} {method}")));
    again.headers.push(make(answers, &proof));
    Some(again)
}

/// The flow on which a request within a dialog goes: the connection it began on while that lives, else wherever the
/// first hop's URI leads, else (a name nobody knows, an address behind NAT) back where the dialog began.
async fn reach(hop: &Hop, intake: &Arc<Intake>) -> Option<Flow> {
    let begun = &hop.flow;
    if begun.transport == Transport::Tcp && !begun.gone.is_cancelled() {
        return Some(begun.clone());
    }
    let to: Option<Target> = hop.uri.parse().ok();
    let transport = to.as_ref().and_then(Target::transport).unwrap_or(begun.transport);
    let address = match &to {
        Some(target) => resolve(target, begun.remote.is_ipv4()).await,
        None => None,
    };
    flow_to(beyond_nat(address, begun.remote), transport, intake).await
}

/// Where to send what is meant for `named` to a peer whose messages come from `source`.
fn beyond_nat(named: Option<SocketAddr>, source: SocketAddr) -> SocketAddr {
    named.filter(|a| is_global(a.ip()) || !is_global(source.ip())).unwrap_or(source)
}

/// The flow to an address.
pub(super) async fn flow_to(address: SocketAddr, transport: Transport, intake: &Arc<Intake>) -> Option<Flow> {
    match transport {
        Transport::Udp => {
            let family = |e: &&super::flow::UdpEndpoint| e.local().is_ipv4() == address.is_ipv4();
            intake.stack.sockets.iter().find(family).map(|endpoint| endpoint.flow(address))
        }
        Transport::Tcp => sockets::connect(address, intake).await.ok(),
    }
}

/// The address of a target; of a name's addresses one of the wanted family, if it has any.
pub(super) async fn resolve(target: &Target, prefer_ipv4: bool) -> Option<SocketAddr> {
    let port = target.port().unwrap_or(5060);
    if let Some(ip) = target.ip() {
        return Some(SocketAddr::new(ip, port));
    }
    let found = timeout(RESOLVE_WITHIN, lookup_host((target.host(), port))).await.ok()?.ok()?;
    let found: Vec<_> = found.collect();
    found.iter().find(|a| a.is_ipv4() == prefer_ipv4).or(found.first()).copied()
}

/// Whether an address means the same to everyone; a private one told by a peer with a global one is behind NAT.
fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()),
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_from_behind_nat_is_not_believed() {
        for (named, source, sent_to) in [
            (Some("192.168.1.5:5060"), "203.0.113.7:1024", "203.0.113.7:1024"),
            (Some("[fd00::5]:5060"), "[2001:db8::7]:1024", "[2001:db8::7]:1024"),
            (Some("192.168.1.5:5060"), "10.0.0.1:1024", "192.168.1.5:5060"),
            (Some("198.51.100.5:5080"), "203.0.113.7:1024", "198.51.100.5:5080"),
            (Some("127.0.0.1:5080"), "127.0.0.1:1024", "127.0.0.1:5080"),
            (None, "203.0.113.7:1024", "203.0.113.7:1024"),
        ] {
            let named = named.map(|n| n.parse().unwrap());
            assert_eq!(beyond_nat(named, source.parse().unwrap()), sent_to.parse().unwrap(), "{named:?}");
        }
    }
}
