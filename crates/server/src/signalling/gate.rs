//! Decides who gets in, before anything is remembered about a request.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::digest::{Verdict, Verifier};
use super::{Peers, Standing};

/// Sources whose rate is remembered. A source that has been quiet for a second is forgotten without loss.
const SOURCES_MAX: usize = 4096;

/// 403s a second to those who may not call, all together: who forges addresses cannot make us write to the world.
const STRANGERS_ANSWERED_PER_SECOND: u32 = 20;

/// What programs that look for open PBXs call themselves. They get nothing: an answer is what they look for.
const SCANNERS: [&str; 9] = [
    "friendly-scanner",
    "sipvicious",
    "sundayddr",
    "sip-scan",
    "sipcli",
    "pplsip",
    "vaxsipuseragent",
    "iwar",
    "sivus",
];

/// What the gate says to an INVITE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    /// Come in.
    Take(Standing),
    /// Prove who you are: these are the WWW-Authenticate values.
    Challenge(Vec<String>),
    /// Not you (403).
    Forbid,
    /// No answer.
    Ignore,
    /// Not that often (503).
    TooFast,
}

/// Who asks.
pub(super) struct Approach<'a> {
    pub(super) ip: IpAddr,
    pub(super) user_agent: Option<&'a str>,
    pub(super) authorization: Vec<&'a str>,
}

/// The gate.
pub(super) struct Gate {
    peers: Peers,
    per_second: u32,
    verifier: Verifier,
    sources: HashMap<IpAddr, Bucket>,
    strangers: Bucket,
}

impl Gate {
    /// `secret` seals the nonces of challenges.
    pub(super) fn new(peers: Peers, per_second: u32, secret: String) -> Self {
        Self {
            peers,
            per_second,
            verifier: Verifier::new(secret),
            sources: HashMap::new(),
            strangers: Bucket::full(STRANGERS_ANSWERED_PER_SECOND),
        }
    }

    /// Whether requests that are not within a dialog are read at all: from peers, and when open.
    pub(super) fn knows(&self, ip: IpAddr) -> bool {
        self.peers.know(ip)
    }

    /// Whether one who is not known is told so, rather than nothing.
    pub(super) fn dismisses(&mut self, user_agent: Option<&str>, now: Duration) -> bool {
        !is_scanner(user_agent) && self.strangers.take(STRANGERS_ANSWERED_PER_SECOND, now)
    }

    /// Judges an INVITE that would start a call. `fresh` goes into a challenge's nonce.
    pub(super) fn admit(&mut self, approach: &Approach<'_>, now: Duration, fresh: &str) -> Admission {
        let holding = || self.peers.list.iter().enumerate().filter(|(_, p)| p.from.contains(&approach.ip));
        let narrowest = holding().map(|(_, p)| p.from.prefix_len()).max();
        let fitting = || holding().filter(|(_, p)| Some(p.from.prefix_len()) == narrowest);
        let stranger = fitting().next().is_none();
        if stranger && is_scanner(approach.user_agent) {
            return Admission::Ignore;
        }
        if stranger && !self.peers.open {
            return Admission::Forbid;
        }
        if !source_may(&mut self.sources, approach.ip, self.per_second, now) {
            return Admission::TooFast;
        }
        if stranger {
            return Admission::Take(Standing::Stranger);
        }
        let mut stale = false;
        for (place, peer) in fitting() {
            let Some(credentials) = &peer.auth else { return Admission::Take(Standing::Peer(place)) };
            for authorization in &approach.authorization {
                match self.verifier.judge(authorization, "INVITE", credentials, now) {
                    Verdict::Proven => return Admission::Take(Standing::Peer(place)),
                    Verdict::Stale => stale = true,
                    Verdict::Unproven => {}
                }
            }
        }
        Admission::Challenge(self.verifier.challenge(now, fresh, stale, fitting().any(|(_, p)| p.md5_only)))
    }
}

