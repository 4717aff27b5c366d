//! Session timers (RFC 4028): how long a call may go on without a word, and who has to say it.

use std::time::Duration;

use aftercall_wire::sip::{Headers, param};

use super::message::lists;

/// The shortest session interval taken (section 5: not below 90 s). Whoever wants a shorter one gets 422.
pub(super) const SHORTEST: Duration = Duration::from_secs(90);

/// The last moments of a session, in which the side that did not hear hangs up: at most these (section 10).
const LAST_MAX: Duration = Duration::from_secs(32);

/// What both sides agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SessionTimer {
    pub(super) interval: Duration,
    pub(super) refresher: Refresher,
}

/// Who refreshes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refresher {
    /// We do.
    Us,
    /// The peer does.
    Peer,
}

/// The peer wants too short a session (422, with Min-SE).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooShort;

/// What a request of the peer asks for, and what we answer it: `None` when it asks for nothing.
pub(super) fn asked(headers: &Headers) -> Result<Option<SessionTimer>, TooShort> {
    let Some((interval, refresher)) = read(headers) else { return Ok(None) };
    let speaks = lists(headers, "Supported", "timer") || lists(headers, "Require", "timer");
    if interval < SHORTEST {
        // Who does not know the mechanism cannot answer a 422: a proxy asked, and it is given the shortest we take.
        return if speaks { Err(TooShort) } else { Ok(Some(ours(SHORTEST))) };
    }
    let refresher = match refresher {
        Some("uas") => Refresher::Us,
        _ if speaks => Refresher::Peer,
        _ => Refresher::Us,
    };
    Ok(Some(SessionTimer { interval, refresher }))
}

/// What the 2xx to a request of ours says.
pub(super) fn agreed(headers: &Headers) -> Option<SessionTimer> {
    let (interval, refresher) = read(headers)?;
    let refresher = if refresher == Some("uas") { Refresher::Peer } else { Refresher::Us };
    Some(SessionTimer { interval: interval.max(SHORTEST), refresher })
}

/// The interval a 422 demands.
pub(super) fn demanded(headers: &Headers) -> Option<Duration> {
    seconds(headers.get("Min-SE")?)
}

fn ours(interval: Duration) -> SessionTimer {
    SessionTimer { interval, refresher: Refresher::Us }
}

fn read(headers: &Headers) -> Option<(Duration, Option<&str>)> {
    let value = headers.get("Session-Expires")?;
    Some((seconds(value)?, param(value, "refresher")))
}

fn seconds(value: &str) -> Option<Duration> {
    let number = value.split(';').next()?.trim();
    number.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()))
}

impl SessionTimer {
    /// The Session-Expires of our 2xx to the peer's request.
    pub(super) fn as_answer(&self) -> String {
        let refresher = if self.refresher == Refresher::Us { "uas" } else { "uac" };
        format!("{};refresher={refresher}", self.interval.as_secs())
    }

    /// The Session-Expires of a request of ours that refreshes.
    pub(super) fn as_request(&self) -> String {
        format!("{};refresher=uac", self.interval.as_secs())
    }

    /// When we refresh, counted from the last time.
    pub(super) fn refresh_after(&self) -> Option<Duration> {
        (self.refresher == Refresher::Us).then(|| self.interval / 2)
    }

    /// When the session is given up, counted from the last time: a little before it is over.
    pub(super) fn expires_after(&self) -> Duration {
        self.interval - LAST_MAX.min(self.interval / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        lines.iter().for_each(|(name, value)| headers.push(name, value));
        headers
    }

    #[test]
    fn the_peer_refreshes_if_it_can_and_we_do_if_it_cannot_or_says_so() {
        let timer =
            |seconds, refresher| Ok(Some(SessionTimer { interval: Duration::from_secs(seconds), refresher }));
        for (lines, expected) in [
            (vec![], Ok(None)),
            (vec![("Supported", "timer")], Ok(None)),
            (vec![("x", "1800"), ("k", "100rel, timer")], timer(1800, Refresher::Peer)),
            (vec![("Session-Expires", "1800;refresher=uac"), ("k", "timer")], timer(1800, Refresher::Peer)),
            (vec![("Session-Expires", "1800 ; refresher=uas"), ("k", "timer")], timer(1800, Refresher::Us)),
            (vec![("Session-Expires", "1800")], timer(1800, Refresher::Us)),
            (vec![("Session-Expires", "60"), ("Require", "timer")], Err(TooShort)),
            (vec![("Session-Expires", "60")], timer(90, Refresher::Us)),
            (vec![("Session-Expires", "soon"), ("k", "timer")], Ok(None)),
        ] {
            assert_eq!(asked(&headers(&lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_an_answer_says_is_what_both_do() {
        let of = |value| agreed(&headers(&[("Session-Expires", value)]));
        let timer =
            |seconds, refresher| Some(SessionTimer { interval: Duration::from_secs(seconds), refresher });
        assert_eq!(of("600;refresher=uas"), timer(600, Refresher::Peer));
        assert_eq!(of("600;refresher=uac"), timer(600, Refresher::Us));
        assert_eq!(of("600"), timer(600, Refresher::Us));
        assert_eq!(of("1"), timer(90, Refresher::Us));
        assert_eq!(agreed(&Headers::new()), None);
    }

    #[test]
    fn we_refresh_at_half_time_and_give_up_shortly_before_the_end() {
        for (seconds, refresh, expiry) in [(1800, 900, 1768), (90, 45, 60)] {
            let interval = Duration::from_secs(seconds);
            let timer = SessionTimer { interval, refresher: Refresher::Us };
            assert_eq!(timer.refresh_after(), Some(Duration::from_secs(refresh)));
            assert_eq!(timer.expires_after(), Duration::from_secs(expiry));
            assert_eq!(timer.as_answer(), format!("{seconds};refresher=uas"));
            let theirs = SessionTimer { refresher: Refresher::Peer, ..timer };
            assert_eq!(
                (theirs.refresh_after(), theirs.as_answer()),
                (None, format!("{seconds};refresher=uac"))
            );
        }
    }
}
