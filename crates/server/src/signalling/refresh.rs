//! Keeps a session alive, or lets it go (RFC 4028): the timers that [`session_timer`](super::session_timer) agreed on.

use std::time::Duration;

use aftercall_wire::sip::{Headers, Method, Request, Response};

use super::alarms::Alarm;
use super::body::sdp_in;
use super::calls::{Call, Calls, Change, Stage};
use super::errand::{Errand, Outcome, Then};
use super::reply::{ALLOW, SUPPORTED};
use super::session_timer::{self, Refresher, SessionTimer};
use super::{CallKey, Ending, Event, message};

/// After our refresh crossed a change of the peer's we wait so long, if the Call-ID is ours, and up to twice as long
/// (RFC 3261, section 14.1: 2.1 to 4 s); else half of a second up to one (0 to 2 s).
const OWNER_WAITS: Duration = Duration::from_millis(2100);
const OTHER_WAITS: Duration = Duration::from_millis(500);

impl Calls {
    /// Counts a session's time from now.
    pub(super) fn watch_session(&mut self, call: CallKey) {
        self.alarms.clear(call, Alarm::Refresh);
        self.alarms.clear(call, Alarm::Expired);
        let Some(timer) = self.calls.get(&call).and_then(|c| c.timer) else { return };
        if let Some(after) = timer.refresh_after() {
            self.alarms.set(call, Alarm::Refresh, self.now + after);
        }
        self.alarms.set(call, Alarm::Expired, self.now + timer.expires_after());
    }

    /// Half of the session's time is over, and it is on us to go on: by UPDATE, which changes nothing else, or to a peer
    /// that does not take it by a re-INVITE that says what was said before.
    pub(super) fn refresh(&mut self, call: CallKey) {
        let Some(Call { stage: Stage::Up { dialog, change, .. }, timer: Some(timer), local_sdp, .. }) =
            self.calls.get_mut(&call)
        else {
            return;
        };
        let mut more = Headers::new();
        more.push("Session-Expires", &timer.as_request());
        more.push("Supported", &SUPPORTED.join(", "));
        more.push("Allow", ALLOW);
        if dialog.takes_update {
            return self.send_within(call, Method::Update, more, Vec::new(), Then::Refresh(call));
        }
        if change.is_some() {
            // The peer's own change, when it is accepted, is as good.
            let again = self.now + message::random_pause(OTHER_WAITS);
            return self.alarms.set(call, Alarm::Refresh, again);
        }
        let Some(sdp) = local_sdp.clone() else { return };
        *change = Some(Change::Ours);
        more.push("Content-Type", "application/sdp");
        self.send_within(call, Method::Invite, more, sdp, Then::Refresh(call));
    }

    /// The peer has answered our refresh, or has not.
    pub(super) fn refreshed(&mut self, call: CallKey, request: &Request, outcome: Outcome<'_>) {
        let accepted = outcome.status() < 300;
        if request.method == Method::Invite {
            if let Some(Call { stage: Stage::Up { change, .. }, .. }) = self.calls.get_mut(&call) {
                change.take_if(|change| matches!(change, Change::Ours));
            }
            // Acknowledged also if the call has ended meanwhile for us: it has not for the peer.
            if let (true, Outcome::Answered(response)) = (accepted, outcome) {
                self.acknowledge(call, message::cseq(&response.headers).unwrap_or_default());
            }
        }
        let Some(Call { stage: Stage::Up { .. }, .. }) = self.calls.get(&call) else { return };
        match outcome {
            Outcome::Answered(response) if accepted => self.session_goes_on(call, response),
            Outcome::Answered(response) if response.status == 422 => {
                self.session_must_be_longer(call, response)
            }
            Outcome::Answered(response) if response.status == 491 => {
                let ours = self.calls.get(&call).is_some_and(|c| c.invite.is_none());
                let pause = message::random_pause(if ours { OWNER_WAITS } else { OTHER_WAITS });
                self.alarms.set(call, Alarm::Refresh, self.now + pause);
            }
            // It has no such call, or nobody is there: neither is this one worth keeping (section 10).
            _ if matches!(outcome.status(), 408 | 481) => self.hang_up(call, Ending::Expired),
            // Something is in the way, or it does not want to: the time runs on.
            Outcome::Answered(_) | Outcome::TimedOut | Outcome::Lost => {}
        }
    }

    fn session_goes_on(&mut self, call: CallKey, response: &Response) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        entry.timer = session_timer::agreed(&response.headers).or(entry.timer);
        if let Some(dialog) = entry.dialog_mut() {
            dialog.retarget(&response.headers);
        }
        self.watch_session(call);
        if let Some(sdp) = sdp_in(&response.headers, &response.body) {
            self.tell(Event::Refreshed { call, sdp });
        }
    }

    fn session_must_be_longer(&mut self, call: CallKey, response: &Response) {
        let Some(interval) = session_timer::demanded(&response.headers) else { return };
        if let Some(entry) = self.calls.get_mut(&call)
            && entry.timer.is_none_or(|timer| timer.interval < interval)
        {
            entry.timer = Some(SessionTimer { interval, refresher: Refresher::Us });
            self.refresh(call);
        }
    }

    /// The call is over. A re-INVITE of ours that the peer is working on would wait for its answer for ever.
    pub(super) fn forget_refresh(&mut self, call: CallKey) {
        let is_its =
            |errand: &Errand| errand.then == Then::Refresh(call) && errand.request.method == Method::Invite;
        let pending: Vec<_> =
            self.errands.iter().filter(|(_, (errand, _))| is_its(errand)).map(|(id, _)| *id).collect();
        for id in pending {
            self.layer.forget(id);
            self.errands.remove(&id);
        }
    }

    /// Nobody refreshed the session in time (RFC 4028, section 10).
    pub(super) fn session_expired(&mut self, call: CallKey) {
        // An INVITE that is not answered or not acknowledged has a limit of its own, and so has our BYE.
        if let Some(Call { stage: Stage::Up { .. }, .. }) = self.calls.get(&call) {
            self.hang_up(call, Ending::Expired);
        }
    }
}
