//! `aftercall dial`: a test call by a real telephone.

use std::time::Duration;

use clap::Args;

use super::{Exit, World};
use crate::dial::{self, KeysBy, Options, Script};
use crate::signalling::{Credentials, Target, Transport};

pub(super) const EXAMPLES: &str = "\
Examples:
  aftercall dial sip:csat-survey@127.0.0.1 --press 1
  aftercall dial sip:csat-survey@pbx.example --press ,2 --transport tcp --header 'X-Agent-Id: agent-001'
  aftercall dial sip:two-questions@127.0.0.1 --press 1,10 --json

Exit codes:
  0  the call went as expected: a prompt was heard, the keys were pressed, something new followed, no question
     was asked again after its key (but for *), and the server hung up
  1  it did not; the last line says why
  2  the command line is wrong";

/// A call to place.
#[derive(Debug, Args)]
pub(super) struct DialCommand {
    /// Whom to call: sip:SURVEY@HOST[:PORT]
    uri: Target,

    /// Keys to press once a prompt is heard; a comma first hears the prompt out, keys without one between
    /// them are typed as one answer
    #[arg(long, value_name = "KEYS", default_value = "")]
    press: Script,

    /// udp or tcp [default: what the URI says, else udp]
    #[arg(long, value_parser = transport)]
    transport: Option<Transport>,

    /// Another header of the INVITE, as 'Name: value'; may be given several times
    #[arg(long, value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,

    /// Send keys as tones in the audio
    #[arg(long, conflicts_with = "info")]
    inband: bool,

    /// Send keys by SIP INFO
    #[arg(long)]
    info: bool,

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
            target: self.uri,
            transport: self.transport,
            script: self.press,
            keys_by,
            headers: self.header,
            from_user: self.from,
            credentials: credentials.map(|(user, password)| Credentials { user, password: password.into() }),
            hang_up_after: self.hang_up_after,
            within: self.within,
        }
    }
}

fn transport(text: &str) -> Result<Transport, String> {
    text.parse().map_err(|()| "write udp or tcp".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    let (name, value) = (name.trim(), value.trim());
    let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    if name.is_empty() || !name.chars().all(token) || value.chars().any(char::is_control) {
        return Err("a header has a name without blanks, a colon and a value on one line".to_owned());
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
