//! What `aftercall check` says of surveys, to the column.

use aftercall_core::SurveyName;
use aftercall_core::survey::fault::Severity;
use aftercall_core::survey::{CSAT_SURVEY, Library, read_toml};

/// `LINE:COLUMN: message` of everything found, advice marked.
pub fn found(source: &str) -> Vec<String> {
    let name = SurveyName::new("test").unwrap();
    let located = match read_toml(&name, source, Library::built_in()) {
        Ok((_, advice)) => advice,
        Err(faults) => faults,
    };
    located
        .into_iter()
        .map(|fault| {
            let mark = if fault.severity == Severity::Advice { "advice: " } else { "" };
            format!("{}:{}: {mark}{}", fault.line, fault.column, fault.message)
        })
        .collect()
}

#[test]
fn the_survey_that_ships_has_no_fault() {
    assert_eq!(found(CSAT_SURVEY), Vec::<String>::new());
}

#[test]
fn the_survey_that_ships_speaks_ten_languages() {
    let name = SurveyName::new("csat-survey").unwrap();
    let (survey, _) = read_toml(&name, CSAT_SURVEY, Library::built_in()).unwrap();
    assert_eq!(survey.languages().len(), 10);
    let spoken = |tag: &str| survey.spoken(Some(&tag.parse().unwrap())).to_string();
    assert_eq!(
        (spoken("zh-Hant-TW"), spoken("pt_BR"), spoken("tlh")),
        ("zh".into(), "pt".into(), "en".into())
    );
}

#[test]
fn a_wrong_name_is_named_with_its_place_and_the_nearest_right_one() {
    for (right, wrong, expected) in [
        ("type = \"ask\"", "type = \"aks\"", "11:8: unknown word \"aks\" (did you mean \"ask\"?)"),
        (
            "say = \"please_rate\"",
            "says = \"please_rate\"",
            "13:1: unknown key \"says\" (did you mean \"say\"?)",
        ),
        (
            "say = \"please_rate\"",
            "say = \"please_rat\"",
            "13:1: there is no prompt \"please_rat\" (did you mean \"please_rate\"?); give its text under [prompt.please_rat]",
        ),
        (
            "say = \"please_rate\"",
            "say = \"please_rate\"\notherwise = \"thank\"",
            "14:1: there is no step \"thank\" (did you mean \"thanks\"?)",
        ),
        (
            "main = \"rating\"",
            "main = \"ratings\"",
            "7:1: \"ratings\" is not an `ask` of kind `rating` here (did you mean \"rating\"?)",
        ),
        (
            "\"{label}\"",
            "\"{lable}\"",
            "25:30: \"lable\" is not a part of an answer: key, label or value (did you mean \"label\"?)",
        ),
        ("score = 5", "score = 6", "16:7: a rating's key needs a `score` from 1 (worst) to 5 (best)"),
        ("1 = {", "E = {", "16:1: \"E\" is not a telephone key: one of 0-9, *, #, A-D"),
        ("kind = \"rating\"", "kind = \"rating\"\nattempts = 0", "13:1: 0 attempts: 1 to 10 are allowed"),
        ("id = \"thanks\"", "id = \"rating\"", "28:1: another step is called \"rating\" already"),
        (
            "id = \"thanks\"\ntype = \"say\"",
            "id = \"thanks\"\ntype = \"say\"\nkeys = { 1 = { label = \"yes\" } }",
            "30:1: `keys` means nothing in a step of type `say`",
        ),
    ] {
        let source = CSAT_SURVEY.replacen(right, wrong, 1);
        assert_ne!(source, CSAT_SURVEY, "{right}");
        let found = found(&source);
        assert!(found.iter().any(|line| line == expected), "expected {expected}\nfound {found:#?}");
    }
}

