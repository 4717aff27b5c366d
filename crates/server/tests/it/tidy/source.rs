//! A Rust source as the rules see it: code, comments and literals apart, tests known, offsets kept.

use std::ops::Range;

use super::Fault;

/// One source. `code`, `text` and `comments` are as long as the file and have its line ends, with
/// blanks for what they leave out, so that an offset or a line means the same in all three.
pub(super) struct Source {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    /// Without comments and without what is inside of literals.
    pub(super) code: String,
    /// Without comments.
    pub(super) text: String,
    /// Nothing but comments.
    pub(super) comments: String,
    /// For each line, whether only tests are compiled from it.
    test_lines: Vec<bool>,
}

/// A function with a body.
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    /// Of the name, from 1.
    pub(super) line: usize,
    /// Offsets between the braces.
    pub(super) body: Range<usize>,
}

/// `a::b::c` as written, `use` groups spread out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) offset: usize,
    pub(super) names: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Source {
    pub(super) fn read(path: &str, file: &str) -> Self {
        let kinds = kinds(file.as_bytes());
        let only = |kept: &[Kind]| masked(file, &kinds, kept);
        let code = only(&[Kind::Code]);
        let test_lines = test_lines(path, &code);
        Self {
            path: path.to_owned(),
            text: only(&[Kind::Code, Kind::Literal]),
            comments: only(&[Kind::Comment]),
            code,
            test_lines,
        }
    }

    /// Whether the line, from 1, is compiled for tests only.
    pub(super) fn is_test(&self, line: usize) -> bool {
        self.test_lines.get(line - 1).copied().unwrap_or(false)
    }

    pub(super) fn line_of(&self, offset: usize) -> usize {
        line_of(&self.code, offset)
    }

    pub(super) fn fault(&self, line: usize, rule: &'static str, detail: impl Into<String>) -> Fault {
        Fault { path: self.path.clone(), line, rule, detail: detail.into() }
    }

    pub(super) fn functions(&self) -> Vec<Function<'_>> {
        let code = &self.code;
        words(code)
            .zip(words(code).skip(1))
            // A pointer to a function has no name: `fn(u8)`.
            .filter(|((at, keyword), _)| *keyword == "fn" && !code[at + keyword.len()..].starts_with('('))
            .filter_map(|(_, (at, name))| {
                let body = body_after(code, at)?;
                Some(Function { name, line: self.line_of(at), body })
            })
            .collect()
    }

    /// Every path of two names or more in the code.
    pub(super) fn paths(&self) -> Vec<Path> {
        let tokens = tokens(&self.code);
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            if is_word(tokens[at].1) {
                at = path_from(&tokens, at, &[], &mut found);
            } else {
                at += 1;
            }
        }
        found.retain(|path| path.names.len() > 1);
        found
    }
}

/// The modules that the file declares for tests only: `#[cfg(test)] mod NAME;`.
pub(super) fn test_modules(code: &str) -> Vec<String> {
    test_items(code)
        .filter_map(|item| {
            code[item].trim().strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name.to_owned())
        })
        .collect()
}

/// What each byte of a source is. The delimiters of a literal count as code.
fn kinds(file: &[u8]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; file.len()];
    let mut at = 0;
    while at < file.len() {
        let rest = &file[at..];
        if let Some(length) = comment(rest) {
            kinds[at..at + length].fill(Kind::Comment);
            at += length;
        } else if let Some(length) = literal(&file[..at], rest) {
            kinds[at + 1..at + 1 + length].fill(Kind::Literal);
            at += length + 2;
        } else {
            at += 1;
        }
    }
    kinds
}

fn comment(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'/', b'/', ..] => Some(rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => Some(block_comment(rest)),
        _ => None,
    }
}

