use std::sync::{Arc, OnceLock};

use aftercall_core::survey::{CSAT_SURVEY, Library, read_toml};
use aftercall_core::{Survey, SurveyName};

use super::call::Call;
use super::input::Input;

const EVERYTHING: &str = include_str!("../../../crates/core/tests/vectors/surveys/everything.toml");

/// Conversations: the first byte chooses the survey and how it ends, every other something that happens on the line.
pub fn conversation(bytes: &[u8]) {
    static SURVEYS: OnceLock<[Arc<Survey>; 2]> = OnceLock::new();
    let surveys = SURVEYS.get_or_init(|| [CSAT_SURVEY, EVERYTHING].map(read));
    let mut input = Input::new(bytes);
    let first = input.byte();
    let mut call = Call::new(Arc::clone(&surveys[usize::from(first % 2)]));
    while !input.is_empty() {
        call.happens(&mut input);
    }
    if first & 2 == 0 {
        call.hangs_up();
    } else {
        call.start();
        call.goes_on_to_its_end(if first & 4 == 0 { "" } else { "3" });
    }
}

fn read(source: &str) -> Arc<Survey> {
    let name = SurveyName::new("survey").expect("a name");
    let (survey, _) = read_toml(&name, source, Library::built_in()).expect("a survey");
    Arc::new(survey)
}
