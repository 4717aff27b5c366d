//! Surveys of the tests: the one that ships and its kin, with a short wait for silence.

use aftercall_core::survey::CSAT_SURVEY;

use super::tones;
use crate::server::Site;

/// The time a caller has for a key after the prompt. One who means to press does so at once; one who does
/// not is waited for.
const SILENCE_MS: u32 = 2_000;

const LANGUAGE: &str = r#"language = "en""#;
const CONFIRM: &str = r#"say = ["you_rated", "{key}", "{label}"]"#;
const QUESTION: &str = r#"say = "please_rate""#;

/// The documented flow, in the language of our recordings.
pub(crate) fn csat() -> String {
    let patient = format!("{QUESTION}\nsilence_ms = {SILENCE_MS}");
    assert!([LANGUAGE, QUESTION, CONFIRM].iter().all(|line| CSAT_SURVEY.contains(line)));
    CSAT_SURVEY.replace(LANGUAGE, &format!("{LANGUAGE}\nlanguages = [\"en\"]")).replace(QUESTION, &patient)
}

/// The documented flow, in which the answer may be changed.
pub(crate) fn with_change() -> String {
    let change = CONFIRM.replace(']', r#", "press_1_to_change"]"#) + "\nchange = true";
    csat().replace(CONFIRM, &change)
}

/// A rating, then a net promoter score.
pub(crate) fn two_questions() -> String {
    let nps = format!(
        "[[step]]\nid = \"nps\"\ntype = \"ask\"\nkind = \"nps\"\nsay = \"nps_question\"\nsilence_ms = {SILENCE_MS}\n"
    );
    let (question, rest) = csat_without_confirmation();
    format!("{question}\n{nps}\n{rest}")
}

/// A rating, then a comment that is spoken.
pub(crate) fn with_comment() -> String {
    let record =
        "[[step]]\nid = \"comment\"\ntype = \"record\"\nsay = \"leave_comment\"\nsilence_ms = 1500\n";
    let (question, rest) = csat_without_confirmation();
    format!("{question}\n{record}\n{rest}")
}

fn csat_without_confirmation() -> (String, String) {
    let survey = csat();
    let (question, rest) = survey.split_once("[[step]]\nid = \"confirmation\"").unwrap();
    let (_, thanks) = rest.split_once("[[step]]").unwrap();
    (question.to_owned(), format!("[[step]]{thanks}"))
}

/// A site with all of them, and a tone for every prompt.
pub(crate) fn site() -> Site {
    let site = Site::new();
    tones::record(&site.folder().join("prompts"), &[]);
    site.survey("csat-survey", &csat())
        .survey("with-change", &with_change())
        .survey("two-questions", &two_questions())
        .survey("with-comment", &with_comment())
}
