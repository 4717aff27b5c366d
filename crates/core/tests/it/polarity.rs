//! Which words about keys contradict the scores: what was said, and the keys it is refused for.

use std::collections::BTreeSet;

use aftercall_core::SurveyName;
use aftercall_core::survey::fault::Severity;
use aftercall_core::survey::{Library, read_toml};

/// Key 1 is the best, as on the page; or the last is, as in the numbers.
const BEST_FIRST: [&str; 5] = ["very_satisfied", "satisfied", "neutral", "dissatisfied", "very_dissatisfied"];
const BEST_LAST: [&str; 5] = ["very_dissatisfied", "dissatisfied", "neutral", "satisfied", "very_satisfied"];

/// The keys that a survey is refused for, such as `15`; `-` where it is accepted. Anything else
/// that is wrong with it shows as its message.
fn refused(source: &str) -> String {
    let name = SurveyName::new("test").unwrap();
    let Err(faults) = read_toml(&name, source, Library::built_in()) else { return "-".to_owned() };
    let faults: Vec<_> = faults.into_iter().filter(|fault| fault.severity == Severity::Fault).collect();
    let mut keys: Vec<String> = faults.iter().map(|fault| key_at(source, fault.line)).collect();
    if keys.iter().any(String::is_empty) {
        return faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("\n");
    }
    keys.dedup();
    keys.concat()
}

/// A line of the map begins with its key.
fn key_at(source: &str, line: usize) -> String {
    let line = source.lines().nth(line - 1).unwrap_or_default();
    line.split_once(" = { score").map(|(key, _)| key.to_owned()).unwrap_or_default()
}

/// A rating with the library's labels and these fields, prompts and steps around it.
fn rating(labels: [&str; 5], before: &str, fields: &str, prompts: &str) -> String {
    let score = |label: &str| 5 - BEST_FIRST.iter().position(|known| *known == label).unwrap();
    let map: String = (1..=5)
        .zip(labels)
        .map(|(key, label)| format!("{key} = {{ score = {}, label = \"{label}\" }}\n", score(label)))
        .collect();
    format!(
        "version = 1\n{prompts}{before}[[step]]\nid = \"r\"\ntype = \"ask\"\nkind = \"rating\"\n{fields}\n[step.keys]\n{map}"
    )
}

fn asked(labels: [&str; 5], language: &str, text: &str) -> String {
    let prompts = format!("language = \"{language}\"\n[prompt.q]\n{language} = \"{text}\"\n");
    refused(&rating(labels, "", "say = \"q\"", &prompts))
}

/// Two or three keys with labels of the survey's own: `1 5 great` is key 1, score 5, "great".
/// A label may be spoken in a second language: `1 5 great | de prima`.
fn labelled(map: &[&str], prompt: &str) -> String {
    let (mut keys, mut texts, mut languages) = (String::new(), String::new(), BTreeSet::from(["en"]));
    for row in map {
        let (english, other) = row.split_once(" | ").unwrap_or((row, ""));
        let [key, score, label] = english.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        keys += &format!("{key} = {{ score = {score}, label = \"label{key}\" }}\n");
        texts += &format!("[prompt.label{key}]\nen = \"{label}\"\n");
        if let Some((language, text)) = other.split_once(' ') {
            texts += &format!("{language} = \"{text}\"\n");
            languages.insert(language);
        }
    }
    let asked: String = languages.iter().map(|language| format!("{language} = \"{prompt}\"\n")).collect();
    refused(&format!(
        "version = 1\n[prompt.q]\n{asked}{texts}[[step]]\nid = \"r\"\ntype = \"ask\"\nkind = \"rating\"\nsay = \"q\"\ninvalid = \"q\"\nsilence = \"q\"\notherwise = \"end\"\n[step.keys]\n{keys}"
    ))
}

