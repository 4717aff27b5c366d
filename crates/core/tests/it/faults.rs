//! Every fault an author can make in a step, and what stands just within the bounds.

use aftercall_core::survey::STEPS_MAX;

use crate::lint::found;

/// What is found in a survey of these steps; the first is in line 3.
fn of_steps(steps: &str) -> Vec<String> {
    found(&format!("version = 1\nstep = [\n{steps}\n]\n"))
}

#[test]
fn a_step_is_called_by_a_plain_name_of_its_own() {
    for (steps, expected) in [
        (r#""#, vec!["2:1: a survey needs at least one step"]),
        (
            r#"{ id = "", type = "say", say = "yes" }"#,
            vec![r#"3:3: a step's id is 1 to 64 letters, digits, "-" or "_""#],
        ),
        (
            r#"{ id = "a b", type = "say", say = "yes" }"#,
            vec![r#"3:3: a step's id is 1 to 64 letters, digits, "-" or "_""#],
        ),
        (
            r#"{ id = "end", type = "say", say = "yes" }"#,
            vec![r#"3:3: "end" is the name of the survey's end: call this step otherwise"#],
        ),
        (r#"{ id = "end", type = "end", say = "yes" }"#, vec![]),
        (r#"{ id = "a-b_C9", type = "say", say = "yes" }"#, vec![]),
    ] {
        assert_eq!(of_steps(steps), expected, "{steps}");
    }
}

#[test]
fn what_a_step_says_is_there_and_is_of_a_question_that_is_asked() {
    for (steps, expected) in [
        (r#"{ id = "a", type = "say" }"#, vec![r#"3:1: step "a" says nothing: give it `say`"#]),
        (r#"{ id = "a", type = "end" }"#, vec![]),
        (r#"{ id = "a", type = "ask", kind = "nps" }"#, vec![r#"3:1: step "a" says nothing: give it `say`"#]),
        (r#"{ id = "a", type = "record" }"#, vec![r#"3:1: step "a" says nothing: give it `say`"#]),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes" },
{ id = "c", type = "confirm" }"#,
            vec![r#"4:1: step "c" says nothing: give it `say`"#],
        ),
        (
            r#"{ id = "c", type = "say", say = "{key}" }"#,
            vec!["3:27: which question's? write {QUESTION.key}"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes" },
{ id = "c", type = "say", say = ["{q.value}", "{q.key}", "{q.label}"] }"#,
            vec![],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes" },
{ id = "c", type = "say", say = "{Q.value}" }"#,
            vec![r#"4:27: there is no question "Q""#],
        ),
        (
            r#"{ id = "q", type = "say", say = "yes" },
{ id = "c", type = "say", say = "{q.value}" }"#,
            vec![r#"4:27: there is no question "q""#],
        ),
    ] {
        assert_eq!(of_steps(steps), expected, "{steps}");
    }
}

#[test]
fn a_confirmation_is_of_a_question_before_it_and_its_change_key_is_one_that_changes() {
    for (steps, expected) in [
        (
            r#"{ id = "c", type = "confirm", say = "you_rated" }"#,
            vec!["3:1: there is no question before this to confirm: name one by `of`"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes" },
{ id = "c", type = "confirm", say = "you_rated", of = "r" }"#,
            vec![r#"4:50: there is no question "r""#],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes" },
{ id = "c", type = "confirm", say = "you_rated", change_key = "2" }"#,
            vec!["4:50: a change key without `change = true` has no effect"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes" },
{ id = "c", type = "confirm", say = "you_rated", change_key = "2", change = true }"#,
            vec![],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes" },
{ id = "c", type = "confirm", say = "you_rated", change_key = "12", change = true }"#,
            vec![r#"4:50: "12" is not a telephone key: one of 0-9, *, #, A-D"#],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes" },
{ id = "c", type = "confirm", say = "you_rated", change = false }"#,
            vec![],
        ),
    ] {
        assert_eq!(of_steps(steps), expected, "{steps}");
    }
}

#[test]
fn a_comment_lasts_as_long_as_callers_can_bear() {
    for (steps, expected) in [
        (
            r#"{ id = "r", type = "record", say = "leave_comment", max_seconds = 0 }"#,
            vec!["3:53: a recording lasts 1 to 600 seconds"],
        ),
        (
            r#"{ id = "r", type = "record", say = "leave_comment", max_seconds = 601 }"#,
            vec!["3:53: a recording lasts 1 to 600 seconds"],
        ),
        (
            r#"{ id = "r", type = "record", say = "leave_comment", max_seconds = 600, silence_ms = 499 }"#,
            vec!["3:72: 499 ms of silence is out of range: 500 to 60000"],
        ),
        (
            r#"{ id = "r", type = "record", say = "leave_comment", max_seconds = 1, silence_ms = 60001 }"#,
            vec!["3:70: 60001 ms of silence is out of range: 500 to 60000"],
        ),
        (
            r#"{ id = "r", type = "record", say = "leave_comment", silence_ms = 500, finish_key = "" }"#,
            vec![r#"3:71: "" is not a telephone key: one of 0-9, *, #, A-D"#],
        ),
    ] {
        assert_eq!(of_steps(steps), expected, "{steps}");
    }
}

#[test]
fn a_webhook_has_an_address_and_a_bounded_wait_and_a_transfer_a_target() {
    for (steps, expected) in [
        (
            r#"{ id = "w", type = "webhook" }"#,
            vec![
                "3:1: a webhook needs a `url`: http:// or https:// and a host, as in https://crm.example.com/called",
            ],
        ),
        (
            r#"{ id = "w", type = "webhook", url = "ftp://example.test" }"#,
            vec![
                "3:31: a webhook needs a `url`: http:// or https:// and a host, as in https://crm.example.com/called",
            ],
        ),
        (
            r#"{ id = "w", type = "webhook", url = "https://" }"#,
            vec![
                "3:31: a webhook needs a `url`: http:// or https:// and a host, as in https://crm.example.com/called",
            ],
        ),
        (
            r#"{ id = "w", type = "webhook", url = "http:///path" }"#,
            vec![
                "3:31: a webhook needs a `url`: http:// or https:// and a host, as in https://crm.example.com/called",
            ],
        ),
        (
            r#"{ id = "w", type = "webhook", url = "http://example.test", timeout_ms = 99 }"#,
            vec!["3:60: 99 ms is out of range: 100 to 30000, the caller waits"],
        ),
        (
            r#"{ id = "w", type = "webhook", url = "https://example.test/x", timeout_ms = 30001 }"#,
            vec!["3:63: 30001 ms is out of range: 100 to 30000, the caller waits"],
        ),
        (r#"{ id = "w", type = "webhook", url = "http://example.test", timeout_ms = 100 }"#, vec![]),
        (
            r#"{ id = "t", type = "transfer" }"#,
            vec!["3:1: a transfer needs a `target`: a plain extension, or sip:USER@HOST"],
        ),
        (
            r#"{ id = "t", type = "transfer", target = " " }"#,
            vec!["3:32: a transfer needs a `target`: a plain extension, or sip:USER@HOST"],
        ),
        (r#"{ id = "t", type = "transfer", target = "sip:200@example.test" }"#, vec![]),
    ] {
        assert_eq!(of_steps(steps), expected, "{steps}");
    }
}

#[test]
fn an_arm_of_a_branch_tests_one_thing_that_is_there_and_leads_somewhere() {
    for (steps, expected) in [
        (r#"{ id = "b", type = "branch" }"#, vec!["3:1: a branch needs at least one [[step.when]]"]),
        (
            r#"{ id = "b", type = "branch", when = [{ goto = "end", is = "x" }] }"#,
            vec!["3:38: an arm tests either an `answer` or a `variable`"],
        ),
        (
            r#"{ id = "b", type = "branch", when = [{ answer = "q", variable = "queue", goto = "end", is = "x" }] }"#,
            vec!["3:38: an arm tests either an `answer` or a `variable`"],
        ),
        (
            r#"{ id = "b", type = "branch", when = [{ variable = "queue", goto = "end" }] }"#,
            vec!["3:38: an arm has exactly one of `is`, `one_of`, `at_least`, `at_most`, `given`"],
        ),
        (
            r#"{ id = "b", type = "branch", when = [{ variable = "queue", goto = "end", is = "x", given = true }] }"#,
            vec!["3:38: an arm has exactly one of `is`, `one_of`, `at_least`, `at_most`, `given`"],
        ),
        (
            r#"{ id = "b", type = "branch", when = [{ variable = "queue", goto = "nowhere", is = "x" }] }"#,
            vec![r#"3:60: there is no step "nowhere""#],
        ),
        (
            r#"{ id = "b", type = "branch", when = [{ variable = "quue", goto = "end", is = "x" }] }"#,
            vec![
                r#"3:40: nothing sets a variable "quue" (did you mean "queue"?); list it in `variables` if a door does"#,
            ],
        ),
        (
            r#"{ id = "b", type = "branch", when = [{ answer = "q", goto = "end", is = "x" }] }"#,
            vec![r#"3:40: no question or recording is called "q""#],
        ),
        (
            r#"{ id = "r", type = "record", say = "leave_comment" },
{ id = "b", type = "branch", when = [{ answer = "r", goto = "end", given = true }] }"#,
            vec![],
        ),
        (
            r#"{ id = "s", type = "say", say = "yes" },
{ id = "b", type = "branch", when = [{ answer = "s", goto = "end", given = true }] }"#,
            vec![r#"4:40: no question or recording is called "s""#],
        ),
        (
            r#"{ id = "w", type = "webhook", url = "http://example.test" },
{ id = "b", type = "branch", when = [{ variable = "w", goto = "end", is = "ok" }] }"#,
            vec![],
        ),
        (
            r#"{ id = "t", type = "transfer", target = "200" },
{ id = "b", type = "branch", when = [{ variable = "t", goto = "end", is = "ok" }] }"#,
            vec![],
        ),
        (
            r#"{ id = "b", type = "branch", otherwise = "later", when = [{ variable = "queue", goto = "end", is = "x" }] }"#,
            vec![r#"3:30: there is no step "later""#],
        ),
    ] {
        assert_eq!(of_steps(steps), expected, "{steps}");
    }
}

#[test]
fn a_question_has_keys_that_mean_one_thing_each_and_bounds_that_callers_can_meet() {
    for (steps, expected) in [
        (
            r#"{ id = "q", type = "ask", say = "yes" }"#,
            vec!["3:1: a question needs a `kind`: rating, nps, ces, yes_no, choice or digits"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes", attempts = 11 }"#,
            vec!["3:54: 11 attempts: 1 to 10 are allowed"],
        ),
        (r#"{ id = "q", type = "ask", kind = "nps", say = "yes", attempts = 10 }"#, vec![]),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes", attempts = 1, invalid = "wrong", silence = "hush" }"#,
            vec![
                r#"3:68: there is no prompt "wrong"; give its text under [prompt.wrong]"#,
                r#"3:87: there is no prompt "hush"; give its text under [prompt.hush]"#,
            ],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "rating", say = "yes", keys = { 1 = { score = 5, label = "very_satisfied" } } }"#,
            vec![
                r#"3:57: a rating needs a map from keys to scores, such as 1 = { score = 5, label = "very_satisfied" }"#,
            ],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "rating", say = "yes", keys = { 1 = { score = 5, label = "very_satisfied" }, 2 = { score = 1, label = "very_dissatisfied" } } }"#,
            vec![],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "choice", say = "yes", keys = { 1 = { label = "yes" } } }"#,
            vec!["3:57: a choice needs at least two keys"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "choice", say = "yes", keys = { 1 = { label = "yes" }, 2 = { label = "no" } } }"#,
            vec![],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "choice", say = "yes", keys = { 1 = { label = "yes" }, 2 = { label = "no", score = 1 } } }"#,
            vec!["3:109: only the keys of a `rating` have scores"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "yes_no", say = "yes", keys = { 1 = { label = "yes" }, 2 = { label = "neutral" } } }"#,
            vec![r#"3:57: a yes_no question has two keys, labelled "yes" and "no""#],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "yes_no", say = "yes", keys = { 1 = { label = "neutral" }, 2 = { label = "no" } } }"#,
            vec![r#"3:57: a yes_no question has two keys, labelled "yes" and "no""#],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "yes_no", say = "yes", keys = { 1 = { label = "yes" }, 2 = { label = "no" }, 3 = { label = "no" } } }"#,
            vec![r#"3:57: a yes_no question has two keys, labelled "yes" and "no""#],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "yes_no", say = "yes", keys = { 5 = { label = "no" }, 6 = { label = "yes" } } }"#,
            vec![],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "digits", say = "yes", min_digits = 0 }"#,
            vec!["3:57: 0 to 16 digits: both are 1 to 32, the first not above the second"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "digits", say = "yes", max_digits = 33 }"#,
            vec!["3:1: 1 to 33 digits: both are 1 to 32, the first not above the second"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "digits", say = "yes", min_digits = 5, max_digits = 4 }"#,
            vec!["3:57: 5 to 4 digits: both are 1 to 32, the first not above the second"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "digits", say = "yes", min_digits = 32, max_digits = 32 }"#,
            vec![],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "digits", say = "yes", back_key = "0" }"#,
            vec!["3:57: the key 0 has another meaning in this question already"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "digits", say = "yes", back_key = "A", skip_key = "A" }"#,
            vec!["3:73: the key A has another meaning in this question already"],
        ),
        (
            r##"{ id = "q", type = "ask", kind = "nps", say = "yes", skip_key = "#" }"##,
            vec!["3:54: the key # has another meaning in this question already"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "ces", say = "yes", skip_key = "7", back_key = "8" }"#,
            vec!["3:54: the key 7 has another meaning in this question already"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "ces", say = "yes", skip_key = "0", back_key = "*" }"#,
            vec!["3:70: the key * has another meaning in this question already"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "yes_no", say = "yes", repeat_key = "2" }"#,
            vec!["3:57: the key 2 has another meaning in this question already"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "yes_no", say = "yes", repeat_key = "9", back_key = "E" }"#,
            vec![r#"3:75: "E" is not a telephone key: one of 0-9, *, #, A-D"#],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes", keys = { 1 = { label = "yes" } } }"#,
            vec!["3:54: `keys` means nothing in this kind of question: its keys are given by its kind"],
        ),
        (
            r#"{ id = "q", type = "ask", kind = "nps", say = "yes", opt_in = true, min_digits = 1, max_digits = 2 }"#,
            vec![
                "3:54: `opt_in` means nothing in this kind of question: only `yes_no` can ask for consent",
                "3:69: `min_digits` means nothing in this kind of question: only `digits` has a number of digits",
                "3:85: `max_digits` means nothing in this kind of question: only `digits` has a number of digits",
            ],
        ),
        (r#"{ id = "q", type = "ask", kind = "yes_no", say = "yes", opt_in = true }"#, vec![]),
    ] {
        assert_eq!(of_steps(steps), expected, "{steps}");
    }
}

#[test]
fn names_and_surveys_are_as_long_as_promised_and_no_longer() {
    let named = |length: usize| {
        of_steps(&format!("{{ id = \"{}\", type = \"say\", say = \"yes\" }}", "x".repeat(length)))
    };
    assert_eq!(named(64), Vec::<String>::new());
    assert_eq!(named(65), ["3:3: a step's id is 1 to 64 letters, digits, \"-\" or \"_\""]);
    let long = |steps: usize| {
        let lines: Vec<String> = (0..steps)
            .map(|number| format!("{{ id = \"s{number}\", type = \"say\", say = \"yes\" }},"))
            .collect();
        of_steps(&lines.join("\n"))
    };
    assert_eq!(long(STEPS_MAX), Vec::<String>::new());
    assert_eq!(long(STEPS_MAX + 1), [format!("2:1: more than {STEPS_MAX} steps: split the survey")]);
}

#[test]
fn a_field_is_refused_in_every_type_of_step_where_it_means_nothing() {
    let types = ["say", "ask", "record", "confirm", "branch", "webhook", "transfer", "end"];
    for (field, value, meant_in) in [
        ("say", "\"yes\"", "say ask record confirm end"),
        ("interruptible", "true", "say ask confirm end"),
        ("next", "\"end\"", "say ask record confirm webhook transfer"),
        ("kind", "\"nps\"", "ask"),
        ("keys", "{ 1 = { label = \"yes\" } }", "ask"),
        ("attempts", "2", "ask"),
        ("silence_ms", "1000", "ask record"),
        ("invalid", "\"no\"", "ask"),
        ("silence", "\"no\"", "ask"),
        ("otherwise", "\"end\"", "ask branch"),
        ("repeat_key", "\"*\"", "ask"),
        ("back_key", "\"A\"", "ask"),
        ("skip_key", "\"B\"", "ask"),
        ("min_digits", "1", "ask"),
        ("max_digits", "1", "ask"),
        ("opt_in", "true", "ask"),
        ("of", "\"q\"", "confirm"),
        ("change", "true", "confirm"),
        ("change_key", "\"1\"", "confirm"),
        ("beep", "true", "record"),
        ("max_seconds", "9", "record"),
        ("finish_key", "\"#\"", "record"),
        ("when", "[{ variable = \"queue\", given = true, goto = \"end\" }]", "branch"),
        ("url", "\"http://example.test\"", "webhook"),
        ("timeout_ms", "999", "webhook"),
        ("target", "\"200\"", "transfer"),
    ] {
        for step in types {
            let found = of_steps(&format!("{{ id = \"a\", type = \"{step}\", {field} = {value} }}"));
            let refusal = format!("`{field}` means nothing in a step of type `{step}`");
            let refused = found.iter().any(|line| line.ends_with(&refusal));
            assert_eq!(
                refused,
                !meant_in.split(' ').any(|meant| meant == step),
                "{field} in {step}: {found:?}"
            );
        }
    }
}

#[test]
fn a_value_of_the_wrong_type_is_told_in_plain_words() {
    let step = "version = 1\n[[step]]\nid = \"a\"\n";
    let ask = format!("{step}type = \"ask\"\n");
    for (source, expected) in [
        ("version = \"1\"".to_owned(), "1:11: this must be a whole number, not text"),
        ("version = 1.5".to_owned(), "1:11: this must be a whole number, not a fraction"),
        ("version = {}".to_owned(), "1:11: this must be a whole number, not a table or date"),
        ("version = -1".to_owned(), "1:11: this must be a whole number from 0 to 4294967295"),
        ("title = \"x\"".to_owned(), "1:1: key `version` is missing"),
        ("version = 1\nstep = 3".to_owned(), "2:8: this must be a list, not a number"),
        ("version = 1\nstep = [3]".to_owned(), "2:9: this must be a table, not a number"),
        ("version = 1\nprompt = [1]".to_owned(), "2:10: this must be a table, not a list"),
        ("version = 1\ntitle = true".to_owned(), "2:9: this must be text, not true or false"),
        (format!("{step}say = \"x\""), "2:1: key `type` is missing"),
        (format!("{step}type = 3"), "4:8: this must be text"),
        (format!("{ask}attempts = \"3\""), "5:12: this must be a whole number, not text"),
        (format!("{ask}attempts = 300"), "5:12: this must be a whole number from 0 to 255"),
        (format!("{ask}max_seconds = 65536"), "5:15: this must be a whole number from 0 to 65535"),
        (format!("{ask}opt_in = \"yes\""), "5:10: this must be true or false, not text"),
        (format!("{ask}say = 3"), "5:7: this must be a prompt name or a list of prompt names"),
        (
            format!("{ask}kind = \"star\""),
            "5:8: unknown word \"star\"; known here: rating, nps, ces, yes_no, choice, digits",
        ),
        (
            format!("{ask}when = [{{ goto = \"end\", at_most = \"5\" }}]"),
            "5:35: this must be a whole number, not text",
        ),
        (format!("{ask}when = [{{ goto = \"end\", is = 5 }}]"), "5:30: this must be text, not a number"),
    ] {
        assert_eq!(found(&source), [expected], "{source}");
    }
}
