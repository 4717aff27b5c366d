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

#[test]
fn a_prompt_without_a_text_in_a_promised_language_is_missing() {
    let source = "version = 1\nlanguages = [\"en\", \"de\"]\n[prompt.hello]\nen = \"Hello.\"\n\n[[step]]\nid = \"hello\"\ntype = \"say\"\nsay = \"hello\"\n";
    assert_eq!(
        found(source),
        ["9:1: the prompt \"hello\" has no text in \"de\": add de = \"…\" under [prompt.hello]"]
    );
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    assert!(found("version = \n")[0].starts_with("1:11: "), "{:?}", found("version = \n"));
}
