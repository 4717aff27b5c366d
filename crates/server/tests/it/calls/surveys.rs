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

/// The documented flow for those who agree to be asked.
pub(crate) fn with_consent() -> String {
    let consent = format!(
        "[[step]]\nid = \"consent\"\ntype = \"ask\"\nkind = \"yes_no\"\nopt_in = true\nsay = \"opt_in\"\nsilence_ms = {SILENCE_MS}\n\n"
    );
    let question = "[[step]]\nid = \"rating\"";
    assert!(csat().contains(question));
    csat().replace(question, &(consent + question))
}

/// A rating that may be changed; who is happy is asked one thing more.
pub(crate) fn with_more_for_the_happy() -> String {
    let thanks = "[[step]]\nid = \"thanks\"";
    let more = format!(
        "[[step]]\nid = \"unless-happy\"\ntype = \"branch\"\n[[step.when]]\nanswer = \"rating\"\nat_most = 3\n\
         goto = \"thanks\"\n\n[[step]]\nid = \"nps\"\ntype = \"ask\"\nkind = \"nps\"\nsay = \"nps_question\"\n\
         silence_ms = {SILENCE_MS}\n\n"
    );
    assert!(with_change().contains(thanks));
    with_change().replace(thanks, &(more + thanks))
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
        .survey("with-consent", &with_consent())
        .survey("with-more", &with_more_for_the_happy())
}
