//! What the test caller does: `--press ,1` waits for the prompt's end, then presses 1.

use std::str::FromStr;

use aftercall_wire::digit::Digit;

/// The longest script: more keys than any survey asks for.
const STEPS_MAX: usize = 64;

/// One thing the caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Waits until somebody speaks, then presses; right after another key it is the same answer's next.
    Press(Digit),
    /// Waits until the prompt is over.
    HearOut,
}

/// What the caller does, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script(Vec<Step>);

impl Script {
    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether any key is pressed.
    #[must_use]
    pub fn presses(&self) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Press(_)))
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let step = |c: char| match c {
            ',' => Ok(Step::HearOut),
            key => Digit::from_char(key).map(Step::Press).ok_or_else(|| {
                format!("\"{key}\" is no key: write 0-9, *, #, A-D, and a comma to wait for the prompt's end")
            }),
        };
        let steps = text.chars().map(step).collect::<Result<Vec<_>, _>>()?;
        if steps.len() > STEPS_MAX {
            return Err(format!("more than {STEPS_MAX} keys"));
        }
        Ok(Self(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_pauses_are_read_and_anything_else_is_named() {
        let press = |c| Step::Press(Digit::from_char(c).unwrap());
        let script: Script = ",1#d".parse().unwrap();
        assert_eq!(script.steps(), [Step::HearOut, press('1'), press('#'), press('D')]);
        assert!(!",,".parse::<Script>().unwrap().presses());
        let fault = "1x".parse::<Script>().unwrap_err();
        assert!(fault.starts_with("\"x\" is no key"), "{fault}");
    }
}