/// Whether a source may call now.
fn source_may(sources: &mut HashMap<IpAddr, Bucket>, ip: IpAddr, per_second: u32, now: Duration) -> bool {
    let source = network_of(ip);
    if sources.len() >= SOURCES_MAX && !sources.contains_key(&source) {
        sources.retain(|_, bucket| !bucket.is_full(per_second, now));
        if sources.len() >= SOURCES_MAX {
            return false;
        }
    }
    sources.entry(source).or_insert_with(|| Bucket::full(per_second)).take(per_second, now)
}

/// Tokens that fill up at so many a second, to as many as a second brings.
struct Bucket {
    tokens: f64,
    at: Duration,
}

impl Bucket {
    fn full(per_second: u32) -> Self {
        Self { tokens: f64::from(per_second), at: Duration::ZERO }
    }

    fn level(&self, per_second: u32, now: Duration) -> f64 {
        let rate = f64::from(per_second);
        (self.tokens + now.saturating_sub(self.at).as_secs_f64() * rate).min(rate)
    }

    fn is_full(&self, per_second: u32, now: Duration) -> bool {
        self.level(per_second, now) >= f64::from(per_second)
    }

    fn take(&mut self, per_second: u32, now: Duration) -> bool {
        let level = self.level(per_second, now);
        let has = level >= 1.0;
        *self = Self { tokens: if has { level - 1.0 } else { level }, at: now.max(self.at) };
        has
    }
}

/// One subscriber's addresses: an IPv4 address, or an IPv6 /64.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

fn is_scanner(user_agent: Option<&str>) -> bool {
    let Some(name) = user_agent.map(str::to_ascii_lowercase) else { return false };
    SCANNERS.iter().any(|scanner| name.contains(scanner))
}

#[cfg(test)]
mod tests {
    use super::super::digest;
    use super::super::{Credentials, Peer};
    use super::*;

    const PEER: &str = "10.1.2.3";
    const GUARDED: &str = "203.0.113.7";
    const STRANGER: &str = "198.51.100.1";

    fn credentials() -> Credentials {
        Credentials { user: "pbx".into(), password: "s3cret".into() }
    }

    fn gate(open: bool, per_second: u32) -> Gate {
        let list = vec![
            Peer { from: "10.0.0.0/8".parse().unwrap(), auth: None, md5_only: false },
            Peer { from: "203.0.113.7/32".parse().unwrap(), auth: Some(credentials()), md5_only: false },
        ];
        Gate::new(Peers { list, open }, per_second, "secret".into())
    }

    fn ask(
        gate: &mut Gate,
        ip: &str,
        user_agent: Option<&str>,
        authorization: &[&str],
        ms: u64,
    ) -> Admission {
        let approach =
            Approach { ip: ip.parse().unwrap(), user_agent, authorization: authorization.to_vec() };
        gate.admit(&approach, Duration::from_millis(ms), "fresh")
    }

    #[test]
    fn peers_get_in_strangers_do_not_and_scanners_hear_nothing() {
        let scanner = Some("Friendly-Scanner/1.0");
        for (open, ip, user_agent, expected) in [
            (false, PEER, None, Admission::Take(Standing::Peer(0))),
            (false, PEER, scanner, Admission::Take(Standing::Peer(0))),
            (false, STRANGER, Some("Asterisk"), Admission::Forbid),
            (false, STRANGER, scanner, Admission::Ignore),
            (true, STRANGER, Some("Asterisk"), Admission::Take(Standing::Stranger)),
            (true, STRANGER, scanner, Admission::Ignore),
        ] {
            assert_eq!(
                ask(&mut gate(open, 10), ip, user_agent, &[], 0),
                expected,
                "{ip} {user_agent:?} open={open}"
            );
        }
    }

    #[test]
    fn a_wider_network_never_lets_in_whom_a_narrower_one_asks_for_a_password() {
        let list = vec![
            Peer { from: "10.0.0.0/8".parse().unwrap(), auth: None, md5_only: false },
            Peer { from: "10.9.0.0/16".parse().unwrap(), auth: Some(credentials()), md5_only: false },
        ];
        let mut gate = Gate::new(Peers { list, open: false }, 10, "secret".into());
        assert_eq!(ask(&mut gate, "10.1.1.1", None, &[], 0), Admission::Take(Standing::Peer(0)));
        assert!(matches!(ask(&mut gate, "10.9.1.1", None, &[], 0), Admission::Challenge(_)));
    }

