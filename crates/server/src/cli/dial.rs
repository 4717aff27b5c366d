//! `aftercall dial`: a test call by a real telephone.

use std::path::PathBuf;
use std::time::Duration;

use aftercall_wire::codec::Codec;
use aftercall_wire::sip::is_token;
use clap::Args;
use percent_encoding::percent_decode_str;

use super::{Exit, World};
use crate::dial::{self, KeysBy, Options, Script};
use crate::signalling::{BadTarget, Credentials, Target, Transport, is_ours};

pub(super) const EXAMPLES: &str = "\
Examples:
  aftercall dial sip:csat-survey@127.0.0.1 --press 1
  aftercall dial sip:csat-survey@pbx.example --press ,2 --transport tcp --header 'X-Agent-Id: agent-001'
  aftercall dial 'sip:csat-survey@127.0.0.1?X-Agent-Id=agent-001&X-Call-Id=q2' --press 1
  aftercall dial sips:csat-survey@pbx.example --ca pbx-ca.pem --press 4
  aftercall dial sip:two-questions@127.0.0.1 --press 1,10 --json
  aftercall dial sip:csat-survey@127.0.0.1 --press 1 --codec opus

Exit codes:
  0  the call went as expected: a prompt was heard, the keys were pressed, something new followed, no question
     was asked again after its key (but for *), and the server hung up
  1  it did not; the last line says why
  2  the command line is wrong";

/// A call to place.
#[derive(Debug, Args)]
pub(super) struct DialCommand {
    /// Whom to call: sip:SURVEY@HOST[:PORT] or sips:…, perhaps with headers for the INVITE behind it:
    /// ?X-Agent-Id=agent-001
    #[arg(value_parser = callee)]
    uri: Callee,

    /// Keys to press once a prompt is heard; a comma first hears the prompt out, keys without one between
    /// them are typed as one answer
    #[arg(long, value_name = "KEYS", default_value = "")]
    press: Script,

    /// udp, tcp or tls [default: what the URI says, else udp]
    #[arg(long, value_parser = transport)]
    transport: Option<Transport>,

    /// A PEM file with the certificate of whoever signed the server's, for TLS
    /// [default: the authorities that browsers trust]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Another header of the INVITE, as 'Name: value'; may be given several times
    #[arg(long, value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,

    /// Send keys as tones in the audio, and offer no telephone events
    #[arg(long, conflicts_with = "info")]
    inband: bool,

    /// Send keys by SIP INFO
    #[arg(long)]
    info: bool,

    /// Offer this codec alone: pcmu, pcma, g722 or opus [default: all of them, in this order]
    #[arg(long, value_parser = codec)]
    codec: Option<&'static [Codec]>,

    /// Offer encrypted media (SRTP), and nothing else
    #[arg(long)]
    srtp: bool,

    /// Who calls: the user part of our address
    #[arg(long, value_name = "USER", default_value = "dial")]
    from: String,

    /// The user name, when the server asks who we are
    #[arg(long, requires = "password")]
    user: Option<String>,

    /// The password for it
    #[arg(long, requires = "user")]
    password: Option<String>,

    /// Hang up this many seconds after the last key instead of waiting for the server
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    hang_up_after: Option<Duration>,

