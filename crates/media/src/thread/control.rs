//! RTCP of a leg: taken when the leg has something to say itself, every five seconds. The kernel has stamped what
//! came meanwhile, so nothing is measured worse for having waited.

use aftercall_wire::rtcp::COMPOUND_BYTES_MAX;

use super::{Moment, Seated, Tools};
use crate::leg::ReportWay;
use crate::sys::Datagram;

impl Seated {
    /// Hears what came of RTCP and reports; with `goodbye` for the last time.
    pub(super) fn report(&mut self, moment: Moment, tools: &mut Tools, goodbye: bool) {
        let Some(port) = &self.port else { return };
        // One batch: eight reports in five seconds are more than a peer may send (RFC 3550, 6.2).
        if let Some(control) = port.control()
            && let Ok(count) = tools.inbox.take(control)
        {
            for index in 0..count {
                let Datagram { bytes: Some(bytes), from: Some(from), stamp } = tools.inbox.get(index) else {
                    continue;
                };
                self.leg.hear_report(bytes, from, moment.arrival(stamp));
            }
        }
        let mut compound = [0; COMPOUND_BYTES_MAX];
        let Some((length, way)) = self.leg.report(moment.tick, moment.now, goodbye, &mut compound) else {
            return;
        };
        let Some(packet) = self.leg.seal_report(&compound[..length]) else { return };
        // A report that cannot be sent is like one that is lost: another follows.
        let sent = match way {
            ReportWay::WithRtp(to) if self.connected == Some(to) => port.socket().send(&packet),
            ReportWay::WithRtp(to) => port.socket().send_to(&packet, to),
            ReportWay::Apart(to) => port.control().map_or(Ok(0), |control| control.send_to(&packet, to)),
        };
        tools.packets_out += u64::from(sent.is_ok_and(|bytes| bytes > 0));
    }
}
