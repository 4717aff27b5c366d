//! Rules about the text of one source, and the one about two functions that are the same.

use std::collections::HashMap;

use super::Fault;
use super::source::Source;

/// A reader holds one file in mind at a time.
const FILE_LINES_MAX: usize = 500;
/// What fits on one screen.
const FUNCTION_LINES_MAX: usize = 70;
/// Below this two functions may be alike by chance.
const TWIN_LINES_MIN: usize = 6;
/// A run of this many of the same mark is drawn, not written.
const BANNER_RUN: usize = 4;

/// Lines with code on them that are compiled into the product.
pub(super) fn file_length(source: &Source) -> Vec<Fault> {
    let lines =
        numbered(&source.code).filter(|(line, code)| !code.trim().is_empty() && !source.is_test(*line));
    match lines.count() {
        count if count > FILE_LINES_MAX => {
            vec![source.fault(
                1,
                "file-length",
                format!("{count} lines of production code, over {FILE_LINES_MAX}"),
            )]
        }
        _ => vec![],
    }
}

pub(super) fn function_length(source: &Source) -> Vec<Fault> {
    let functions = source.functions();
    let of_product = functions.iter().filter(|function| !source.is_test(function.line));
    of_product
        .filter_map(|function| {
            let lines = code_lines(&source.code[function.body.clone()]);
            (lines > FUNCTION_LINES_MAX).then(|| {
                let detail = format!("`{}` has {lines} lines, over {FUNCTION_LINES_MAX}", function.name);
                source.fault(function.line, "function-length", detail)
            })
        })
        .collect()
}

/// Comments that draw a line instead of saying something.
pub(super) fn banners(source: &Source) -> Vec<Fault> {
    let drawn = numbered(&source.comments).filter(|(_, comment)| is_banner(comment.trim()));
    drawn
        .map(|(line, _)| source.fault(line, "banner", "a comment that draws a line; say why, or say nothing"))
        .collect()
}

fn is_banner(comment: &str) -> bool {
    let marks = |text: &str| {
        let first = text.chars().next().filter(|c| "-=*#~_/".contains(*c));
        first.map_or(0, |mark| text.chars().take_while(|c| *c == mark).count())
    };
    if marks(comment) > BANNER_RUN {
        return true;
    }
    let words = comment.trim_start_matches(['/', '!', '*']).trim();
    let backwards: String = words.chars().rev().collect();
    marks(words) >= BANNER_RUN || marks(&backwards) >= BANNER_RUN
}

/// Words and macros of those who mean to come back.
pub(super) fn unfinished(source: &Source) -> Vec<Fault> {
    const SHOUTED: &[&str] = &["TODO", "FIXME", "XXX"];
    const WHISPERED: &[&str] = &["for now", "not implemented"];
    const MACROS: &[&str] = &["todo!", "unimplemented!"];
    let in_comments = numbered(&source.comments).flat_map(|(line, comment)| {
        let quiet = comment.to_lowercase();
        let shouted = SHOUTED.iter().filter(move |word| has_word(comment, word));
        let whispered = WHISPERED.iter().filter(move |word| has_word(&quiet, word));
        shouted.chain(whispered).map(move |word| (line, *word)).collect::<Vec<_>>()
    });
    let in_code = MACROS.iter().flat_map(|name| found(source, name).map(move |line| (line, *name)));
    in_comments
        .chain(in_code)
        .map(|(line, word)| source.fault(line, "unfinished", format!("`{word}`")))
        .collect()
}

/// A test that sleeps is slow on every machine and wrong on some.
pub(super) fn sleeping_tests(source: &Source) -> Vec<Fault> {
    let asleep = found(source, "sleep(").filter(|line| source.is_test(*line));
    asleep
        .map(|line| source.fault(line, "sleep-in-test", "wait for the event itself, or pause the clock"))
        .collect()
}