#[test]
fn a_prompt_that_turns_the_scale_round_is_refused_whichever_way_it_says_so() {
    for (language, text, keys) in [
        ("en", "For excellent press 5, for poor press 1.", "15"),
        ("en", "For excellent press 5. For poor press 1.", "15"),
        ("en", "For excellent, press 5; for poor, press 1.", "15"),
        ("en", "For excellent press 5 and for poor press 1", "15"),
        ("en", "Press 5 if you were very satisfied, and 1 if you were very dissatisfied.", "15"),
        ("en", "If you were very satisfied, press 5. If you were not satisfied, press 1.", "15"),
        ("en", "Press five for excellent, press one for poor.", "15"),
        ("en", "Press five for excellent, four for good, two for bad or one for terrible.", "1245"),
        ("en", "On a scale from one to five, where five is excellent and one is terrible.", "15"),
        ("en", "1 = poor, 5 = excellent", "15"),
        ("en", "1: poor, 5: excellent", "15"),
        ("en", "5 - excellent, 1 - poor", "15"),
        ("en", "On a scale of 1-5 where 1 is terrible and 5 is excellent.", "15"),
        ("en", "Dial 1, 2, 3, 4 or 5, 5 for excellent and 1 for terrible.", "15"),
        ("en", "1 = we did a bad job, 5 = we did a good job", "15"),
        ("en", "Excellent is 5, poor is 1.", "15"),
        ("en", "Rate us from 1 to 5, 5 being excellent and 1 being very poor.", "15"),
        ("en", "Please rate us from 1 to 5, where 5 is the best.", "5"),
        ("en", "From 1 (worst) to 5 (best).", "15"),
        ("en", "How was it from 1, very bad, to 5, very good?", "15"),
        ("en", "From 1 to 5, where 5 is good and 3 okay.", "5"),
        ("en", "Press 5 if you were satisfied and 1 if not.", "5"),
        ("en", "On a scale of 1 to 5 where 1 is not at all satisfied and 5 is very satisfied.", "15"),
        ("en", "For good press the 5 key, for bad press the 1 key.", "15"),
        ("en", "Press 5 if there is nothing we could do better, 1 if we were less than good.", "15"),
        ("en", "Excellent 5, good 4, bad 2, terrible 1.", "1245"),
        ("en", "5 very good 4 good 3 so so 2 bad 1 very bad", "1245"),
        ("en", "Press 1 if you would not say it was good, 5 if it could not have been better.", "15"),
        ("en", "How satisfied were you? Press 5 for very satisfied, 1 for very dissatisfied.", "15"),
        ("en", "Tell us how satisfied you were where 5 is very good and 1 is very bad.", "15"),
        (
            "en",
            "On a scale of 1 to 5: press 5 for very satisfied, 4 for satisfied, 3 for neutral, 2 for dissatisfied or 1 for very dissatisfied.",
            "1245",
        ),
        (
            "de",
            "Von 1 bis 5: 5 für sehr zufrieden, 4 für zufrieden, 3 für neutral, 2 für unzufrieden, 1 für sehr unzufrieden.",
            "1245",
        ),
        ("de", "Für sehr zufrieden drücken Sie die 5, für sehr unzufrieden die 1.", "15"),
        ("de", "Wie zufrieden waren Sie? Von 1, sehr unzufrieden, bis 5, sehr zufrieden.", "15"),
        ("zh", "请评分，1到5分。非常满意请按5，非常不满意请按1。", "15"),
        ("zh", "非常满意请按5满意请按4一般请按3不满意请按2非常不满意请按1", "1245"),
        ("zh", "5非常满意，4满意，3一般，2不满意，1非常不满意", "1245"),
        ("zh", "请评分：5表示非常满意，1表示非常不满意。", "15"),
        ("ru", "Нажмите 5, если вы очень довольны, или 1, если очень недовольны.", "15"),
        ("es", "Marque 5 si está muy satisfecho o 1 si está muy insatisfecho.", "15"),
        ("ar", "راض جدا، اضغطوا 5. غير راض إطلاقا، اضغطوا 1.", "15"),
        ("hi", "प्रसन्न और संतुष्ट ग्राहक 5 दबाएँ, असंतुष्ट ग्राहक 1 दबाएँ।", "15"),
        ("hi", "बहुत संतुष्ट के लिए 5 दबाएँ, बहुत असंतुष्ट के लिए 1 दबाएँ।", "15"),
    ] {
        assert_eq!(asked(BEST_FIRST, language, text), keys, "{text}");
        assert_eq!(asked(BEST_LAST, language, text), "-", "the other map: {text}");
    }
}

