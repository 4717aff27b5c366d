//! Instants as the database keeps them: UTC text of one length, so that it sorts as time.

use jiff::{Timestamp, Unit};

/// Cuts off what is finer than a microsecond, towards the past.
pub(crate) fn to_micros(at: Timestamp) -> Timestamp {
    at.round(jiff::TimestampRound::new().smallest(Unit::Microsecond).mode(jiff::RoundMode::Floor))
        .unwrap_or(at)
}

/// `2026-11-22T08:00:00.000000Z`: 27 characters for every year that RFC 3339 can write.
pub(crate) fn text(at: Timestamp) -> String {
    format!("{:.6}", to_micros(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_with_six_digits_and_sort_as_text() {
        let texts: Vec<String> = [
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59.9999999Z",
            "1970-01-01T00:00:00Z",
            "2026-11-22T08:00:00.000001999Z",
            "2026-11-22T08:00:00.1Z",
            "9999-12-30T22:00:00Z",
        ]
        .iter()
        .map(|t| text(t.parse().unwrap()))
        .collect();
        assert_eq!(texts[1], "1969-12-31T23:59:59.999999Z");
        assert_eq!(texts[3], "2026-11-22T08:00:00.000001Z");
        assert_eq!(texts[4], "2026-11-22T08:00:00.100000Z");
        assert!(texts.iter().all(|t| t.len() == 27), "{texts:?}");
        assert!(texts.is_sorted(), "{texts:?}");
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_microsecond() {
        let at: Timestamp = "2026-11-22T08:00:00.123456789Z".parse().unwrap();
        assert_eq!(text(at).parse::<Timestamp>().unwrap(), to_micros(at));
    }
}