pub(super) fn unbounded_channels(source: &Source) -> Vec<Fault> {
    const NAMES: &[&str] = &["unbounded_channel", "UnboundedSender", "UnboundedReceiver", "unbounded("];
    let named = NAMES.iter().flat_map(|name| found(source, name));
    // The standard library's `channel()` takes no bound, tokio's takes one, and a oneshot needs none.
    let standard = numbered(&source.code).filter(|(_, code)| takes_nothing(code, "channel"));
    let mut lines: Vec<usize> = named.chain(standard.map(|(line, _)| line)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.iter().map(|line| source.fault(*line, "unbounded", "a queue without a named bound")).collect()
}

/// Whether the line calls the function of this name with no argument.
fn takes_nothing(code: &str, name: &str) -> bool {
    has_word(code, name)
        && code.match_indices(name).any(|(at, _)| {
            let call = &code[at + name.len()..];
            let call = match call.strip_prefix("::<") {
                Some(generic) => generic.split_once(">(").map_or("", |(_, rest)| rest),
                None => call.strip_prefix('(').unwrap_or(""),
            };
            let before = code[..at].trim_end();
            call.starts_with(')') && !before.ends_with("fn") && !before.ends_with("oneshot::")
        })
}

/// Time is an argument: only a module called `clock` may ask for it. In tests clippy stands guard.
pub(super) fn clock_reads(source: &Source) -> Vec<Fault> {
    const READS: &[&str] = &["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];
    if source.path.ends_with("/clock.rs") {
        return vec![];
    }
    let reads = READS.iter().flat_map(|read| found(source, read).map(move |line| (line, read)));
    let reads = reads.filter(|(line, _)| !source.is_test(*line));
    reads
        .map(|(line, read)| source.fault(line, "clock", format!("`{read}` outside of a clock module")))
        .collect()
}

/// Functions whose bodies say the same, comments and white space aside.
pub(super) fn twins(sources: &[Source]) -> Vec<Fault> {
    let mut first_of: HashMap<String, String> = HashMap::new();
    let mut faults = Vec::new();
    for source in sources {
        for function in source.functions() {
            if code_lines(&source.code[function.body.clone()]) < TWIN_LINES_MIN {
                continue;
            }
            let body = source.text[function.body.clone()].split_whitespace().collect::<Vec<_>>().join(" ");
            let here = format!("`{}` in {}:{}", function.name, source.path, function.line);
            match first_of.get(&body) {
                Some(first) => {
                    let detail = format!("`{}` has the body of {first}", function.name);
                    faults.push(source.fault(function.line, "twins", detail));
                }
                None => _ = first_of.insert(body, here),
            }
        }
    }
    faults
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

fn code_lines(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// The lines of code that hold this text, not as the end of a longer word.
fn found<'a>(source: &'a Source, text: &'a str) -> impl Iterator<Item = usize> + 'a {
    numbered(&source.code).filter(move |(_, code)| has_word(code, text)).map(|(line, _)| line)
}

fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let closed = !joins(word.chars().next_back());
    line.match_indices(word).any(|(at, _)| {
        let after = line[at + word.len()..].chars().next();
        !joins(line[..at].chars().next_back()) && (closed || !joins(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    const SRC: &str = "crates/core/src/a.rs";
    const TEST: &str = "crates/core/tests/it/a.rs";

    #[test]
    fn a_long_file_is_found_and_its_tests_are_not_counted() {
        let line = "const A: u8 = 1;\n";
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", line.repeat(100));
        let full = format!("{}// why\n\n{tests}", line.repeat(500));
        assert!(said(file_length, SRC, &full).is_empty());
        let over = format!("{line}{full}");
        assert_eq!(said(file_length, SRC, &over), ["1: 501 lines of production code, over 500"]);
    }

    #[test]
    fn a_long_function_is_found_outside_of_tests() {
        let of = |lines: usize| format!("\nfn long() {{\n{}}}\n", "    step(); // so\n\n".repeat(lines));
        assert!(said(function_length, SRC, &of(70)).is_empty());
        assert_eq!(said(function_length, SRC, &of(71)), ["2: `long` has 71 lines, over 70"]);
        assert!(said(function_length, TEST, &of(71)).is_empty());
    }

    #[test]
    fn comments_that_draw_are_told_from_comments_that_speak() {
        for drawn in
            ["// ---- queue", "// ====", "/////", "// queue ------", "/* ***** */", "//! ####", "//~~~~~"]
        {
            assert_eq!(said(banners, SRC, drawn).len(), 1, "{drawn}");
        }
        for speaks in [
            "/// | a | --- |",
            "// a -> b",
            "/// # Errors",
            "// RFC 4733, 2.5.1.4",
            "let a = \"-----\";",
            "a /* b */",
        ] {
            assert!(said(banners, SRC, speaks).is_empty(), "{speaks}");
        }
    }

    #[test]
    fn unfinished_work_is_found_in_comments_and_in_code() {
        let words = [
            "// TODO: more",
            "/// FIXME",
            "// XXX",
            "// enough For Now.",
            "// Not implemented",
            "todo!()",
            "unimplemented!(\"x\")",
        ];
        for word in words {
            assert_eq!(said(unfinished, SRC, &format!("\n{word}")).len(), 1, "{word}");
        }
        let fine =
            "// therefore nowhere: TODOS, XXXX\nlet reason = \"501 Not Implemented, TODO\"; my_todo!();";
        assert!(said(unfinished, SRC, fine).is_empty());
    }

    #[test]
    fn a_sleep_is_found_in_tests_only() {
        let snippet = "fn a() { thread::sleep(D); }\n#[cfg(test)]\nmod tests {\n  fn b() { tokio::time::sleep(D).await }\n}\n";
        assert_eq!(said(sleeping_tests, SRC, snippet), ["4: wait for the event itself, or pause the clock"]);
        assert_eq!(said(sleeping_tests, TEST, snippet).len(), 2);
    }

    #[test]
    fn channels_without_a_bound_are_found() {
        for open in [
            "mpsc::unbounded_channel()",
            "let t: UnboundedSender<u8>;",
            "unbounded()",
            "mpsc::channel()",
            "channel::<Vec<u8>>()",
        ] {
            assert_eq!(said(unbounded_channels, SRC, open), ["1: a queue without a named bound"], "{open}");
        }
        for bounded in [
            "mpsc::channel(QUEUED_MAX)",
            "sync_channel(1)",
            "channel::<u8>(4)",
            "fn channel() -> u8 { 1 }",
            "self.channel.len()",
            "oneshot::channel()",
        ] {
            assert!(said(unbounded_channels, SRC, bounded).is_empty(), "{bounded}");
        }
    }

    #[test]
    fn the_clock_is_read_in_clock_modules_only() {
        let snippet = "// Instant::now\nlet a = std::time::Instant::now();\nlet b = jiff::Timestamp::now();";
        let said_outside = said(clock_reads, SRC, snippet);
        assert_eq!(
            said_outside,
            ["2: `Instant::now` outside of a clock module", "3: `Timestamp::now` outside of a clock module"]
        );
        assert!(said(clock_reads, "crates/server/src/clock.rs", snippet).is_empty());
        assert!(said(clock_reads, TEST, snippet).is_empty());
    }

    #[test]
    fn two_functions_with_one_body_are_found() {
        let body =
            |word: &str| format!("{{\n  let a = \"{word}\";\n  b();\n  c();\n  d();\n  e();\n  f(a)\n}}\n");
        let first = Source::read("a.rs", &format!("fn one() {}", body("x")));
        let other = Source::read(
            "b.rs",
            &format!("fn two() {}fn three() {}", body("y"), body("x").replace("b();", "b(); // why\n")),
        );
        let said: Vec<_> = twins(&[first, other]).iter().map(ToString::to_string).collect();
        assert_eq!(said, ["b.rs:9: twins: `three` has the body of `one` in a.rs:1"]);
    }
}
