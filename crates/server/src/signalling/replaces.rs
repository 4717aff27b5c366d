//! The Replaces header (RFC 3891): a new call takes the place of one that there is.

use aftercall_wire::sip::{Headers, param};

/// Which call an INVITE wants to replace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Replaces {
    /// Its Call-ID, our tag, the peer's.
    pub(super) dialog: (String, String, String),
    /// Only if it is not answered yet.
    pub(super) early_only: bool,
}

/// What the headers of an INVITE want replaced; the status that refuses nonsense (section 3).
pub(super) fn read(headers: &Headers) -> Result<Option<Replaces>, u16> {
    let mut all = headers.all("Replaces");
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(400);
    }
    let call_id = value.split(';').next().unwrap_or_default().trim();
    let tag = |name| param(value, name).filter(|tag| !tag.is_empty());
    match (call_id, tag("to-tag"), tag("from-tag")) {
        ("", ..) | (_, None, _) | (_, _, None) => Err(400),
        (call_id, Some(ours), Some(theirs)) => Ok(Some(Replaces {
            dialog: (call_id.to_owned(), ours.to_owned(), theirs.to_owned()),
            early_only: param(value, "early-only").is_some(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_is_named_by_all_of_it() {
        let of = |values: &[&str]| {
            let mut headers = Headers::new();
            values.iter().for_each(|value| headers.push("Replaces", value));
            read(&headers)
        };
        let dialog = ("c@h".to_owned(), "us".to_owned(), "them".to_owned());
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(
            of(&["c@h;to-tag=us;from-tag=them"]),
            Ok(Some(Replaces { dialog: dialog.clone(), early_only: false }))
        );
        assert_eq!(
            of(&["c@h ; From-Tag=them;to-tag = us;early-only"]),
            Ok(Some(Replaces { dialog, early_only: true }))
        );
        for nonsense in ["", "c@h", "c@h;to-tag=us", "c@h;to-tag=;from-tag=x", ";to-tag=a;from-tag=b"] {
            assert_eq!(of(&[nonsense]), Err(400), "{nonsense}");
        }
        assert_eq!(of(&["c@h;to-tag=us;from-tag=them", "d@h;to-tag=us;from-tag=them"]), Err(400));
    }
}
