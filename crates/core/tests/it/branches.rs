//! Where branches lead, what they may test, and where answers may be spoken of.

use aftercall_core::survey::CSAT_SURVEY;

use crate::line::{Line, call, survey};
use crate::lint::{found, said};
use crate::surveys::branching;

/// It said `yes` where the arm fits, and `no` where it does not; never both.
#[track_caller]
fn assert_leads(line: &Line, fits: bool, what: &str) {
    assert_eq!((line.said("yes"), line.said("no")), if fits { (1, 0) } else { (0, 1) }, "{what}");
}

#[test]
fn a_branch_goes_where_the_first_answer_or_variable_that_fits_leads() {
    // `p 1` gives score 5 and so on down; `p 0` skips the rating. The caller came through "sales".
    for (arm, script, fits) in [
        ("answer = \"rating\"\nat_least = 4", "p 1", true),
        ("answer = \"rating\"\nat_least = 4", "p 2", true),
        ("answer = \"rating\"\nat_least = 4", "p 3", false),
        ("answer = \"rating\"\nat_least = 1", "p 0", false),
        ("answer = \"rating\"\nat_most = 2", "p 4", true),
        ("answer = \"rating\"\nat_most = 2", "p 3", false),
        ("answer = \"rating\"\nat_most = 5", "p 0", false),
        ("answer = \"rating\"\nis = \"very_satisfied\"", "p 1", true),
        ("answer = \"rating\"\nis = \"very_satisfied\"", "p 2", false),
        ("answer = \"rating\"\nis = \"5\"", "p 1", true),
        ("answer = \"rating\"\nis = \"5\"", "p 5", false),
        ("answer = \"rating\"\none_of = [\"1\", \"2\"]", "p 4", true),
        ("answer = \"rating\"\none_of = [\"1\", \"2\"]", "p 1", false),
        ("answer = \"rating\"\none_of = [\"1\", \"2\"]", "p 0", false),
        ("answer = \"rating\"\ngiven = true", "p 3", true),
        ("answer = \"rating\"\ngiven = true", "p 0", false),
        ("answer = \"rating\"\ngiven = false", "p 3", false),
        ("answer = \"rating\"\ngiven = false", "p 0", true),
        ("variable = \"queue\"\nis = \"sales\"", "p 1", true),
        ("variable = \"queue\"\nis = \"support\"", "p 1", false),
        ("variable = \"queue\"\nat_least = 0", "p 1", false),
        ("variable = \"queue\"\ngiven = true", "p 1", true),
        ("variable = \"skill\"\ngiven = true", "p 1", false),
    ] {
        let line = call(branching(arm, "other"), script);
        assert_leads(&line, fits, &format!("{arm}: {script}"));
    }
}

#[test]
fn typed_digits_are_compared_as_they_were_typed_and_by_their_size_however_long() {
    let survey = |test: &str| {
        survey(&format!(
            "version = 1\n[[step]]\nid = \"q\"\ntype = \"ask\"\nkind = \"digits\"\nsay = \"nps_question\"\nmax_digits = 32\n\
             [[step]]\nid = \"fork\"\ntype = \"branch\"\notherwise = \"other\"\n[[step.when]]\nanswer = \"q\"\n{test}\ngoto = \"fits\"\n\
             [[step]]\nid = \"other\"\ntype = \"end\"\nsay = \"no\"\n[[step]]\nid = \"fits\"\ntype = \"end\"\nsay = \"yes\"\n"
        ))
    };
    for (typed, test, fits) in [
        ("07", "is = \"07\"", true),
        ("07", "is = \"7\"", false),
        ("7", "one_of = [\"007\", \"07\"]", false),
        ("07", "at_least = 7", true),
        ("99999999999999999999", "at_least = 100", true),
        ("99999999999999999999", "at_most = 100", false),
        ("00000000000000000000000000000005", "at_most = 9", true),
    ] {
        let line = call(survey(test), &format!("p {typed}#"));
        assert_leads(&line, fits, &format!("{typed}: {test}"));
    }
}

#[test]
fn a_branch_tests_only_for_answers_there_can_be() {
    for (test, expected) in [
        ("is = \"very_satisfied\"", ""),
        ("is = \"5\"", ""),
        ("at_most = 2", ""),
        (
            "is = \"verysatisfied\"",
            "\"verysatisfied\" is never the answer to \"rating\" (did you mean \"very_satisfied\"?)",
        ),
        ("is = \"6\"", "\"6\" is never the answer to \"rating\""),
        ("one_of = [\"neutral\", \"purple\"]", "\"purple\" is never the answer to \"rating\""),
    ] {
        let branch = format!(
            "[[step]]\nid = \"b\"\ntype = \"branch\"\n[[step.when]]\nanswer = \"rating\"\n{test}\ngoto = \"end\"\n\n[[step]]\nid = \"thanks\""
        );
        let found = found(&CSAT_SURVEY.replace("[[step]]\nid = \"thanks\"", &branch));
        let messages: Vec<&str> = found.iter().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
        assert_eq!(messages.concat(), expected, "{test}");
    }
}