    /// The longest the whole call may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    within: Duration,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Whom to call, and the headers that the address puts into the INVITE.
#[derive(Debug, Clone)]
struct Callee {
    target: Target,
    headers: Vec<(String, String)>,
}

pub(super) async fn run(command: DialCommand, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let json = command.json;
    let report = dial::dial(command.options(), world.clock.clone()).await.map_err(anyhow::Error::msg)?;
    if json {
        writeln!(world.out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        writeln!(world.out, "{report}")?;
    }
    Ok(if report.failure.is_none() { Exit::Well } else { Exit::Failed })
}

impl DialCommand {
    fn options(self) -> Options {
        let keys_by = match (self.info, self.inband) {
            (true, _) => KeysBy::Info,
            (false, true) => KeysBy::Inband,
            (false, false) => KeysBy::Events,
        };
        let credentials = self.user.zip(self.password);
        Options {
            target: self.uri.target,
            transport: self.transport,
            ca: self.ca,
            script: self.press,
            keys_by,
            codecs: self.codec.unwrap_or(&Codec::ALL),
            srtp: self.srtp,
            // Of two of one name the first counts.
            headers: self.header.into_iter().chain(self.uri.headers).collect(),
            from_user: self.from,
            credentials: credentials.map(|(user, password)| Credentials { user, password: password.into() }),
            hang_up_after: self.hang_up_after,
            within: self.within,
        }
    }
}

fn transport(text: &str) -> Result<Transport, String> {
    text.parse().map_err(|()| "write udp, tcp or tls".to_owned())
}

fn codec(text: &str) -> Result<&'static [Codec], String> {
    match text.to_ascii_lowercase().as_str() {
        "pcmu" => Ok(&[Codec::Pcmu]),
        "pcma" => Ok(&[Codec::Pcma]),
        "g722" => Ok(&[Codec::G722]),
        "opus" => Ok(&[Codec::Opus]),
        _ => Err("write pcmu, pcma, g722 or opus".to_owned()),
    }
}

/// An address and the headers in it (RFC 3261, 19.1.1).
fn callee(text: &str) -> Result<Callee, String> {
    let target: Target = text.parse().map_err(|bad: BadTarget| bad.to_string())?;
    let headers = target.headers().split('&').filter(|header| !header.is_empty()).map(header_in_address);
    let headers = headers.collect::<Result<_, String>>()?;
    Ok(Callee { target, headers })
}

fn header_in_address(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or("write the address's headers as ?NAME=VALUE&NAME=VALUE")?;
    let decoded = |text| {
        let text = percent_decode_str(text).decode_utf8();
        text.map_err(|_| "a header of the address is not UTF-8 once its %XX are decoded")
    };
    let (name, value) = (decoded(name)?, decoded(value)?);
    if name.eq_ignore_ascii_case("body") {
        return Err("`body`: what the INVITE carries is our own, and cannot be given".to_owned());
    }
    named(&name, &value)
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    named(name, value)
}

fn named(name: &str, value: &str) -> Result<(String, String), String> {
    let (name, value) = (name.trim(), value.trim());
    if !is_token(name) || value.chars().any(char::is_control) {
        return Err("a header has a name without blanks and a value on one line".to_owned());
    }
    if is_ours(name) {
        return Err(format!("`{name}` is a header that the call needs for itself, and cannot be given"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds".to_owned())?;
    if !(0.0..=3_600.0).contains(&seconds) {
        return Err("write a number of seconds from 0 to 3600".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_addresss_headers_are_decoded_and_those_of_the_call_itself_are_refused() {
        const OURS: &str = "is a header that the call needs for itself, and cannot be given";
        for (address, expected) in [
            ("sip:x@h", Ok(&[][..])),
            ("sip:x@h?", Ok(&[])),
            ("sip:x@h?X-Agent-Id=5&X-Call-Id=q2", Ok(&[("X-Agent-Id", "5"), ("X-Call-Id", "q2")])),
            ("sip:x@h;y=1?%58-A=%E5%A5%BD%20%26+1=2&Subject=", Ok(&[("X-A", "好 &+1=2"), ("Subject", "")])),
            ("sip:x@h?Via=a", Err(format!("`Via` {OURS}"))),
            ("sip:x@h?X-A=1&f=a", Err(format!("`f` {OURS}"))),
            ("sip:x@h?TO=a", Err(format!("`TO` {OURS}"))),
            ("sip:x@h?Call%2DID=a", Err(format!("`Call-ID` {OURS}"))),
            ("sip:x@h?CSeq=a", Err(format!("`CSeq` {OURS}"))),
            ("sip:x@h?Contact=a", Err(format!("`Contact` {OURS}"))),
            ("sip:x@h?Route=a", Err(format!("`Route` {OURS}"))),
            ("sip:x@h?Content-Disposition=a", Err(format!("`Content-Disposition` {OURS}"))),
            (
                "sip:x@h?%62ody=a",
                Err("`body`: what the INVITE carries is our own, and cannot be given".into()),
            ),
            ("sip:x@h?X-A", Err("write the address's headers as ?NAME=VALUE&NAME=VALUE".into())),
            ("sip:x@h?X-A=%FF", Err("a header of the address is not UTF-8 once its %XX are decoded".into())),
            (
                "sip:x@h?X-A=1%0D%0AVia:%20a",
                Err("a header has a name without blanks and a value on one line".into()),
            ),
        ] {
            let found = callee(address).map(|callee| callee.headers);
            let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            assert_eq!(found, expected.map(|headers| headers.iter().map(text).collect()), "{address}");
        }
    }
}
