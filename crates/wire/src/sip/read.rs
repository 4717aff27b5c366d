//! Cuts messages out of datagrams and streams (RFC 3261, sections 7.5 and 18.3) and reads them.
//!
//! What can be answered is read, with the [`Flaw`] that forbids acting upon it; only what is no SIP at all is
//! [`Broken`].

use super::flaw::{self, Flaw};
use super::headers::Headers;
use super::message::{HEAD_BYTES_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX, Message, Request, Response};

/// What a datagram, or the front of a stream, is.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Two empty lines: the peer wants one back (RFC 5626, section 3.5.1).
    Ping,
    /// Nothing to act upon: an empty line, padding.
    Nothing,
    /// A message.
    Message(Box<Message>, Option<Flaw>),
}

/// No SIP. On a stream nothing behind it can be found either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no SIP message")]
pub struct Broken;

/// How long the body is, as Content-Length has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    Nothing,
    Bytes(usize),
    /// No number, or two that differ: that is how messages are smuggled.
    Nonsense,
}

/// Reads a datagram, which is one message (section 18.3). What is behind the body that Content-Length announces is
/// left out.
///
/// # Errors
/// When it is no SIP.
pub fn datagram(bytes: &[u8]) -> Result<Piece, Broken> {
    if bytes == b"\r\n\r\n" {
        return Ok(Piece::Ping);
    }
    if bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Ok(Piece::Nothing);
    }
    let end = head_length(bytes)?;
    let (head, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    let (mut message, announced, flaw) = read_head(head)?;
    let (body, cut) = match announced {
        _ if end.is_none() => (rest, Some(Flaw::Truncated)),
        Announced::Bytes(length) if length > rest.len() => (rest, Some(Flaw::Truncated)),
        Announced::Bytes(length) => (&rest[..length], None),
        Announced::Nothing => (rest, None),
        Announced::Nonsense => (rest, Some(Flaw::Length)),
    };
    set_body(&mut message, body);
    Ok(judged(message, cut.or(flaw)))
}

/// Reads the front of a stream: `None` while it is incomplete, else the piece and how many bytes it took. A message
/// whose length cannot be known takes all there is: nothing behind it can be found.
///
/// # Errors
/// When it is no SIP.
pub fn stream(bytes: &[u8]) -> Result<Option<(Piece, usize)>, Broken> {
    if bytes.starts_with(b"\r\n\r\n") {
        return Ok(Some((Piece::Ping, 4)));
    }
    // A lone CRLF with more behind it is not the first half of a ping.
    if let [b'\r', b'\n', next, ..] = bytes
        && *next != b'\r'
    {
        return Ok(Some((Piece::Nothing, 2)));
    }
    let Some(length) = head_length(bytes)? else { return Ok(None) };
    let (mut message, announced, flaw) = read_head(&bytes[..length])?;
    let body = match announced {
        Announced::Nothing => 0,
        Announced::Bytes(body) => body,
        Announced::Nonsense => return Ok(Some((judged(message, Some(Flaw::Length)), bytes.len()))),
    };
    let total = length.saturating_add(body);
    if total > MESSAGE_BYTES_MAX {
        return Err(Broken);
    }
    let Some(body) = bytes.get(length..total) else { return Ok(None) };
    set_body(&mut message, body);
    Ok(Some((judged(message, flaw), total)))
}

fn judged(message: Message, flaw: Option<Flaw>) -> Piece {
    let flaw = flaw.or_else(|| flaw::of(&message));
    Piece::Message(Box::new(message), flaw)
}

fn set_body(message: &mut Message, bytes: &[u8]) {
    match message {
        Message::Request(request) => request.body = bytes.to_vec(),
        Message::Response(response) => response.body = bytes.to_vec(),
    }
}

/// Length of start line and headers with the empty line behind them; `None` if that has not come yet.
fn head_length(bytes: &[u8]) -> Result<Option<usize>, Broken> {
    let searched = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    match searched.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(at) => Ok(Some(at + 4)),
        None if searched.len() == HEAD_BYTES_MAX => Err(Broken),
        None => Ok(None),
    }
}

/// Start line and headers, without Content-Length, which is told beside them.
fn read_head(head: &[u8]) -> Result<(Message, Announced, Option<Flaw>), Broken> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.trim_end_matches("\r\n").split("\r\n").peekable();
    let (mut message, mut flaw) = read_start(lines.next().ok_or(Broken)?)?;
    let mut headers = Headers::new();
    let (mut announced, mut count) = (Announced::Nothing, 0);
    while let Some(line) = lines.next() {
        // A line that begins with a space goes on with the one before it (section 7.3.1).
        let mut unfolded = None;
        while let Some(more) = lines.next_if(|next| next.starts_with([' ', '\t'])) {
            let whole: &mut String = unfolded.get_or_insert_with(|| line.trim_end().to_owned());
            whole.push(' ');
            whole.push_str(more.trim());
        }
        let Some((name, value)) = unfolded.as_deref().unwrap_or(line).split_once(':') else {
            flaw = flaw.or(Some(Flaw::HeaderLine));
            continue;
        };
        let (name, value) = (name.trim_end_matches([' ', '\t']), value.trim());
        count += 1;
        if !flaw::is_token(name) || count > HEADERS_MAX {
            flaw = flaw.or(Some(Flaw::HeaderLine));
        } else if name.eq_ignore_ascii_case("Content-Length") || name.eq_ignore_ascii_case("l") {
            announced = announced.and(value);
        } else {
            headers.push(name, value);
        }
    }
    match &mut message {
        Message::Request(request) => request.headers = headers,
        Message::Response(response) => response.headers = headers,
    }
    Ok((message, announced, flaw))
}

impl Announced {
    fn and(self, value: &str) -> Self {
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        match (self, value.parse()) {
            (Self::Nothing, Ok(length)) if digits => Self::Bytes(length),
            (Self::Bytes(one), Ok(other)) if digits && one == other => self,
            _ => Self::Nonsense,
        }
    }
}

fn read_start(line: &str) -> Result<(Message, Option<Flaw>), Broken> {
    if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        return read_status(line);
    }
    let (method, rest) = line.split_once(' ').ok_or(Broken)?;
    let (uri, version) = rest.trim_end().rsplit_once(' ').ok_or(Broken)?;
    if !flaw::is_token(method) || !version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        return Err(Broken);
    }
    let flaw = if !version.eq_ignore_ascii_case("SIP/2.0") {
        Some(Flaw::Version)
    } else if rest.trim_end() != rest {
        Some(Flaw::StartLine)
    } else {
        flaw::of_uri(uri)
    };
    let request =
        Request { method: method.into(), uri: uri.into(), headers: Headers::new(), body: Vec::new() };
    Ok((Message::Request(request), flaw))
}

fn read_status(line: &str) -> Result<(Message, Option<Flaw>), Broken> {
    let (version, rest) = line.split_once(' ').ok_or(Broken)?;
    let (status, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
    let known = version.eq_ignore_ascii_case("SIP/2.0");
    let status = Some(status)
        .filter(|digits| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|status| (100..700).contains(status));
    let flaw = if known { status.is_none().then_some(Flaw::StartLine) } else { Some(Flaw::Version) };
    let response = Response {
        status: status.unwrap_or_default(),
        phrase: phrase.into(),
        headers: Headers::new(),
        body: Vec::new(),
    };
    Ok((Message::Response(response), flaw))
}