#[test]
fn a_branch_tests_only_what_comes_before_it() {
    let survey = |tested: &str| {
        let before = CSAT_SURVEY.split("[[step]]\nid = \"thanks\"").next().unwrap();
        format!(
            r#"{before}
[[step]]
id = "crm"
type = "webhook"
url = "http://127.0.0.1/"
[[step]]
id = "b"
type = "branch"
[[step.when]]
{tested}
goto = "left"
[[step]]
id = "right"
type = "ask"
kind = "yes_no"
say = "please_rate"
next = "end"
otherwise = "end"
[[step]]
id = "left"
type = "transfer"
target = "200"
"#
        )
    };
    for (tested, told) in [
        ("answer = \"rating\"\nat_most = 2", ""),
        ("variable = \"crm\"\nis = \"ok\"", ""),
        ("variable = \"queue\"\nis = \"sales\"", ""),
        (
            "answer = \"right\"\nis = \"yes\"",
            "36:1: \"right\" comes only after this step, or on another path",
        ),
        ("variable = \"left\"\nis = \"ok\"", "36:1: \"left\" comes only after this step, or on another path"),
    ] {
        assert_eq!(found(&survey(tested)).concat(), told, "{tested}");
    }
}

#[test]
fn a_branch_tests_only_for_answers_that_its_kind_of_question_has() {
    const NO_NUMBER: &str = "the answer to \"q\" is no number: test it by `is` or `one_of`";
    const SALES: &str = "keys = { 1 = { label = \"yes\" }, 2 = { label = \"neutral\" } }";
    for (kind, test, expected) in [
        ("rating", "at_least = 1", ""),
        ("rating", "at_most = 5", ""),
        ("rating", "at_least = 6", "6 is never the answer to \"q\", which is 1 to 5"),
        ("rating", "at_most = 0", "0 is never the answer to \"q\", which is 1 to 5"),
        ("nps", "is = \"0\"", ""),
        ("nps", "one_of = [\"10\", \"11\"]", "\"11\" is never the answer to \"q\""),
        ("nps", "is = \"yes\"", "\"yes\" is never the answer to \"q\""),
        ("nps", "at_least = 10", ""),
        ("nps", "at_least = 11", "11 is never the answer to \"q\", which is 0 to 10"),
        ("nps", "at_most = -1", "-1 is never the answer to \"q\", which is 0 to 10"),
        ("ces", "one_of = [\"1\", \"7\"]", ""),
        ("ces", "is = \"8\"", "\"8\" is never the answer to \"q\""),
        ("ces", "at_most = 0", "0 is never the answer to \"q\", which is 1 to 7"),
        ("yes_no", "one_of = [\"yes\", \"no\"]", ""),
        ("yes_no", "is = \"ye\"", "\"ye\" is never the answer to \"q\" (did you mean \"yes\"?)"),
        ("yes_no", "is = \"1\"", "\"1\" is never the answer to \"q\""),
        ("yes_no", "at_least = 1", NO_NUMBER),
        ("choice", "is = \"neutral\"", ""),
        ("choice", "is = \"no\"", "\"no\" is never the answer to \"q\""),
        ("choice", "at_most = 2", NO_NUMBER),
        ("choice", "given = true", ""),
        ("digits", "at_least = 100", ""),
        ("digits", "is = \"0042\"", ""),
    ] {
        let keys = match kind {
            "rating" => {
                "keys = { 1 = { score = 5, label = \"very_satisfied\" }, 2 = { score = 1, label = \"very_dissatisfied\" } }"
            }
            "choice" => SALES,
            _ => "",
        };
        let source = format!(
            "version = 1\n[[step]]\nid = \"q\"\ntype = \"ask\"\nkind = \"{kind}\"\nsay = \"digit_1\"\n{keys}\n\
             [[step]]\nid = \"b\"\ntype = \"branch\"\n[[step.when]]\nanswer = \"q\"\n{test}\ngoto = \"end\"\n"
        );
        let expected: Vec<_> = (!expected.is_empty()).then_some(expected).into_iter().collect();
        assert_eq!(said(&source), expected, "{kind} {test}");
    }
}

#[test]
fn an_answer_is_spoken_and_confirmed_only_after_its_question() {
    let survey = |step: &str| {
        format!(
            "version = 1\nstep = [\n\
             {{ id = \"first\", type = \"ask\", kind = \"nps\", say = \"digit_1\" }},\n\
             {step},\n\
             {{ id = \"last\", type = \"ask\", kind = \"nps\", say = \"digit_1\" }},\n]\n"
        )
    };
    const EARLY: &str = "\"last\" comes only after this step, or on another path";
    for (step, column) in [
        (r#"{ id = "s", type = "say", say = ["yes", "{first.value}"] }"#, None),
        (r#"{ id = "s", type = "say", say = ["yes", "{last.value}"] }"#, Some(41)),
        (r#"{ id = "s", type = "say", say = "{last.label}" }"#, Some(27)),
        (r#"{ id = "s", type = "ask", kind = "ces", say = ["yes", "{last.key}"] }"#, Some(55)),
        (r#"{ id = "s", type = "record", say = ["{first.key}", "{last.key}"] }"#, Some(52)),
        (r#"{ id = "s", type = "confirm", say = "{value}", of = "first" }"#, None),
        (r#"{ id = "s", type = "confirm", say = "{value}", of = "last" }"#, Some(48)),
        (r#"{ id = "s", type = "confirm", say = ["{value}", "{last.value}"] }"#, Some(49)),
    ] {
        let expected: Vec<String> = column.map(|column| format!("4:{column}: {EARLY}")).into_iter().collect();
        assert_eq!(found(&survey(step)), expected, "{step}");
    }
}
