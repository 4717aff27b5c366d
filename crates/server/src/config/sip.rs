//! `[sip]` and `[rtp]`: the SIP door, who may come through it, and its limits.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use aftercall_core::TenantId;
use aftercall_wire::codec::Codec;
use aftercall_wire::identity::Names;
use ipnet::IpNet;
use serde_json::Value;

use super::values::{self, repeated};
use crate::fields::{Fields, flag, parsed, text, whole};
use crate::secret::Secret;
use crate::tls::Files;

/// How calls come in.
#[derive(Debug, Clone)]
pub struct Sip {
    /// Where it listens; nowhere means that there is no SIP door.
    pub listen: Vec<SipListen>,
    /// What SDP and Contact say instead of the address a call came in on.
    pub external_ip: Option<IpAddr>,
    /// Certificates, where it speaks TLS.
    pub tls: Option<SipTls>,
    /// What it speaks. An answer follows the caller's order, an offer of ours this one.
    pub codecs: Arc<[Codec]>,
    /// Whether media is encrypted.
    pub srtp: Srtp,
    /// Whether anyone may call.
    pub open: bool,
    /// Who may call.
    pub peers: Vec<Peer>,
    /// Which headers say which call this is.
    pub headers: Names,
    /// Calls at once.
    pub max_calls: usize,
    /// New calls in one second from one address.
    pub calls_per_second_per_source: u32,
    /// How long a call may last.
    pub max_call: Duration,
    /// How long a call may ring.
    pub max_ringing: Duration,
}

/// Certificates for SIP over TLS.
#[derive(Debug, Clone)]
pub struct SipTls {
    /// What we show, and who must have signed what those who connect show.
    pub files: Files,
    /// Who must have signed the certificates of those whom we connect to; else the authorities that browsers trust.
    pub ca: Option<PathBuf>,
}

/// One address of the SIP door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SipListen {
    /// Over what.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// What carries SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream that nobody else can read.
    Tls,
}

/// Where media is encrypted (SRTP). Its keys are in the signalling, so that they are as secret as that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Srtp {
    /// Nowhere.
    Off,
    /// Where the caller offers it over TLS.
    Tls,
    /// The same, and over TLS nothing else is taken.
    Required,
    /// Wherever the caller offers it.
    Any,
}

impl FromStr for Srtp {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "tls" => Ok(Self::Tls),
            "required" => Ok(Self::Required),
            "any" => Ok(Self::Any),
            _ => Err(format!("is `{text}`, which is none of `tls`, `required`, `any` and `off`")),
        }
    }
}

impl FromStr for SipListen {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || {
            format!(
                "is `{text}`, which is not an address such as `udp://0.0.0.0:5060`, `tcp://[::]:5060` or `tls://0.0.0.0:5061`"
            )
        };
        let (scheme, address) = text.split_once("://").ok_or_else(fault)?;
        let transport = match scheme {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            _ => return Err(fault()),
        };
        Ok(Self { transport, address: address.parse().map_err(|_| fault())? })
    }
}

impl std::fmt::Display for SipListen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// Someone who may call.
#[derive(Debug, Clone)]
pub struct Peer {
    /// From where.
    pub from: IpNet,
    /// What they must prove, if anything.
    pub auth: Option<PeerAuth>,
    /// Whose data their calls become.
    pub tenant: TenantId,
}

/// A user name and password for SIP digest authentication.
#[derive(Debug, Clone)]
pub struct PeerAuth {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// Asks for MD5 only, for programs that give up when SHA-256 is offered beside it.
    pub md5_only: bool,
}

impl Sip {
    pub(super) fn read(fields: &mut Fields<'_, '_>, folder: &Path) -> Option<Self> {
        let listen = fields.list("listen", parsed::<SipListen>);
        if let Some(listen) = &listen {
            refuse_same(fields, listen);
        }
        let tls = fields.table("tls", |tls| SipTls::read(tls, folder));
        if let (Some(listen), Some(None)) = (&listen, &tls) {
            refuse_tls(fields, listen);
        }
        let external_ip = fields.optional("external_ip", ip);
        let codecs = fields.list("codecs", codec);
        if let Some(codecs) = &codecs {
            refuse_unusable(fields, codecs);
        }
        let srtp = fields.required("srtp", parsed::<Srtp>);
        let open = fields.required("open", flag);
        let peers = fields.tables("peers", Peer::read);
        if let Some(peers) = &peers {
            refuse_same_network(fields, peers);
        }
        let headers = fields.required_table("headers", header_names);
        let max_calls = fields.required("max_calls", whole(1..=30_000));
        let calls_per_second = fields.required("calls_per_second_per_source", whole(1..=100_000));
        let max_call_seconds = fields.required("max_call_seconds", whole(1..=86_400));
        let max_ringing_seconds = fields.required("max_ringing_seconds", whole(1..=600));
        Some(Self {
            listen: listen?,
            external_ip: external_ip?,
            tls: tls?,
            codecs: codecs?.into(),
            srtp: srtp?,
            open: open?,
            peers: peers?,
            headers: headers?,
            max_calls: max_calls? as usize,
            calls_per_second_per_source: calls_per_second?,
            max_call: Duration::from_secs(max_call_seconds?.into()),
            max_ringing: Duration::from_secs(max_ringing_seconds?.into()),
        })
    }
}

/// A listener that has no certificate to show.
fn refuse_tls(fields: &mut Fields<'_, '_>, listen: &[SipListen]) {
    if let Some(index) = listen.iter().position(|listen| listen.transport == Transport::Tls) {
        fields.fault_in("listen", index, "needs `[sip] tls = { cert = \"FILE\", key = \"FILE\" }`");
    }
}