#[test]
fn a_prompt_that_says_nothing_clear_about_the_keys_is_accepted() {
    for (language, text) in [
        ("en", "Please rate us."),
        ("en", "How satisfied were you with agent 5?"),
        ("en", "Press 1, 2, 3, 4 or 5."),
        ("en", "Sorry, that is not one of the good choices."),
        ("en", "Press 4 or 5 for good, 1 or 2 for bad."),
        ("en", "Press 5 for good or bad news."),
        ("en", "Press 3 if it was neither good nor bad."),
        ("en", "Press 1 for 5 stars, 2 for 4 stars."),
        ("en", "Within 5 days a good friend may call you."),
        ("en", "This survey has 2 short questions, and helps us to be the best."),
        ("en", "Good morning, please press 1."),
        ("en", "We hope you were very satisfied with agent 5."),
        ("en", "Please help us to do better, press 5 or 1."),
        ("en", "We are happy to help, press 5."),
        ("en", "Were you happy with our 5 star service?"),
        ("de", "Wie zufrieden waren Sie mit Schalter 5?"),
        // Not every "one" is a key.
        ("en", "This survey is one of the best ways to help us."),
        ("en", "We are sorry if your call was a bad one."),
        // Keys that are counted up have no meaning each.
        ("en", "Press 1-5 to tell us how good we were."),
        ("en", "Press 1/2/3/4/5 to tell us how good we were."),
        ("en", "Press 1, 2, 3, 4, or 5 to tell us how good we were."),
        ("en", "Press 5, 4, 3, 2, or 1 to tell us how bad we were."),
        ("en", "Press 1 or 2 or 3 or 4 or 5 to tell us how good we were."),
        ("de", "Sagen Sie uns mit 1 2 3 4 oder 5 wie zufrieden Sie waren."),
        // All meanings, then all keys.
        ("en", "Very satisfied, very dissatisfied: press 5, press 1."),
        // Both ends mean something, and no link tells to which side of it a key belongs.
        ("en", "Very good 5 very bad 1 and thank you for being a great customer."),
        ("en", "If you were satisfied press 5 if you were dissatisfied press 1 and help us to be the best."),
        // What turns a meaning round leaves open how far.
        ("zh", "不太满意请按1。"),
        ("zh", "请用1分到5分评价您的满意度。"),
        ("zh", "满意度评价请按1。"),
        ("es", "Marque 1 si no está satisfecho."),
        ("fr", "Tapez 1 si vous êtes peu satisfait."),
        ("de", "Drücken Sie 1, wenn Sie nicht zufrieden waren."),
        ("it", "Prema 1 se non è soddisfatto."),
        ("pt", "Tecle 1 se não ficou satisfeito."),
        ("ru", "Нажмите 1, если вы не очень довольны."),
        ("ar", "إذا كنت لست راض عن الخدمة، اضغط 1."),
        ("hi", "संतुष्ट नहीं होने पर 1 दबाएँ।"),
    ] {
        for labels in [BEST_FIRST, BEST_LAST] {
            assert_eq!(asked(labels, language, text), "-", "{text}");
        }
    }
}

#[test]
fn a_prompt_that_names_every_label_is_taken_at_its_word() {
    let text = "Press 1 for satisfied, 2 for very satisfied, 3 for neutral, 4 for dissatisfied, 5 for very dissatisfied.";
    assert_eq!(asked(BEST_FIRST, "en", text), "12");
    let text = "Press 1 if you were fully satisfied, 2 if satisfied, 3 if neutral, 4 for dissatisfied, 5 for very dissatisfied.";
    assert_eq!(asked(BEST_FIRST, "en", text), "-");
}

