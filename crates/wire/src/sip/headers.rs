//! The headers of a SIP message (RFC 3261, section 7.3).

use std::fmt;

/// Headers in their order, by their long names, each value on one line.
///
/// Values are text as the peer wrote it: nothing is decoded, so that what goes back out is what came in.
#[derive(Clone, Default)]
pub struct Headers {
    /// Names and values, one behind the other; what was removed stays until the message goes.
    text: String,
    lines: Vec<Line>,
}

/// Where a header lies in the text: its name from `start`, its value behind that.
#[derive(Clone, Copy)]
struct Line {
    start: u32,
    name_end: u32,
    end: u32,
}

/// The one-letter names (RFC 3261, 7.3.3, 20; RFC 3265, 3515, 3841, 3891, 3892, 4028, 4538).
const SHORT: [(&str, &str); 20] = [
    ("a", "Accept-Contact"),
    ("b", "Referred-By"),
    ("c", "Content-Type"),
    ("d", "Request-Disposition"),
    ("e", "Content-Encoding"),
    ("f", "From"),
    ("i", "Call-ID"),
    ("j", "Reject-Contact"),
    ("k", "Supported"),
    ("l", "Content-Length"),
    ("m", "Contact"),
    ("n", "Identity-Info"),
    ("o", "Event"),
    ("r", "Refer-To"),
    ("s", "Subject"),
    ("t", "To"),
    ("u", "Allow-Events"),
    ("v", "Via"),
    ("x", "Session-Expires"),
    ("y", "Identity"),
];

impl Headers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one behind the others. A name of one letter becomes the long one; line ends in the value become spaces.
    pub fn push(&mut self, name: &str, value: &str) {
        let line = self.write(name, value);
        self.lines.push(line);
    }

    /// Adds one before the others: a Via goes there.
    pub fn push_front(&mut self, name: &str, value: &str) {
        let line = self.write(name, value);
        self.lines.insert(0, line);
    }

    /// Puts this value in the place of the first of that name, or behind the others.
    pub fn set(&mut self, name: &str, value: &str) {
        let line = self.write(name, value);
        match self.place(name) {
            Some(place) => self.lines[place] = line,
            None => self.lines.push(line),
        }
    }

    /// Takes all of that name out.
    pub fn remove(&mut self, name: &str) {
        let name = long(name);
        let text = &self.text;
        self.lines.retain(|line| !line.name(text).eq_ignore_ascii_case(name));
    }

    /// The value of the first of that name, in whatever case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.place(name).map(|place| self.lines[place].value(&self.text))
    }

    /// The values of all of that name, each as it stands.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let name = long(name);
        self.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().map(|line| (line.name(&self.text), line.value(&self.text)))
    }

    fn place(&self, name: &str) -> Option<usize> {
        let name = long(name);
        self.lines.iter().position(|line| line.name(&self.text).eq_ignore_ascii_case(name))
    }

    fn write(&mut self, name: &str, value: &str) -> Line {
        let start = self.end();
        self.text.push_str(long(name));
        let name_end = self.end();
        self.text.extend(value.trim().chars().map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }));
        Line { start, name_end, end: self.end() }
    }

    /// A message has 64 KiB at most; one that we make beyond 4 GiB is none that anybody could read.
    fn end(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }
}

impl Line {
    fn name(self, text: &str) -> &str {
        text.get(self.start as usize..self.name_end as usize).unwrap_or_default()
    }

    fn value(self, text: &str) -> &str {
        text.get(self.name_end as usize..self.end as usize).unwrap_or_default()
    }
}

/// As they are sent.
impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(name, value)| write!(f, "{name}: {value}\r\n"))
    }
}

/// Names only: values name people.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

/// The long form of a name.
fn long(name: &str) -> &str {
    if name.len() != 1 {
        return name;
    }
    SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)).map_or(name, |(_, long)| long)
}
