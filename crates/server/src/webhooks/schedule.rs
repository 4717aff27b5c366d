//! When an event that was not taken is sent again. Pure.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use aftercall_store::{EventId, Outcome};
use jiff::{SignedDuration, Timestamp};

/// How long after each failed attempt the next one comes: eleven attempts in not quite three days (71 hours).
const PAUSES: [Duration; 10] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(3 * 3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(12 * 3_600),
    Duration::from_secs(24 * 3_600),
    Duration::from_secs(24 * 3_600),
];

/// A pause is so much longer or shorter, in parts of itself: what failed together does not come back together.
const SPREAD: f64 = 0.2;

/// The longest that the other side may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);

/// What follows an attempt that was answered with this status, or with nothing. `retry_after` is what the other side
/// asked for.
pub(super) fn outcome(
    event: EventId,
    attempt: u32,
    status: Option<u16>,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> Outcome {
    match status {
        Some(200..=299) => return Outcome::Delivered,
        // The other side says that it will never be there again.
        Some(410) => return Outcome::Dead,
        _ => {}
    }
    let Some(pause) = usize::try_from(attempt.max(1) - 1).ok().and_then(|failed| PAUSES.get(failed)) else {
        return Outcome::Dead;
    };
    let pause = pause.mul_f64(1.0 + SPREAD * (2.0 * share(event, attempt) - 1.0));
    let asked = retry_after.filter(|_| matches!(status, Some(429 | 503))).unwrap_or_default();
    let pause = pause.max(asked.min(RETRY_AFTER_MAX));
    Outcome::Again(now.saturating_add(SignedDuration::try_from(pause).unwrap_or_default()).unwrap_or(now))
}

/// A share of one that is any event's and attempt's own.
fn share(event: EventId, attempt: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (event, attempt).hash(&mut hasher);
    f64::from(hasher.finish() as u32) / f64::from(u32::MAX)
}

/// What `Retry-After` says: seconds, or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let until = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Duration::try_from(now.duration_until(until)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T08:00:00Z".parse().unwrap()
    }

    fn event() -> EventId {
        EventId::at(now())
    }

    fn pause(attempt: u32, status: Option<u16>, retry_after: Option<u64>) -> Option<i64> {
        match outcome(event(), attempt, status, retry_after.map(Duration::from_secs), now()) {
            Outcome::Again(at) => Some(now().duration_until(at).as_secs()),
            _ => None,
        }
    }

    #[test]
    fn what_is_taken_is_delivered_and_what_is_gone_is_given_up_at_once() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(outcome(event(), 11, Some(status), None, now()), Outcome::Delivered);
        }
        assert_eq!(outcome(event(), 1, Some(410), None, now()), Outcome::Dead);
    }

    #[test]
    fn everything_else_is_tried_eleven_times_in_less_than_four_days_ever_further_apart() {
        for status in [None, Some(301), Some(400), Some(404), Some(429), Some(500), Some(503)] {
            let pauses: Vec<i64> = (1..=10).map(|attempt| pause(attempt, status, None).unwrap()).collect();
            for (pause, usual) in pauses.iter().zip(PAUSES) {
                let usual = usual.as_secs_f64();
                assert!((*pause as f64) >= usual * 0.8 - 1.0 && (*pause as f64) <= usual * 1.2, "{pauses:?}");
            }
            let days = pauses.iter().sum::<i64>() as f64 / 86_400.0;
            assert!((2.3..3.6).contains(&days), "{days}");
            assert_eq!(outcome(event(), 11, status, None, now()), Outcome::Dead);
            assert_eq!(outcome(event(), 4_000_000, status, None, now()), Outcome::Dead);
        }
    }

    #[test]
    fn the_other_side_may_ask_for_more_time_but_not_for_less_and_not_for_ever() {
        for (status, asked, least, most) in [
            (429, 600, 600, 600),
            (503, 600, 600, 600),
            (500, 600, 4, 6),
            (429, 1, 4, 6),
            (503, 999_999_999, 86_400, 86_400),
        ] {
            let pause = pause(1, Some(status), Some(asked)).unwrap();
            assert!((least..=most).contains(&pause), "{status} {asked}: {pause}");
        }
        let asked = |text| retry_after(text, now()).map(|asked| asked.as_secs());
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Sun, 22 Nov 2026 08:02:00 GMT"), Some(120));
        for nothing in ["", "soon", "-5", "Sun, 22 Nov 2026 07:00:00 GMT"] {
            assert_eq!(asked(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_failed_together_does_not_come_back_together() {
        let events = (0..100).map(|n| EventId::at(now() + SignedDuration::from_secs(n)));
        let times: std::collections::BTreeSet<Timestamp> = events
            .filter_map(|event| match outcome(event, 3, Some(500), None, now()) {
                Outcome::Again(at) => Some(at),
                _ => None,
            })
            .collect();
        assert!(times.len() > 90);
    }

    proptest! {
        #[test]
        fn the_same_event_and_attempt_come_back_at_the_same_time_which_is_later(
            attempt in 1..12_u32, status in proptest::option::of(100..600_u16), asked in proptest::option::of(0..u64::MAX),
        ) {
            let asked = asked.map(Duration::from_secs);
            let one = outcome(event(), attempt, status, asked, now());
            prop_assert_eq!(one, outcome(event(), attempt, status, asked, now()));
            if let Outcome::Again(at) = one {
                prop_assert!(at >= now() + SignedDuration::from_secs(4));
                prop_assert!(at <= now() + SignedDuration::from_hours(29));
            }
        }
    }
}