/// Two listeners on one address: the second could not be opened. Port 0 is another one each time.
fn refuse_same(fields: &mut Fields<'_, '_>, listen: &[SipListen]) {
    for (index, _) in repeated(listen.iter()) {
        if listen[index].address.port() != 0 {
            fields.fault_in("listen", index, &format!("has `{}` twice", listen[index]));
        }
    }
}

fn codec(value: &Value) -> Result<Codec, String> {
    let name = text(value)?;
    let known = Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(&name));
    known.ok_or_else(|| format!("is `{name}`, which is not a codec spoken here: pcmu, pcma, g722 or opus"))
}

/// A codec twice, or none at all.
fn refuse_unusable(fields: &mut Fields<'_, '_>, codecs: &[Codec]) {
    for (index, _) in repeated(codecs.iter()) {
        fields.fault_in("codecs", index, &format!("has `{}` twice", codecs[index].name().to_lowercase()));
    }
    if codecs.is_empty() {
        fields.fault_at("codecs", "is empty: no call could be taken");
    }
}

/// Two peers of one network: only one of them would ever count.
fn refuse_same_network(fields: &mut Fields<'_, '_>, peers: &[Peer]) {
    for (index, _) in repeated(peers.iter().map(|peer| peer.from)) {
        fields.fault_in("peers", index, &format!("has the network `{}` twice", peers[index].from));
    }
}

impl SipTls {
    fn read(fields: &mut Fields<'_, '_>, folder: &Path) -> Option<Self> {
        let (cert, key) =
            (fields.required("cert", values::path(folder)), fields.required("key", values::path(folder)));
        let client_ca = fields.optional("client_ca", values::path(folder));
        let ca = fields.optional("ca", values::path(folder));
        Some(Self { files: Files { cert: cert?, key: key?, client_ca: client_ca? }, ca: ca? })
    }
}

impl Peer {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let from = fields.required("from", values::network);
        let auth = fields.table("auth", |auth| {
            let user = auth.required("user", values::name);
            let password = auth.required("password", values::name);
            let md5_only = auth.optional("md5_only", flag);
            Some(PeerAuth {
                user: user?,
                password: Secret::new(password?),
                md5_only: md5_only?.unwrap_or(false),
            })
        });
        let tenant = fields.optional("tenant", parsed::<TenantId>);
        Some(Self { from: from?, auth: auth?, tenant: tenant?.unwrap_or_default() })
    }
}

fn header_names(fields: &mut Fields<'_, '_>) -> Option<Names> {
    let mut names = |kind| fields.list(kind, |value| values::header_name(&text(value)?));
    let (call, agent, queue, skill) = (names("call"), names("agent"), names("queue"), names("skill"));
    let (survey, language, wanted) = (names("survey"), names("language"), names("wanted"));
    Some(Names {
        call: call?,
        agent: agent?,
        queue: queue?,
        skill: skill?,
        survey: survey?,
        language: language?,
        wanted: wanted?,
    })
}

/// `[rtp]`: where the media flows.
#[derive(Debug, Clone, Copy)]
pub struct Rtp {
    /// Ports for calls.
    pub ports: Ports,
    /// No packet for this long means that the caller is gone.
    pub silence: Duration,
    /// Where telephone events were agreed on, how long none may come before keys are listened for in the
    /// audio, too.
    pub inband_after: Duration,
}

/// A range of ports, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// How many calls fit: an even port each, with the odd one above it.
    #[must_use]
    pub fn calls(self) -> usize {
        let first_even = usize::from(self.first).next_multiple_of(2);
        (usize::from(self.last) + 1).saturating_sub(first_even) / 2
    }
}

impl FromStr for Ports {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let ends = text.split_once('-');
        let ends = ends.and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
        let fault = || {
            format!("is `{text}`, which is not a range of ports from 1024 to 65535, such as `20000-29999`")
        };
        let ports = ends.map(|(first, last)| Self { first, last }).ok_or_else(fault)?;
        if ports.first < 1024 {
            return Err(fault());
        }
        if ports.calls() == 0 {
            return Err(format!("is `{text}`, which has no even port followed by an odd one: no call fits"));
        }
        Ok(ports)
    }
}

impl Rtp {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let ports = fields.required("ports", ports);
        let silence_seconds = fields.required("silence_seconds", whole(1..=86_400));
        let inband_after_seconds = fields.required("inband_after_seconds", whole(0..=86_400));
        Some(Self {
            ports: ports?,
            silence: Duration::from_secs(silence_seconds?.into()),
            inband_after: Duration::from_secs(inband_after_seconds?.into()),
        })
    }
}

fn ports(value: &Value) -> Result<Ports, String> {
    parsed(value)
}

fn ip(value: &Value) -> Result<IpAddr, String> {
    parsed(value).map_err(|_| "must be an address such as `203.0.113.5`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_holds_as_many_calls_as_it_has_pairs() {
        for (text, expected) in [
            ("20000-29999", Some(5000)),
            ("20000-20001", Some(1)),
            ("20001-20003", Some(1)),
            ("65534-65535", Some(1)),
            ("20000-20000", None),
            ("20001-20002", None),
            ("3000-2000", None),
            ("80-90", None),
            ("1-70000", None),
            ("20000", None),
        ] {
            assert_eq!(text.parse::<Ports>().ok().map(Ports::calls), expected, "{text}");
        }
    }

    #[test]
    fn by_default_only_private_networks_are_known() {
        let sip = crate::config::Config::built_in().sip;
        let known = |address: &str| {
            let address: IpAddr = address.parse().unwrap();
            sip.peers.iter().any(|peer| peer.from.contains(&address))
        };
        for (address, expected) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("203.0.113.7", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(known(address), expected, "{address}");
        }
    }
}
