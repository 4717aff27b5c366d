//! What a survey says of itself to those who play, store and show it.

use std::collections::BTreeMap;

use aftercall_core::survey::fault::Pointer;
use aftercall_core::survey::{Library, read_toml};
use aftercall_core::{Language, Session, SurveyName};

use crate::line::Line;
use crate::surveys::{KEYS, csat, everything, two_questions};

const BILINGUAL: &str = "version = 3\nlanguage = \"de\"\nlanguages = [\"en\"]\n\
    [prompt.hello]\nde = \"Hallo.\"\nen = \"Hello.\"\nfr = \"Bonjour.\"\n\
    [prompt.thank_you]\nde = \"Danke!\"\n\
    [[step]]\nid = \"hello\"\ntype = \"say\"\nsay = [\"hello\", \"thank_you\"]\n";

fn tag(text: &str) -> Language {
    text.parse().unwrap()
}

#[test]
fn a_survey_names_itself_its_version_its_main_question_and_its_languages() {
    let name = SurveyName::new("welcome").unwrap();
    let (survey, _) = read_toml(&name, BILINGUAL, Library::built_in()).unwrap();
    assert_eq!((survey.name(), survey.version(), survey.main_question()), (&name, 3, None));
    assert_eq!(survey.languages().iter().map(Language::as_str).collect::<Vec<_>>(), ["de", "en"]);
    assert_eq!(survey.definition().step[0].id, "hello");
    assert_eq!(everything().version(), 7);
    assert_eq!(everything().main_question(), Some("rating"));
    assert_eq!(two_questions().main_question(), Some("rating"), "the first rating");
}

#[test]
fn of_two_ratings_the_first_is_the_calls_unless_the_author_says_otherwise() {
    let two = |main: &str| {
        crate::line::survey(&format!(
            "version = 1\n{main}\n\
             [[step]]\nid = \"hello\"\ntype = \"ask\"\nkind = \"nps\"\nsay = \"nps_question\"\n\
             [[step]]\nid = \"agent\"\ntype = \"ask\"\nkind = \"rating\"\nsay = \"please_rate\"\n{KEYS}\n\
             [[step]]\nid = \"company\"\ntype = \"ask\"\nkind = \"rating\"\nsay = \"please_rate\"\n{KEYS}\n"
        ))
    };
    assert_eq!(two("").main_question(), Some("agent"));
    assert_eq!(two("main = \"company\"").main_question(), Some("company"));
}

#[test]
fn every_prompt_that_may_be_said_is_listed_with_its_first_place_and_its_texts() {
    let name = SurveyName::new("welcome").unwrap();
    let (survey, _) = read_toml(&name, BILINGUAL, Library::built_in()).unwrap();
    let say = Pointer::root().key("step").index(0).key("say");
    let (german, english) = (tag("de"), tag("en"));
    let prompts: Vec<_> = survey.prompts().collect();
    assert_eq!(
        prompts,
        [
            ("hello", &say.index(0), BTreeMap::from([(&german, "Hallo."), (&english, "Hello.")])),
            // Its own German, the English that ships.
            (
                "thank_you",
                &say.index(1),
                BTreeMap::from([(&german, "Danke!"), (&english, "Thank you for your rating. Goodbye.")])
            ),
        ]
    );
}

#[test]
fn a_question_asks_for_its_keys_and_digits() {
    use aftercall_core::{Act, Heard, What};
    let keys = |line: &mut Line| -> String {
        match line.act() {
            Act::Ask(asked) => {
                let keys: String = asked.keys.iter().map(|key| key.char()).collect();
                format!("{} {keys} {}-{}", asked.question, asked.collect.least, asked.collect.most)
            }
            other => format!("{other:?}"),
        }
    };
    let mut line = Line::new(everything());
    line.start();
    assert_eq!(keys(&mut line), "consent *12 1-1");
    assert_eq!(keys(line.play("p 1")), "rating *012345 1-1");
    assert_eq!(keys(line.play("p 1")), "confirmation 1* 1-1");
    assert_eq!(keys(line.play("p ~")), "effort *012345679 1-1");
    assert_eq!(keys(line.play("p 7")), "order #*0123456789B 2-4");
    let mut line = Line::new(two_questions());
    line.start();
    assert_eq!(keys(line.play("p 1")), "nps #*0123456789 1-2");
    let survey = csat();
    let session = Session::new(&survey, Some(&tag("de-AT")), BTreeMap::new());
    assert_eq!(session.language().as_str(), "de");
    let (_, turn, _) = session.hear(Heard { turn: 0, what: What::Start }, &survey);
    let Act::Ask(asked) = turn.act else { unreachable!("{turn:?}") };
    assert!(asked.say.iter().all(|spoken| spoken.piece.language == "de" && spoken.text.starts_with("Bitte")));
}