    #[test]
    fn a_peer_with_a_password_proves_it_once_per_count() {
        let mut gate = gate(true, 10);
        let Admission::Challenge(challenges) = ask(&mut gate, GUARDED, None, &[], 0) else {
            panic!("no challenge")
        };
        let challenges: Vec<_> = challenges.iter().map(String::as_str).collect();
        let proof = digest::answer(&challenges, "INVITE", "sip:a@h", &credentials(), "c").unwrap();
        assert_eq!(
            ask(&mut gate, GUARDED, None, &["Basic x", &proof], 1),
            Admission::Take(Standing::Peer(1))
        );
        let Admission::Challenge(again) = ask(&mut gate, GUARDED, None, &[&proof], 2) else {
            panic!("replay taken")
        };
        assert!(digest::is_stale(&again[0]));
        let Admission::Challenge(again) = ask(&mut gate, GUARDED, None, &["Digest username=\"x\""], 3) else {
            panic!("nonsense taken")
        };
        assert!(!digest::is_stale(&again[0]));
    }

    /// `+` taken, `-` too fast; at these milliseconds, three calls a second allowed.
    #[test]
    fn a_source_gets_its_rate_and_others_are_not_hurt() {
        let mut gate = gate(false, 3);
        for (ip, ms, taken) in [
            (PEER, 0, true),
            (PEER, 0, true),
            (PEER, 0, true),
            (PEER, 0, false),
            (PEER, 300, false),
            ("10.9.9.9", 300, true),
            (PEER, 334, true),
            (PEER, 335, false),
            (PEER, 5000, true),
            (PEER, 5000, true),
            (PEER, 5000, true),
            (PEER, 5000, false),
        ] {
            let expected = if taken { Admission::Take(Standing::Peer(0)) } else { Admission::TooFast };
            assert_eq!(ask(&mut gate, ip, None, &[], ms), expected, "{ip} at {ms}");
        }
    }

    #[test]
    fn a_whole_ipv6_network_is_one_source() {
        assert_eq!(
            network_of("2001:db8:0:1::5".parse().unwrap()),
            network_of("2001:db8:0:1:ffff::".parse().unwrap())
        );
        assert_ne!(
            network_of("2001:db8:0:1::5".parse().unwrap()),
            network_of("2001:db8:0:2::5".parse().unwrap())
        );
    }

    #[test]
    fn the_table_of_sources_is_bounded_and_quiet_ones_make_room() {
        let mut gate = gate(false, 1);
        let at = |n: usize| format!("10.0.{}.{}", n / 256, n % 256);
        for n in 0..SOURCES_MAX {
            assert_eq!(ask(&mut gate, &at(n), None, &[], 0), Admission::Take(Standing::Peer(0)));
        }
        assert_eq!(ask(&mut gate, &at(SOURCES_MAX), None, &[], 10), Admission::TooFast);
        assert_eq!(ask(&mut gate, &at(SOURCES_MAX), None, &[], 1000), Admission::Take(Standing::Peer(0)));
        assert_eq!(gate.sources.len(), 1);
    }

    #[test]
    fn strangers_are_dismissed_at_a_bounded_rate() {
        let mut gate = gate(false, 1);
        assert!(!gate.knows(STRANGER.parse().unwrap()));
        assert!(gate.knows(PEER.parse().unwrap()));
        let told = (0..100).filter(|_| gate.dismisses(None, Duration::ZERO)).count();
        assert_eq!(told, STRANGERS_ANSWERED_PER_SECOND as usize);
        assert!(gate.dismisses(None, Duration::from_secs(1)));
        assert!(!gate.dismisses(Some("sipvicious"), Duration::from_secs(9)));
    }
}
