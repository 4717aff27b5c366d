//! Surveys that several tests conduct.

use aftercall_core::Survey;
use aftercall_core::survey::CSAT_SURVEY;

use crate::line::survey;

pub const KEYS: &str = r#"
[step.keys]
1 = { score = 5, label = "very_satisfied" }
2 = { score = 4, label = "satisfied" }
3 = { score = 3, label = "neutral" }
4 = { score = 2, label = "dissatisfied" }
5 = { score = 1, label = "very_dissatisfied" }
"#;

/// The documented flow.
pub fn csat() -> Survey {
    survey(CSAT_SURVEY)
}

/// The documented flow, with "press 1 to change".
pub fn with_change() -> Survey {
    survey(&CSAT_SURVEY.replace(
        "say = [\"you_rated\", \"{key}\", \"{label}\"]",
        "say = [\"you_rated\", \"{key}\", \"{label}\", \"press_1_to_change\"]\nchange = true",
    ))
}

/// A welcome that keys cut (or not) before a rating that can be skipped, its confirmation, and an
/// end without a word.
pub fn welcomed(interruptible: bool) -> Survey {
    survey(&format!(
        "version = 1\n[prompt.welcome]\nen = \"Welcome.\"\n\
         [[step]]\nid = \"welcome\"\ntype = \"say\"\nsay = \"welcome\"\ninterruptible = {interruptible}\n\
         [[step]]\nid = \"rating\"\ntype = \"ask\"\nkind = \"rating\"\nsay = \"please_rate\"\nskip_key = \"0\"\n{KEYS}\n\
         [[step]]\nid = \"confirmation\"\ntype = \"confirm\"\nsay = \"you_rated\"\ninterruptible = {interruptible}\n\
         [[step]]\nid = \"over\"\ntype = \"end\"\n"
    ))
}

/// A rating that can be skipped, then a branch: where its arm fits to "yes" and the end, else to
/// `otherwise`: "no", or a net promoter score before that.
pub fn branching(arm: &str, otherwise: &str) -> Survey {
    survey(&format!(
        "version = 1\n\
         [[step]]\nid = \"rating\"\ntype = \"ask\"\nkind = \"rating\"\nsay = \"please_rate\"\nskip_key = \"0\"\n{KEYS}\n\
         [[step]]\nid = \"fork\"\ntype = \"branch\"\notherwise = \"{otherwise}\"\n\
         [[step.when]]\n{arm}\ngoto = \"fits\"\n\
         [[step.when]]\nvariable = \"skill\"\nis = \"none of this survey's callers\"\ngoto = \"nps\"\n\
         [[step]]\nid = \"nps\"\ntype = \"ask\"\nkind = \"nps\"\nsay = \"nps_question\"\n\
         [[step]]\nid = \"other\"\ntype = \"end\"\nsay = \"no\"\n\
         [[step]]\nid = \"fits\"\ntype = \"end\"\nsay = \"yes\"\n"
    ))
}

/// Up to four digits, and all that can be said of them.
pub fn read_back() -> Survey {
    survey(
        "version = 1\n\
         [[step]]\nid = \"q\"\ntype = \"ask\"\nkind = \"digits\"\nsay = \"nps_question\"\nmax_digits = 4\n\
         [[step]]\nid = \"echo\"\ntype = \"say\"\nsay = [\"{q.value}\", \"please_wait\", \"{q.label}\", \"please_wait\", \"{q.key}\"]\nnext = \"end\"\n",
    )
}

/// A rating, then a net promoter score.
pub fn two_questions() -> Survey {
    survey(&format!(
        "version = 1\n[[step]]\nid = \"rating\"\ntype = \"ask\"\nkind = \"rating\"\nsay = \"please_rate\"\n{KEYS}\n\
         [[step]]\nid = \"nps\"\ntype = \"ask\"\nkind = \"nps\"\nsay = \"nps_question\"\n\
         [[step]]\nid = \"thanks\"\ntype = \"say\"\nsay = \"thank_you\"\n"
    ))
}

/// Everything a survey can do: consent, rating, a branch on a low score to a voice comment,
/// a webhook, effort, digits that can be skipped, back keys, a transfer for the unhappy.
pub fn everything() -> Survey {
    survey(include_str!("../vectors/surveys/everything.toml"))
}
