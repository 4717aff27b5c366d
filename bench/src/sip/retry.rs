//! When a message that was not answered is sent again over UDP (RFC 3261, 17.1).

use std::time::Duration;

/// The round-trip estimate.
pub const T1: Duration = Duration::from_millis(500);

/// The longest pause between two retransmissions of anything but an INVITE.
pub const T2: Duration = Duration::from_secs(4);

/// What is not answered within this (timers B and F) is given up.
pub const GIVE_UP: Duration = Duration::from_secs(32);

/// The timers of one request.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    again_at: Duration,
    pause: Duration,
    pause_max: Duration,
    ends_at: Duration,
}

/// What the timers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Wait on.
    Nothing,
    /// Send it again.
    Again,
    /// Nobody answers.
    GiveUp,
}

impl Retry {
    /// Those of an INVITE sent `now`: the pause doubles (17.1.1.2).
    #[must_use]
    pub fn of_invite(now: Duration) -> Self {
        Self { again_at: now + T1, pause: T1, pause_max: GIVE_UP, ends_at: now + GIVE_UP }
    }

    /// Those of any other request: the pause doubles up to [`T2`] (17.1.2.2).
    #[must_use]
    pub fn of_others(now: Duration) -> Self {
        Self { pause_max: T2, ..Self::of_invite(now) }
    }

    /// What is due now. However late it is asked, it says [`Due::Again`] once a pause.
    pub fn due(&mut self, now: Duration) -> Due {
        if now >= self.ends_at {
            return Due::GiveUp;
        }
        if now < self.again_at {
            return Due::Nothing;
        }
        self.pause = (self.pause * 2).min(self.pause_max);
        self.again_at = now + self.pause;
        Due::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The milliseconds at which a message sent at one second is sent again, and when it is given up.
    fn life(mut retry: Retry) -> (Vec<u64>, u64) {
        let mut again = Vec::new();
        for ms in 1000.. {
            match retry.due(Duration::from_millis(ms)) {
                Due::Nothing => {}
                Due::Again => again.push(ms - 1000),
                Due::GiveUp => return (again, ms - 1000),
            }
        }
        unreachable!()
    }

    #[test]
    fn an_invite_is_sent_seven_times_and_given_up_after_thirty_two_seconds() {
        let life = life(Retry::of_invite(Duration::from_secs(1)));
        assert_eq!(life, (vec![500, 1500, 3500, 7500, 15_500, 31_500], 32_000));
    }

    #[test]
    fn other_requests_are_sent_every_four_seconds_once_the_pause_has_grown_to_that() {
        let life = life(Retry::of_others(Duration::from_secs(1)));
        let expected = vec![500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
        assert_eq!(life, (expected, 32_000));
    }
}