#[test]
fn a_transfer_goes_to_an_extension_or_to_a_sip_uri_with_a_host() {
    for (target, fine) in [
        ("200", true),
        ("*98", true),
        ("sales-desk", true),
        ("sip:200@pbx.example", true),
        ("sip:pbx.example:5070;transport=tcp", true),
        ("sip:200@[2001:db8::1]:5060", true),
        ("", false),
        ("30 12", false),
        ("10\\r\\nX: y", false),
        ("sip:", false),
        ("sip:200@", false),
        ("sip:@pbx.example", false),
        ("sip:200@:5060", false),
        ("sip:2 00@pbx.example", false),
        ("sips:200@pbx.example", false),
        ("tel:+4930123", false),
        ("200@pbx.example", false),
    ] {
        let source =
            format!("version = 1\n[[step]]\nid = \"t\"\ntype = \"transfer\"\ntarget = \"{target}\"\n");
        let expected = "5:1: a transfer needs a `target`: a plain extension, or sip:USER@HOST";
        assert_eq!(found(&source), if fine { vec![] } else { vec![expected] }, "{target}");
    }
}

#[test]
fn a_webhook_goes_to_a_url_with_a_host_that_can_be_asked() {
    for (url, fine) in [
        ("http://127.0.0.1/", true),
        ("https://crm.example:65535/called?by=phone#x", true),
        ("https://user:pass@crm.example:8443", true),
        ("http://[::1]/x", true),
        ("http://[2001:db8::1]:8080/x", true),
        ("https://crm.example?at=12:30", true),
        ("", false),
        ("crm.example/called", false),
        ("HTTPS//crm.example", false),
        ("http://", false),
        ("http:///called", false),
        ("http://?called", false),
        ("http://:8080/called", false),
        ("http://user@/called", false),
        ("http://user@:80/called", false),
        ("http://crm example/called", false),
        ("http://crm.example/who called", false),
        ("http://crm.example/\\tcalled", false),
        ("http://crm.example/<call>", false),
        ("http://crm.example:65536/", false),
        ("http://crm.example:0/", false),
        ("http://crm.example:/", false),
        ("http://crm.example:+80/", false),
        ("http://crm.example:http/", false),
        ("http://::1/", false),
        ("http://[::1/", false),
        ("http://[crm.example]/", false),
        ("http://[::1]x/", false),
        ("http://münchen.example/", false),
    ] {
        let source = format!("version = 1\n[[step]]\nid = \"w\"\ntype = \"webhook\"\nurl = \"{url}\"\n");
        let expected = "5:1: a webhook needs a `url`: http:// or https:// and a host, as in https://crm.example.com/called";
        assert_eq!(found(&source), if fine { vec![] } else { vec![expected] }, "{url}");
    }
}

#[test]
fn steps_out_of_reach_and_paths_without_end_are_found() {
    let unreachable =
        CSAT_SURVEY.replace("[\"you_rated\", \"{key}\", \"{label}\"]", "\"you_rated\"\nnext = \"end\"");
    assert_eq!(
        found(&unreachable),
        ["28:1: no caller ever reaches step \"thanks\": let a step before it lead here"]
    );
    let endless = CSAT_SURVEY.replace("say = \"thank_you\"", "say = \"thank_you\"\nnext = \"rating\"");
    assert_eq!(
        found(&endless),
        [
            "27:1: the path rating -> confirmation -> thanks -> rating never ends: a step may lead only onwards (a caller goes back by `back_key` or `change`)"
        ]
    );
}