/// The length between the quotes of the literal that begins here.
fn literal(before: &[u8], rest: &[u8]) -> Option<usize> {
    let inside = &rest[1..];
    match rest[0] {
        b'"' => Some(raw_hashes(before).map_or_else(|| escaped(inside, b'"'), |hashes| raw(inside, hashes))),
        b'\'' => character(inside),
        _ => None,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < rest.len() && depth > 0 {
        let step = match &rest[at..] {
            [b'/', b'*', ..] => Some(1),
            [b'*', b'/', ..] => Some(-1),
            _ => None,
        };
        depth += step.unwrap_or(0);
        at += if step.is_some() { 2 } else { 1 };
    }
    at
}

/// The length up to a closing quote that no backslash hides.
fn escaped(rest: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at.min(rest.len())
}

/// How many `#` stand before a quote that opens a raw string; `None` when it is none.
fn raw_hashes(before: &[u8]) -> Option<usize> {
    let hashes = before.iter().rev().take_while(|b| **b == b'#').count();
    let head = &before[..before.len() - hashes];
    let head = head.strip_suffix(b"r")?;
    let head = head.strip_suffix(b"b").or_else(|| head.strip_suffix(b"c")).unwrap_or(head);
    let word = head.last().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    (!word).then_some(hashes)
}

/// The length up to the quote that as many `#` follow as opened the raw string.
fn raw(rest: &[u8], hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    (0..rest.len()).find(|at| rest[*at..].starts_with(end.as_bytes())).unwrap_or(rest.len())
}

/// The length of a character literal after its first quote; `None` for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    let first = *rest.first()?;
    if first == b'\\' {
        return Some(escaped(rest, b'\''));
    }
    let width = first.leading_ones().max(1) as usize;
    (rest.get(width) == Some(&b'\'')).then_some(width)
}

fn masked(file: &str, kinds: &[Kind], kept: &[Kind]) -> String {
    file.char_indices()
        .flat_map(|(at, c)| {
            let shown = c == '\n' || kept.contains(&kinds[at]);
            let (c, times) = if shown { (c, 1) } else { (' ', c.len_utf8()) };
            std::iter::repeat_n(c, times)
        })
        .collect()
}

fn line_of(code: &str, offset: usize) -> usize {
    1 + code.as_bytes()[..offset].iter().filter(|b| **b == b'\n').count()
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words and single other characters, `::` as one, with their offsets.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = code[at..].chars().next() {
        let rest = &code[at..];
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            tokens.push((at, &rest[..length]));
        }
        at += length;
    }
    tokens
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    tokens(code).into_iter().filter(|(_, token)| is_word(token))
}

/// Follows one path, or one branch of a `use` tree, from the word at `at`; returns where it ends.
fn path_from(tokens: &[(usize, &str)], mut at: usize, before: &[String], found: &mut Vec<Path>) -> usize {
    let offset = tokens[at].0;
    let token = |at: usize| tokens.get(at).map_or("", |(_, token)| token);
    let mut names = before.to_vec();
    loop {
        names.push(token(at).to_owned());
        at += 1;
        if token(at) != "::" || !(is_word(token(at + 1)) || token(at + 1) == "{") {
            break;
        }
        at += 1;
        if token(at) == "{" {
            return branches_from(tokens, at + 1, &names, found);
        }
    }
    found.push(Path { offset, names });
    // The new name of `use old as new` is nobody's path.
    if token(at) == "as" { at + 2 } else { at }
}

fn branches_from(tokens: &[(usize, &str)], mut at: usize, before: &[String], found: &mut Vec<Path>) -> usize {
    while let Some((_, token)) = tokens.get(at).filter(|(_, token)| *token != "}") {
        at = if is_word(token) { path_from(tokens, at, before, found) } else { at + 1 };
    }
    at + 1
}

/// The body of the function whose name stands at an offset; `None` when it is only declared.
fn body_after(code: &str, name: usize) -> Option<Range<usize>> {
    let mut nesting = 0_i32;
    for (at, c) in code[name..].char_indices() {
        match c {
            '(' | '[' => nesting += 1,
            ')' | ']' => nesting -= 1,
            ';' if nesting == 0 => return None,
            '{' if nesting == 0 => return Some(name + at + 1..closing(code, name + at)),
            _ => {}
        }
    }
    None
}

/// The offset of the brace that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, b) in code.bytes().enumerate().skip(open) {
        depth += i32::from(b == b'{') - i32::from(b == b'}');
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