#[test]
fn labels_mean_what_they_say_negations_and_all() {
    for (map, prompt, keys) in [
        (&["1 1 Bad", "5 5 Very good, no complaints"][..], "Press 1 for bad, 5 for good.", "-"),
        (&["1 5 could not be more satisfied", "2 1 could have been happier"], "Rate.", "-"),
        (&["1 5 couldn’t be better", "2 1 could be better"], "Rate.", "-"),
        (&["1 5 couldn’t fault it, great", "2 1 wasn’t great"], "Rate.", "-"),
        (&["1 5 never been more satisfied", "2 1 not satisfied at all"], "Rate.", "-"),
        (&["1 1 could not be more satisfied", "2 5 could have been happier"], "Rate.", "12"),
        (&["1 5 great", "2 1 not great"], "Press 1 for a great call, 2 for not so great.", "-"),
        (&["1 5 great", "2 1 not great"], "Press 2 for a great call, 1 for not so great.", "12"),
        (&["1 5 never less than good", "2 1 less than good"], "Rate.", "-"),
        (&["1 1 never less than good", "2 5 less than good"], "Rate.", "12"),
        (&["1 5 no bad thing", "2 1 no good"], "Press 1 for no bad experience, 2 for a bad one.", "-"),
        (&["1 5 good", "2 3 neither good nor bad", "3 1 bad"], "Rate.", "-"),
        (&["1 5 perfect", "2 4 not perfect", "3 1 bad"], "Rate.", "-"),
        (&["1 5 good", "2 2 good enough", "3 1 bad"], "1 is best. 2 is not good enough. 3 is worst.", "-"),
        (&["1 5 good", "2 1 bad"], "Press 1 for good or 2 for bad.", "-"),
        (&["1 5 good", "2 1 bad"], "Press 2 for good or 1 for bad.", "12"),
        (&["1 5 great", "2 1 bad"], "Press 1 if we did a great job, 2 if we need to do better.", "-"),
        (&["1 5 not bad at all", "2 1 not good"], "Rate.", "-"),
        (&["1 1 not bad at all", "2 5 not good"], "Rate.", "12"),
        (
            &["1 5 very satisfied | de sehr unzufrieden", "2 1 very dissatisfied | de sehr zufrieden"],
            "1 2",
            "12",
        ),
        (&["1 5 excellent | de sehr unzufrieden", "2 1 poor | de sehr zufrieden"], "1 2", "12"),
        (
            &["1 5 very satisfied | de sehr zufrieden", "2 1 very dissatisfied | de sehr unzufrieden"],
            "1 2",
            "-",
        ),
        (&["1 5 very satisfied | de nicht unzufrieden", "2 1 poor | de nicht zufrieden"], "1 2", "-"),
    ] {
        assert_eq!(labelled(map, prompt), keys, "{map:?} {prompt}");
    }
}

#[test]
fn every_prompt_around_the_question_is_read() {
    let prompts = "languages = [\"en\"]\n[prompt.turned]\nen = \"Press 5 for very satisfied, 1 for very dissatisfied.\"\n\
        [prompt.half]\nen = \"Press 5 for very satisfied,\"\n[prompt.rest]\nen = \"and 1 for very dissatisfied.\"\n\
        [prompt.press]\nen = \"press\"\n";
    let before = "[[step]]\nid = \"i\"\ntype = \"say\"\nsay = \"turned\"\n";
    let other =
        "[[step]]\nid = \"n\"\ntype = \"ask\"\nkind = \"nps\"\nsay = \"nps_question\"\notherwise = \"r\"\n";
    for (before, fields, keys) in [
        ("", "say = \"please_wait\"", "-"),
        ("", "say = [\"half\", \"rest\"]", "15"),
        ("", "say = [\"very_satisfied\", \"digit_5\", \"very_dissatisfied\", \"digit_1\"]", "15"),
        ("", "say = \"please_rate\"\ninvalid = \"turned\"", "15"),
        ("", "say = \"please_rate\"\nsilence = \"turned\"", "15"),
        (before, "say = \"please_wait\"", "15"),
        // What is said before another question is about that one.
        (&format!("{before}{other}"), "say = \"please_wait\"", "-"),
    ] {
        assert_eq!(refused(&rating(BEST_FIRST, before, fields, prompts)), keys, "{before}{fields}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_can_be_read(text in "([1-5]|one|five|good|bad|not|press|for|is|to|,|\\.|\\?|非常满意|满意|是| |\\PC){0,40}") {
        let text = text.replace(['\\', '"'], " ");
        for language in ["en", "zh", "de"] {
            proptest::prop_assert!(!asked(BEST_FIRST, language, &text).contains("no prompt"));
        }
    }
}