#[test]
fn a_map_that_contradicts_its_labels_or_its_prompt_is_refused() {
    // The keys' scores turned round, the words left as they were.
    let turned: String = CSAT_SURVEY
        .lines()
        .map(|line| match line.split_once("score = ") {
            Some((head, tail)) => {
                let (digit, rest) = tail.split_at(1);
                format!("{head}score = {}{rest}\n", 6 - digit.parse::<u8>().unwrap())
            }
            None => format!("{line}\n"),
        })
        .collect();
    let said = found(&turned);
    assert_eq!(
        said,
        [
            "16:1: key 1 says \"very satisfied\", which means score 5, but gives score 1",
            "17:1: key 2 says \"satisfied\", which means score 4, but gives score 2",
            "19:1: key 4 says \"dissatisfied\", which means score 2, but gives score 4",
            "20:1: key 5 says \"very dissatisfied\", which means score 1, but gives score 5",
        ]
    );

    // Labels and scores agree, but the prompt still says "1 for very satisfied": in every language.
    let mut opposite = turned.clone();
    for (from, to) in [
        ("score = 1, label = \"very_satisfied\"", "score = 1, label = \"very_dissatisfied\""),
        ("score = 2, label = \"satisfied\"", "score = 2, label = \"dissatisfied\""),
        ("score = 4, label = \"dissatisfied\"", "score = 4, label = \"satisfied\""),
        ("score = 5, label = \"very_dissatisfied\"", "score = 5, label = \"very_satisfied\""),
    ] {
        opposite = opposite.replacen(from, to, 1);
    }
    let said = found(&opposite);
    for language in ["en", "zh", "es", "fr", "de", "it", "pt", "ru", "ar", "hi"] {
        let expected = format!(
            "16:1: the prompt \"please_rate\" in \"{language}\" says that 1 is \"very_satisfied\", but the key gives \"very_dissatisfied\" and score 1"
        );
        assert!(said.contains(&expected), "{language}: {said:#?}");
    }
}

#[test]
fn the_opposite_map_is_fine_when_its_words_agree() {
    let source = "version = 1\nlanguages = [\"en\"]\n[prompt.q]\nen = \"From 1 to 5, where 5 is excellent and 1 is terrible, how was it?\"\n\
        [prompt.mid]\nen = \"so so\"\n[prompt.fine]\nen = \"great\"\n[prompt.awful]\nen = \"awful\"\n\
        [[step]]\nid = \"rating\"\ntype = \"ask\"\nkind = \"rating\"\nsay = \"q\"\n\
        keys = { 1 = { score = 1, label = \"awful\" }, 3 = { score = 3, label = \"mid\" }, 5 = { score = 5, label = \"fine\" } }\n";
    assert_eq!(found(source), Vec::<String>::new());
    let turned = source.replace("score = 1, label = \"awful\"", "score = 5, label = \"awful\"");
    assert!(
        found(&turned).iter().any(|line| line.contains("says \"awful\" but gives score 5")),
        "{:#?}",
        found(&turned)
    );
    let turned = source.replace("5 is excellent and 1 is terrible", "1 is excellent and 5 is terrible");
    assert!(
        found(&turned).iter().any(|line| line.contains("says that 1 is good, but the key gives score 1")),
        "{:#?}",
        found(&turned)
    );
}

/// A rating in these languages (the first is the survey's own), with these prompts and keys.
fn rating(languages: &[&str], prompts: &str, keys: &str) -> String {
    format!(
        "version = 1\nlanguage = \"{}\"\nlanguages = {languages:?}\n{prompts}\n\
         [[step]]\nid = \"rating\"\ntype = \"ask\"\nkind = \"rating\"\nsay = \"q\"\n\
         keys = {{ {keys} }}\n",
        languages[0],
    )
}

