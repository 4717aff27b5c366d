//! What every part of signalling shares: the transaction layer underneath, the gate, the counts, the live calls.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rsipstack::EndpointBuilder;
use rsipstack::transaction::endpoint::{EndpointInnerRef, EndpointOption};
use rsipstack::transport::TransportLayer;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::calls::Report;
use super::counters::Counters;
use super::flow::{Connections, UdpEndpoint};
use super::gate::Gate;
use super::message::{DialogKey, random};
use super::{Bounds, CallKey, Clock, Count, SignallingConfig, Timers};

/// Transactions beyond those of the calls themselves: those that linger, repeated and unanswered, for 64*T1.
const LINGERING_MAX: usize = 4096;

/// Transactions a call may have at once, lingering ones included: INVITE, re-INVITEs, BYE, some INFOs.
const TRANSACTIONS_PER_CALL: usize = 8;

/// Shared by all tasks of one signalling.
pub(super) struct Stack {
    pub(super) endpoint: EndpointInnerRef,
    pub(super) gate: Gate,
    pub(super) counters: Counters,
    pub(super) bounds: Bounds,
    pub(super) timers: Timers,
    pub(super) external_ip: Option<IpAddr>,
    pub(super) sockets: Vec<UdpEndpoint>,
    /// Where we listen for TCP: the port that Contact names on TCP flows.
    pub(super) tcp_listens: Vec<SocketAddr>,
    pub(super) connections: Connections,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) stopped: CancellationToken,
    pub(super) next_call: AtomicU64,
    clock: Clock,
    tags: RandomState,
    live: Mutex<Live>,
    /// Seconds of Retry-After for every new call; 0 while calls are taken.
    closed_for_s: AtomicU32,
}

/// An INVITE's identity whatever way it came (RFC 3261, section 8.2.2.2): Call-ID, From tag, CSeq.
pub(super) type InviteId = (String, String, u32);

/// Why a call may not begin.
pub(super) enum NoCall {
    /// It is already here, by another way (482).
    Merged,
    /// There is no room (503).
    Full,
}

#[derive(Default)]
struct Live {
    calls: usize,
    invites: HashSet<InviteId>,
    dialogs: HashMap<DialogKey, CallKey>,
}

impl Stack {
    pub(super) fn new(
        config: SignallingConfig,
        sockets: Vec<UdpEndpoint>,
        tcp_listens: Vec<SocketAddr>,
        reports: mpsc::Sender<Report>,
        stopped: CancellationToken,
    ) -> Self {
        let timers = config.timers;
        let option = EndpointOption {
            t1: timers.t1,
            t2: timers.t2,
            t4: timers.t4,
            t1x64: timers.t1 * 64,
            timerc: config.bounds.answer_within.max(Duration::from_secs(180)),
            // The stack's own ACK follows the peer's Contact through its own resolver; ours goes the call's way.
            auto_ack_2xx: false,
            ..EndpointOption::default()
        };
        let endpoint = EndpointBuilder::new()
            .with_user_agent(&config.user_agent)
            .with_option(option)
            .with_transport_layer(TransportLayer::new(stopped.child_token()))
            .build();
        let connections =
            Connections::new(config.bounds.tcp_connections_max, config.bounds.tcp_connections_per_source_max);
        Self {
            endpoint: endpoint.inner.clone(),
            gate: Gate::new(config.peers, config.bounds.calls_per_second_per_source, random(32)),
            counters: Counters::default(),
            bounds: config.bounds,
            timers,
            external_ip: config.external_ip,
            sockets,
            tcp_listens,
            connections,
            reports,
            stopped,
            next_call: AtomicU64::new(1),
            clock: config.clock,
            tags: RandomState::new(),
            live: Mutex::default(),
            closed_for_s: AtomicU32::new(0),
        }
    }

    pub(super) fn now(&self) -> Duration {
        (self.clock)()
    }

    pub(super) fn count(&self, count: Count) {
        self.counters.add(count);
    }

    pub(super) fn new_call(&self) -> CallKey {
        CallKey(self.next_call.fetch_add(1, Ordering::Relaxed))
    }

    /// The same tag for the same message, and unguessable: what RFC 3261, section 8.2.7 asks of answers that leave no
    /// memory behind.
    pub(super) fn forgetful_tag(&self, of: &str) -> String {
        format!("{:016x}", self.tags.hash_one(of))
    }

    /// Whether the transaction layer has room. One lingering transaction holds its last message, about 2 KiB: with
    /// 1000 calls at most 12,096 of them, 24 MiB.
    pub(super) fn has_room_for_transactions(&self) -> bool {
        let stats = self.endpoint.get_stats();
        let max = self.bounds.calls_max * TRANSACTIONS_PER_CALL + LINGERING_MAX;
        stats.running_transactions + stats.finished_transactions < max
    }

    /// Transactions running or lingering.
    pub(super) fn transactions(&self) -> usize {
        let stats = self.endpoint.get_stats();
        stats.running_transactions + stats.finished_transactions
    }

    /// Seconds after which a new call may be tried again, if none is taken now.
    pub(super) fn closed_for_s(&self) -> Option<u32> {
        Some(self.closed_for_s.load(Ordering::Relaxed)).filter(|s| *s > 0)
    }

    pub(super) fn close_for(&self, seconds: Option<NonZeroU32>) {
        self.closed_for_s.store(seconds.map_or(0, NonZeroU32::get), Ordering::Relaxed);
    }

    /// Makes room for a call that comes in; [`Stack::end_call`] gives it back.
    pub(super) fn begin_incoming(&self, invite: &InviteId) -> Result<(), NoCall> {
        let mut live = self.live();
        if live.invites.contains(invite) {
            return Err(NoCall::Merged);
        }
        if live.calls >= self.bounds.calls_max {
            return Err(NoCall::Full);
        }
        live.calls += 1;
        live.invites.insert(invite.clone());
        Ok(())
    }

    /// Makes room for a call that goes out.
    pub(super) fn begin_outgoing(&self) -> bool {
        let mut live = self.live();
        let room = live.calls < self.bounds.calls_max;
        live.calls += usize::from(room);
        room
    }

    pub(super) fn begin_dialog(&self, dialog: DialogKey, call: CallKey) {
        self.live().dialogs.insert(dialog, call);
    }

    /// Gives back what a call held.
    pub(super) fn end_call(&self, invite: Option<&InviteId>, dialog: Option<&DialogKey>) {
        let mut live = self.live();
        live.calls = live.calls.saturating_sub(1);
        if let Some(invite) = invite {
            live.invites.remove(invite);
        }
        if let Some(dialog) = dialog {
            live.dialogs.remove(dialog);
        }
    }

    pub(super) fn call_of(&self, dialog: &DialogKey) -> Option<CallKey> {
        self.live().dialogs.get(dialog).copied()
    }

    pub(super) fn calls_live(&self) -> usize {
        self.live().calls
    }

    pub(super) fn dialogs_live(&self) -> usize {
        self.live().dialogs.len()
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // Each holder leaves it whole at every step, so a panic elsewhere spoils nothing.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