/// The items behind each `#[cfg(test)]`, from the attribute to the closing brace or semicolon.
fn test_items(code: &str) -> impl Iterator<Item = Range<usize>> {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    code.match_indices(ATTRIBUTE).map(|(at, _)| {
        let rest = at + ATTRIBUTE.len();
        let end = code[rest..].find(['{', ';']).map_or(code.len(), |found| rest + found);
        let last = if code[end..].starts_with('{') { closing(code, end) } else { end };
        at..last + 1
    })
}

fn test_lines(path: &str, code: &str) -> Vec<bool> {
    let whole = path.contains("/tests/") || path.ends_with("/tests.rs") || code.contains("#![cfg(test)]");
    let mut lines = vec![whole; code.lines().count()];
    for item in test_items(code) {
        let last = line_of(code, item.end.min(code.len())).min(lines.len());
        lines[line_of(code, item.start) - 1..last].fill(true);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_literals_and_code_are_told_apart() {
        let file = r####"let a = "// no /* comment"; // but "this"
/* one /* nested */ still */ let b = 'x'; let c: &'static str = r#"raw "quoted" text"#;
let d = '\''; let e = b"\"{"; let f = "é{"; let g = '{';
"####;
        let source = Source::read("a.rs", file);
        let code: Vec<&str> = source.code.lines().collect();
        assert_eq!(code[0].trim_end(), format!("let a = \"{}\";", " ".repeat(16)));
        assert_eq!(
            code[1].split_whitespace().collect::<Vec<_>>().join(" ").replace("' '", "''"),
            "let b = ''; let c: &'static str = r#\" \"#;"
        );
        assert!(!code[2].contains('{'), "{:?}", code[2]);
        assert!(code[2].ends_with("let g = ' ';"), "{:?}", code[2]);
        assert_eq!(source.comments.lines().next().map(str::trim), Some("// but \"this\""));
        assert!(source.text.contains("raw \"quoted\" text"));
        assert_eq!(
            (source.code.len(), source.text.len(), source.comments.len()),
            (file.len(), file.len(), file.len())
        );
    }

    #[test]
    fn a_lifetime_opens_no_literal() {
        let source = Source::read("a.rs", "fn f<'a>(x: &'a str) -> &'a str { x } // end");
        assert!(source.code.contains("{ x }"));
        assert_eq!(source.comments.trim(), "// end");
    }

    #[test]
    fn functions_are_found_with_their_bodies() {
        let file = "trait T { fn declared(&self) -> [u8; 2]; }struct S { f: fn(u8) }\nfn first(f: fn(u8)) -> u8 {\n  if x { 1 } else { 2 }\n}\nfn next() {}";
        let source = Source::read("a.rs", file);
        let found: Vec<_> = source
            .functions()
            .iter()
            .map(|f| (f.name.to_owned(), f.line, source.code[f.body.clone()].trim().to_owned()))
            .collect();
        let expected = [("first", 2, "if x { 1 } else { 2 }"), ("next", 5, "")];
        assert_eq!(found, expected.map(|(name, line, body)| (name.to_owned(), line, body.to_owned())));
    }

    #[test]
    fn use_groups_are_spread_out() {
        let source =
            Source::read("a.rs", "use crate::{a::b, c::{self, d as e}};\nlet x = std::env::var(y::<u8>());");
        let found: Vec<_> = source
            .paths()
            .iter()
            .map(|p| format!("{} {}", source.line_of(p.offset), p.names.join("::")))
            .collect();
        assert_eq!(found, ["1 crate::a::b", "1 crate::c::self", "1 crate::c::d", "2 std::env::var"]);
    }

    #[test]
    fn the_lines_of_tests_are_known() {
        let file = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod fixtures;\nfn d() {}\n";
        let source = Source::read("crates/x/src/a.rs", file);
        let lines: Vec<usize> = (1..=9).filter(|line| source.is_test(*line)).collect();
        assert_eq!(lines, [2, 3, 4, 5, 7, 8]);
        assert_eq!(test_modules(&source.code), ["fixtures"]);
        assert!(Source::read("crates/x/tests/it/main.rs", "fn a() {}").is_test(1));
    }
}