/// What is found, without its place.
pub fn said(source: &str) -> Vec<String> {
    found(source)
        .into_iter()
        .map(|line| line.splitn(3, ':').last().unwrap_or_default().trim().to_owned())
        .collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_label_in_plain_words_may_stand_for_the_middle_but_not_for_the_other_side() {
    for (text, wrong_scores) in [
        ("great", vec![1, 2]),
        ("Could not be better, perfect!", vec![1, 2]),
        ("not bad", vec![1, 2]),
        ("never disappointing", vec![1, 2]),
        ("awful", vec![4, 5]),
        ("not good", vec![4, 5]),
        ("good and bad", vec![]),
        ("so so", vec![]),
        ("goodish", vec![]),
    ] {
        for score in 1..=5 {
            let prompts = format!(
                "[prompt.q]\nen = \"How was it?\"\n[prompt.own]\nen = \"{text}\"\n[prompt.other]\nen = \"other\""
            );
            let keys =
                format!("1 = {{ score = {score}, label = \"own\" }}, 2 = {{ score = 3, label = \"other\" }}");
            let expected =
                format!("key 1 says \"{text}\" but gives score {score}; 5 is the best score, 1 the worst");
            let expected = if wrong_scores.contains(&score) { vec![expected] } else { vec![] };
            assert_eq!(said(&rating(&["en"], &prompts, &keys)), expected, "{text}: {score}");
        }
    }
}

#[test]
fn a_label_without_english_words_is_judged_by_its_name() {
    let prompts = "[prompt.q]\nde = \"Wie war es?\"\n[prompt.very_happy]\nde = \"froh\"\n[prompt.unhappy]\nde = \"traurig\"";
    let keys = "1 = { score = 1, label = \"very_happy\" }, 2 = { score = 5, label = \"unhappy\" }";
    assert_eq!(
        said(&rating(&["de"], prompts, keys)),
        [
            "key 1 says \"very happy\" but gives score 1; 5 is the best score, 1 the worst",
            "key 2 says \"unhappy\" but gives score 5; 5 is the best score, 1 the worst",
        ]
    );
}

#[test]
fn a_label_is_known_by_its_words_in_any_language_and_whatever_stands_around_them() {
    for (language, text) in [
        ("en", "Very satisfied!"),
        ("de", "„Sehr zufrieden.“"),
        ("zh", "非常满意。"),
        ("en", "  VERY SATISFIED"),
    ] {
        let prompts = format!(
            "[prompt.q]\n{language} = \"?\"\n[prompt.own]\n{language} = \"{text}\"\n[prompt.other]\n{language} = \"x\""
        );
        let keys = "1 = { score = 1, label = \"own\" }, 2 = { score = 3, label = \"other\" }";
        let expected = format!("key 1 says \"{text}\", which means score 5, but gives score 1");
        assert_eq!(said(&rating(&[language], &prompts, keys)), [expected]);
        assert_eq!(said(&rating(&[language], &prompts, &keys.replace("score = 1", "score = 5"))), NOTHING);
    }
}

#[test]
fn scores_that_go_up_and_down_along_the_keys_are_asked_about_and_not_refused() {
    for (scores, asked) in [
        ([1, 2, 3], false),
        ([3, 2, 1], false),
        ([1, 1, 5], false),
        ([5, 1, 1], false),
        ([3, 3, 3], false),
        ([1, 5, 3], true),
        ([5, 1, 3], true),
    ] {
        let prompts = "[prompt.q]\nen = \"How was it?\"\n[prompt.own]\nen = \"so so\"";
        let keys: Vec<String> = (1..)
            .zip(scores)
            .map(|(key, score)| format!("{key} = {{ score = {score}, label = \"own\" }}"))
            .collect();
        let advice =
            format!("advice: along the keys the scores go {scores:?}, neither up nor down: is that meant?");
        let expected = if asked { vec![advice] } else { vec![] };
        let source = rating(&["en"], prompts, &keys.join(", "));
        assert_eq!(said(&source), expected);
        let name = SurveyName::new("test").unwrap();
        let (survey, advice) = read_toml(&name, &source, Library::built_in()).unwrap();
        assert_eq!((survey.main_question(), advice.len()), (Some("rating"), usize::from(asked)));
    }
}

#[test]
fn the_ends_of_a_scale_in_plain_english_go_with_their_scores() {
    let good = |key: u8, score: u8| {
        vec![format!("the prompt \"q\" in \"en\" says that {key} is good, but the key gives score {score}")]
    };
    let bad = |key: u8, score: u8| {
        vec![format!("the prompt \"q\" in \"en\" says that {key} is bad, but the key gives score {score}")]
    };
    for (text, scores, expected) in [
        ("5 is excellent", [1, 5], vec![]),
        ("5 is excellent", [5, 1], good(5, 1)),
        ("5 is excellent", [5, 2], good(5, 2)),
        ("5 is excellent", [5, 3], vec![]),
        ("5 is terrible", [1, 4], bad(5, 4)),
        ("5 is terrible", [1, 5], bad(5, 5)),
        ("5 is terrible", [1, 3], vec![]),
        ("Rate us, 5 being very good", [4, 1], good(5, 1)),
        ("Rate us. 5 means not good", [1, 5], bad(5, 5)),
        ("Please press 1 for bad, meaning worst", [5, 1], bad(1, 5)),
        ("Please press 1, meaning best", [1, 5], good(1, 1)),
        // Of another number, or of none.
        ("Press 1 or 5. It is good of you to tell us", [1, 5], vec![]),
        ("A 9 is good, so which key is", [1, 5], vec![]),
        ("Is it 1, or is 5", [1, 5], vec![]),
        // As many numbers as keys, but more labels: nothing is paired.
        ("Are you done? Say 1 for done, 5 for left", [1, 5], vec![]),
    ] {
        let prompts =
            format!("[prompt.q]\nen = \"{text}\"\n[prompt.low]\nen = \"done\"\n[prompt.high]\nen = \"left\"");
        let [one, five] = scores;
        let keys =
            format!("1 = {{ score = {one}, label = \"low\" }}, 5 = {{ score = {five}, label = \"high\" }}");
        assert_eq!(said(&rating(&["en"], &prompts, &keys)), expected, "{text} {scores:?}");
    }
}

#[test]
fn plain_english_is_read_in_every_english_and_in_no_other_language() {
    for (tag, is_english) in [("en-gb", true), ("en", true), ("de", false)] {
        let prompts = format!(
            "[prompt.q]\n{tag} = \"5 is excellent\"\n[prompt.low]\n{tag} = \"x\"\n[prompt.high]\n{tag} = \"y\""
        );
        let keys = "1 = { score = 5, label = \"low\" }, 5 = { score = 1, label = \"high\" }";
        // What ships has no text in British English: this survey says nothing of that.
        let source = rating(&[tag], &prompts, keys)
            .replace("say = \"q\"", "say = \"q\"\ninvalid = \"q\"\nsilence = \"q\"\notherwise = \"end\"");
        assert_eq!(said(&source).len(), usize::from(is_english), "{tag}: {:#?}", said(&source));
    }
}

#[test]
fn digits_of_other_scripts_are_digits() {
    for (language, text) in [("zh", "好请按１，差请按５"), ("ar", "جيد ١، سيئ ٥"), ("hi", "अच्छा १, बुरा ५")]
    {
        let (good, bad) = match language {
            "zh" => ("好", "差"),
            "ar" => ("جيد", "سيئ"),
            _ => ("अच्छा", "बुरा"),
        };
        let prompts = format!(
            "[prompt.q]\n{language} = \"{text}\"\n[prompt.fine]\n{language} = \"{good}\"\n[prompt.poorly]\n{language} = \"{bad}\""
        );
        let right = "1 = { score = 5, label = \"fine\" }, 5 = { score = 1, label = \"poorly\" }";
        assert_eq!(said(&rating(&[language], &prompts, right)), NOTHING, "{language}");
        let wrong = "1 = { score = 1, label = \"poorly\" }, 5 = { score = 5, label = \"fine\" }";
        assert_eq!(
            said(&rating(&[language], &prompts, wrong)),
            [
                format!(
                    "the prompt \"q\" in \"{language}\" says that 1 is \"fine\", but the key gives \"poorly\" and score 1"
                ),
                format!(
                    "the prompt \"q\" in \"{language}\" says that 5 is \"poorly\", but the key gives \"fine\" and score 5"
                ),
            ],
        );
    }
}

#[test]
fn a_number_that_is_no_key_does_not_hide_what_a_prompt_says_of_the_keys() {
    let prompts = "[prompt.q]\nen = \"In 90 seconds: press 1 for left, 5 for done\"\n[prompt.low]\nen = \"done\"\n[prompt.high]\nen = \"left\"";
    let keys = "1 = { score = 1, label = \"low\" }, 5 = { score = 5, label = \"high\" }";
    assert_eq!(
        said(&rating(&["en"], prompts, keys)),
        [
            "the prompt \"q\" in \"en\" says that 1 is \"high\", but the key gives \"low\" and score 1",
            "the prompt \"q\" in \"en\" says that 5 is \"low\", but the key gives \"high\" and score 5",
        ]
    );
}

#[test]
fn a_label_without_a_letter_is_no_trap_for_the_check() {
    let prompts = "[prompt.q]\nen = \"Press 1 or 2\"\n[prompt.low]\nen = \"...\"\n[prompt.high]\nen = \"!\"";
    let keys = "1 = { score = 5, label = \"low\" }, 2 = { score = 1, label = \"high\" }";
    assert_eq!(said(&rating(&["en"], prompts, keys)), NOTHING);
}

#[test]
fn steps_may_meet_again_behind_a_branch() {
    let source = "version = 1\n[[step]]\nid = \"fork\"\ntype = \"branch\"\n\
        [[step.when]]\nvariable = \"queue\"\nis = \"a\"\ngoto = \"two\"\n\
        [[step.when]]\nvariable = \"queue\"\nis = \"b\"\ngoto = \"one\"\n\
        [[step]]\nid = \"one\"\ntype = \"say\"\nsay = \"yes\"\nnext = \"last\"\n\
        [[step]]\nid = \"two\"\ntype = \"say\"\nsay = \"no\"\n\
        [[step]]\nid = \"last\"\ntype = \"say\"\nsay = \"thank_you\"\n";
    assert_eq!(said(source), NOTHING);
}

#[test]
fn a_prompt_without_a_text_in_a_promised_language_is_missing() {
    let source = "version = 1\nlanguages = [\"en\", \"de\"]\n[prompt.hello]\nen = \"Hello.\"\n\n[[step]]\nid = \"hello\"\ntype = \"say\"\nsay = \"hello\"\n";
    assert_eq!(
        found(source),
        ["9:1: the prompt \"hello\" has no text in \"de\": add de = \"…\" under [prompt.hello]"]
    );
}

#[test]
fn where_a_prompts_text_belongs_is_shown_as_toml() {
    for (prompt, table) in [
        ("hello-2", "[prompt.hello-2]"),
        ("Say hello", "[prompt.\"Say hello\"]"),
        ("a.b", "[prompt.\"a.b\"]"),
        ("grüß", "[prompt.\"grüß\"]"),
        ("", "[prompt.\"\"]"),
    ] {
        let step = format!("[[step]]\nid = \"a\"\ntype = \"say\"\nsay = \"{prompt}\"\n");
        let fault = format!("there is no prompt \"{prompt}\"; give its text under {table}");
        assert_eq!(found(&format!("version = 1\n{step}")), [format!("5:1: {fault}")]);
        assert_eq!(found(&format!("version = 1\n{table}\nen = \"Hello.\"\n{step}")), NOTHING, "as it says");
        let german = format!("version = 1\nlanguages = [\"de\"]\n{table}\nen = \"Hello.\"\n{step}");
        let fault = format!("the prompt \"{prompt}\" has no text in \"de\": add de = \"…\" under {table}");
        assert_eq!(found(&german), [format!("8:1: {fault}")]);
    }
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    assert!(found("version = \n")[0].starts_with("1:11: "), "{:?}", found("version = \n"));
}
