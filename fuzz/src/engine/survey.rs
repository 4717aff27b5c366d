use std::sync::Arc;

use aftercall_core::survey::fault::Severity;
use aftercall_core::survey::{Definition, Library, STEPS_MAX, compile, read_toml};
use aftercall_core::{Survey, SurveyName};

use super::call::Call;

/// Survey files: a bad one is refused with places that are in it, a good one can be kept as JSON and conducted to its
/// end, whatever the caller does.
pub fn survey(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let name = SurveyName::new("fuzzed").expect("a name");
    let (read, said) = match read_toml(&name, source, Library::built_in()) {
        Ok((survey, advice)) => (Some(survey), advice),
        Err(faults) => (None, faults),
    };
    let lines = source.matches('\n').count() + 1;
    assert!(said.iter().all(|said| (1..=lines).contains(&said.line) && said.column >= 1), "{said:?}");
    assert!(said.iter().all(|said| !said.message.is_empty()));
    assert_eq!(read.is_none(), said.iter().any(|said| said.severity == Severity::Fault), "{said:?}");
    if let Some(survey) = read {
        kept_as_json(&name, &survey);
        conducted(survey);
    }
}

fn kept_as_json(name: &SurveyName, survey: &Survey) {
    let json = serde_json::to_string(survey.definition()).expect("a definition is JSON");
    let again: Definition = serde_json::from_str(&json).expect("its JSON is a definition");
    assert_eq!(&again, survey.definition());
    assert_eq!(compile(name, again, Library::built_in()).survey.as_ref(), Some(survey));
}

fn conducted(survey: Survey) {
    for (prompt, _, texts) in survey.prompts() {
        assert!(!texts.is_empty(), "{prompt} cannot be said");
    }
    assert!((1..=STEPS_MAX).contains(&survey.definition().step.len()));
    let survey = Arc::new(survey);
    // Silence only, then each key and a few of them in turn, with prompts that end by themselves or are cut.
    for keys in ["", "1", "5", "0", "#", "1#", "12345", "09*B"] {
        let mut call = Call::new(Arc::clone(&survey));
        call.start();
        call.goes_on_to_its_end(keys);
    }
}
