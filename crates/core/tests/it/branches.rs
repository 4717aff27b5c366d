//! Where branches lead.

use crate::line::{call, survey};
use crate::surveys::branching;

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
        assert_eq!(
            (line.said("yes"), line.said("no")),
            if fits { (1, 0) } else { (0, 1) },
            "{arm}: {script}"
        );
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
        assert_eq!(
            (line.said("yes"), line.said("no")),
            if fits { (1, 0) } else { (0, 1) },
            "{typed}: {test}"
        );
    }
}
