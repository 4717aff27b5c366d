//! Digest authentication (RFC 7616, RFC 8760, RFC 3261 section 22): both sides, pure. Time and randomness are given.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use aftercall_wire::sip::listed;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::Credentials;

/// What the challenge names.
pub(super) const REALM: &str = "aftercall";

/// How long a nonce is good. A PBX that uses it for many calls gets `stale=true` and the next one, without asking
/// anyone for the password.
const NONCE_LIVES: Duration = Duration::from_secs(60);

/// Nonces whose use is remembered: 100 authenticated calls a second, each with its own nonce, for the minute a nonce
/// lives, are 6,000. An entry is under 150 bytes: at most 2.5 MiB.
const NONCES_MAX: usize = 16_384;

/// A hash both sides know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Algorithm {
    Sha256,
    Md5,
}

impl Algorithm {
    /// In our order of preference (RFC 8760, section 2.3).
    const OFFERED: [Self; 2] = [Self::Sha256, Self::Md5];

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    fn named(name: Option<&str>) -> Option<Self> {
        // No name means MD5 (RFC 7616, section 3.3).
        let Some(name) = name else { return Some(Self::Md5) };
        Self::OFFERED.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Md5 => hex(&Md5::digest(text)),
        }
    }
}

/// What one side proves with: everything that goes into the response but the password.
struct Proof<'a> {
    algorithm: Algorithm,
    realm: &'a str,
    nonce: &'a str,
    method: &'a str,
    uri: &'a str,
    /// Count and client nonce, with `qop=auth`; without, the form of RFC 2069.
    counted: Option<(&'a str, &'a str)>,
}

impl Proof<'_> {
    /// RFC 7616, section 3.4.1. The count goes in as it stands in the header, eight hexadecimal digits.
    fn response(&self, credentials: &Credentials) -> String {
        let secret = format!("{}:{}:{}", credentials.user, self.realm, credentials.password);
        let secret = self.algorithm.hash(&secret);
        let request = self.algorithm.hash(&format!("{}:{}", self.method, self.uri));
        let nonce = self.nonce;
        self.algorithm.hash(&match self.counted {
            Some((nc, cnonce)) => format!("{secret}:{nonce}:{nc}:{cnonce}:auth:{request}"),
            None => format!("{secret}:{nonce}:{request}"),
        })
    }
}

/// What an Authorization header is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It proves the password.
    Proven,
    /// It would, but its nonce is old or was used: challenge again with `stale=true`.
    Stale,
    /// It does not.
    Unproven,
}

/// The server's side: makes challenges, judges answers, and lets each count of a nonce serve once.
pub(super) struct Verifier {
    secret: String,
    used: HashMap<String, (Duration, u32)>,
}

impl Verifier {
    /// `secret` must be unguessable and live as long as the process.
    pub(super) fn new(secret: String) -> Self {
        Self { secret, used: HashMap::new() }
    }

    /// The WWW-Authenticate values of a 401, strongest first (RFC 8760, section 2.3). `fresh` makes the nonce unlike
    /// any other.
    pub(super) fn challenge(&self, now: Duration, fresh: &str, stale: bool, md5_only: bool) -> Vec<String> {
        let nonce = self.nonce(&format!("{:x}.{fresh}", now.as_millis()));
        let stale = if stale { ", stale=true" } else { "" };
        Algorithm::OFFERED
            .into_iter()
            .filter(|algorithm| !md5_only || *algorithm == Algorithm::Md5)
            .map(|algorithm| {
                let name = algorithm.name();
                format!(r#"Digest realm="{REALM}", nonce="{nonce}", algorithm={name}, qop="auth"{stale}"#)
            })
            .collect()
    }

    /// Judges an Authorization value sent with a request of `method`.
    ///
    /// Its `uri` need not be the Request-URI, which proxies may have rewritten (RFC 3261, section 22.4).
    pub(super) fn judge(
        &mut self,
        authorization: &str,
        method: &str,
        credentials: &Credentials,
        now: Duration,
    ) -> Verdict {
        let Some(fields) = Fields::read(authorization) else { return Verdict::Unproven };
        let (Some(nonce), Some(uri), Some(response)) =
            (fields.get("nonce"), fields.get("uri"), fields.get("response"))
        else {
            return Verdict::Unproven;
        };
        // qop is always offered, so it is always demanded: without it nothing stops a replay.
        let (Some("auth"), Some(nc), Some(cnonce)) =
            (fields.get("qop"), fields.get("nc"), fields.get("cnonce"))
        else {
            return Verdict::Unproven;
        };
        let (Some(algorithm), Ok(count)) =
            (Algorithm::named(fields.get("algorithm")), u32::from_str_radix(nc, 16))
        else {
            return Verdict::Unproven;
        };
        if fields.get("username") != Some(&credentials.user) || fields.get("realm") != Some(REALM) {
            return Verdict::Unproven;
        }
        let proof = Proof { algorithm, realm: REALM, nonce, method, uri, counted: Some((nc, cnonce)) };
        if !same(&proof.response(credentials), &response.to_ascii_lowercase()) {
            return Verdict::Unproven;
        }
        if self.spend(nonce, count, now) { Verdict::Proven } else { Verdict::Stale }
    }

    /// Whether the nonce is ours, young, and this count of it unused; then it is used.
    fn spend(&mut self, nonce: &str, count: u32, now: Duration) -> bool {
        let Some(made) = self.made_at(nonce) else { return false };
        if now.saturating_sub(made) > NONCE_LIVES {
            return false;
        }
        if let Some((_, highest)) = self.used.get_mut(nonce) {
            let unused = count > *highest;
            *highest = (*highest).max(count);
            return unused;
        }
        if self.used.len() >= NONCES_MAX {
            self.used.retain(|_, (made, _)| now.saturating_sub(*made) <= NONCE_LIVES);
        }
        let room = self.used.len() < NONCES_MAX;
        if room {
            self.used.insert(nonce.to_owned(), (made, count));
        }
        room && count > 0
    }

    fn nonce(&self, stamp: &str) -> String {
        // Hashed twice with the secret in front, which leaves nothing to extend.
        let inner = hex(&Sha256::digest(format!("{}{stamp}", self.secret)));
        let seal = hex(&Sha256::digest(format!("{}{inner}", self.secret)));
        format!("{stamp}.{}", &seal[..32])
    }

    fn made_at(&self, nonce: &str) -> Option<Duration> {
        let (stamp, _) = nonce.rsplit_once('.')?;
        if !same(&self.nonce(stamp), nonce) {
            return None;
        }
        let (made, _) = stamp.split_once('.')?;
        Some(Duration::from_millis(u64::from_str_radix(made, 16).ok()?))
    }
}

/// The client's side: the Authorization value that answers the first challenge it can answer, strongest first.
pub(super) fn answer(
    challenges: &[&str],
    method: &str,
    uri: &str,
    credentials: &Credentials,
    cnonce: &str,
) -> Option<String> {
    let read: Vec<_> = challenges.iter().filter_map(|c| Fields::read(c)).collect();
    let (algorithm, fields) = Algorithm::OFFERED.into_iter().find_map(|algorithm| {
        let fits =
            |f: &&Fields<'_>| Algorithm::named(f.get("algorithm")) == Some(algorithm) && f.qop_possible();
        read.iter().find(fits).map(|fields| (algorithm, fields))
    })?;
    let (realm, nonce) = (fields.get("realm")?, fields.get("nonce")?);
    let counted = fields.get("qop").is_some().then_some(("00000001", cnonce));
    let response = Proof { algorithm, realm, nonce, method, uri, counted }.response(credentials);
    let mut value = format!(
        r#"Digest username="{}", realm="{}", nonce="{}", uri="{uri}", response="{response}", algorithm={}"#,
        escaped(&credentials.user),
        escaped(realm),
        escaped(nonce),
        algorithm.name(),
    );
    if let Some((nc, cnonce)) = counted {
        value.push_str(&format!(r#", qop=auth, nc={nc}, cnonce="{cnonce}""#));
    }
    if let Some(opaque) = fields.get("opaque") {
        value.push_str(&format!(r#", opaque="{}""#, escaped(opaque)));
    }
    Some(value)
}

/// Whether a challenge says that only the nonce was old.
pub(super) fn is_stale(challenge: &str) -> bool {
    Fields::read(challenge).is_some_and(|f| f.get("stale").is_some_and(|s| s.eq_ignore_ascii_case("true")))
}

/// The `name=value` pairs of a Digest header, unquoted.
struct Fields<'a>(Vec<(&'a str, String)>);

impl<'a> Fields<'a> {
    fn read(value: &'a str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once(char::is_whitespace)?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let pairs = listed(rest).filter_map(|pair| pair.split_once('='));
        Some(Self(pairs.map(|(name, value)| (name.trim(), unquoted(value.trim()))).collect()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// No qop (RFC 2069), or a list that has `auth`.
    fn qop_possible(&self) -> bool {
        self.get("qop").is_none_or(|list| list.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")))
    }
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let (mut out, mut chars) = (String::with_capacity(inner.len()), inner.chars());
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#)
}

/// Compares without telling by its time where the first difference is.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        write!(out, "{byte:02x}").unwrap_or_default();
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pbx() -> Credentials {
        Credentials { user: "pbx".into(), password: "s3cret".into() }
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// RFC 7616, section 3.9.1, both algorithms; the third is the form without qop, computed with Python's hashlib.
    #[test]
    fn responses_are_those_of_the_rfc() {
        let mufasa = Credentials { user: "Mufasa".into(), password: "Circle of Life".into() };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let proof = |algorithm| Proof {
            algorithm,
            realm: "http-auth@example.org",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            method: "GET",
            uri: "/dir/index.html",
            counted: Some(("00000001", cnonce)),
        };
        assert_eq!(proof(Algorithm::Md5).response(&mufasa), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            proof(Algorithm::Sha256).response(&mufasa),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
        let challenge = r#"Digest realm="asterisk",nonce="1700000000/abcdef",opaque="o\"p""#;
        let value = answer(&[challenge], "INVITE", "sip:csat@192.0.2.1", &pbx(), "c").unwrap();
        assert_eq!(
            value,
            r#"Digest username="pbx", realm="asterisk", nonce="1700000000/abcdef", uri="sip:csat@192.0.2.1", response="21da59d3d7d1320ff11bf528ae95a383", algorithm=MD5, opaque="o\"p""#
        );
    }

    #[test]
    fn our_answer_to_our_challenge_is_proven_whichever_algorithm_is_left() {
        let mut verifier = Verifier::new("secret".into());
        for (fresh, keep) in [("a", "SHA-256"), ("b", "MD5")] {
            let challenges = verifier.challenge(s(10), fresh, false, false);
            let offered: Vec<_> =
                challenges.iter().map(String::as_str).filter(|c| c.contains(keep)).collect();
            let value = answer(&offered, "INVITE", "sip:a@h", &pbx(), "cn").unwrap();
            assert!(value.contains(keep));
            assert_eq!(verifier.judge(&value, "INVITE", &pbx(), s(11)), Verdict::Proven);
        }
    }

    #[test]
    fn the_stronger_algorithm_is_chosen_and_what_cannot_be_answered_is_not() {
        let md5 = r#"Digest realm="r", nonce="n", algorithm=MD5, qop="auth-int,auth""#;
        let sha = r#"Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth""#;
        let value = answer(&[md5, sha], "BYE", "sip:a@h", &pbx(), "c").unwrap();
        assert!(value.contains("algorithm=SHA-256"), "{value}");
        for hopeless in [
            r#"Digest realm="r", nonce="n", algorithm=SHA-512-256, qop="auth""#,
            r#"Digest realm="r", nonce="n", qop="auth-int""#,
            r#"Digest nonce="n""#,
            "Basic realm=\"r\"",
        ] {
            assert_eq!(answer(&[hopeless], "BYE", "sip:a@h", &pbx(), "c"), None, "{hopeless}");
        }
    }

    /// One proven answer, then each way to spoil or reuse it.
    #[test]
    fn only_a_young_unused_unspoilt_proof_counts() {
        let mut verifier = Verifier::new("secret".into());
        let challenge = verifier.challenge(s(0), "x", false, false);
        let good = answer(&[&challenge[0]], "INVITE", "sip:a@h", &pbx(), "cn").unwrap();
        let spoil = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            good.replacen(from, to, 1)
        };
        let stolen = Credentials { user: "pbx".into(), password: "guess".into() };
        let guess = answer(&[&challenge[0]], "INVITE", "sip:a@h", &stolen, "cn").unwrap();
        let foreign = Verifier::new("another".into()).challenge(s(0), "x", false, false);
        let foreign = answer(&[&foreign[0]], "INVITE", "sip:a@h", &pbx(), "cn").unwrap();
        for (what, value, method, at, verdict) in [
            ("wrong password", guess, "INVITE", 1, Verdict::Unproven),
            ("other method", good.clone(), "BYE", 1, Verdict::Unproven),
            ("other uri", spoil("sip:a@h", "sip:b@h"), "INVITE", 1, Verdict::Unproven),
            ("other count", spoil("nc=00000001", "nc=00000002"), "INVITE", 1, Verdict::Unproven),
            ("other user", spoil("\"pbx\"", "\"root\""), "INVITE", 1, Verdict::Unproven),
            ("no qop", spoil("qop=auth", "q=auth"), "INVITE", 1, Verdict::Unproven),
            ("no digest", spoil("Digest", "Basic"), "INVITE", 1, Verdict::Unproven),
            ("not our nonce", foreign, "INVITE", 1, Verdict::Stale),
            ("too old", good.clone(), "INVITE", 61, Verdict::Stale),
            ("in time", good.clone(), "INVITE", 60, Verdict::Proven),
            ("replayed", good.clone(), "INVITE", 60, Verdict::Stale),
        ] {
            assert_eq!(verifier.judge(&value, method, &pbx(), s(at)), verdict, "{what}");
        }
    }

    #[test]
    fn a_nonce_serves_again_with_a_higher_count_only() {
        let mut verifier = Verifier::new("secret".into());
        let nonce = verifier.nonce("0.x");
        for (count, unused) in [(1, true), (1, false), (3, true), (2, false), (4, true)] {
            assert_eq!(verifier.spend(&nonce, count, s(1)), unused, "{count}");
        }
        assert!(!verifier.spend(&verifier.nonce("0.y"), 0, s(1)));
    }

    #[test]
    fn the_memory_of_nonces_is_bounded_and_never_forgets_a_live_one() {
        let mut verifier = Verifier::new("secret".into());
        for n in 0..NONCES_MAX {
            assert!(verifier.spend(&verifier.nonce(&format!("0.{n}")), 1, s(1)));
        }
        assert!(!verifier.spend(&verifier.nonce("0.more"), 1, s(1)), "full: refused rather than forgotten");
        let later = verifier.nonce(&format!("{:x}.z", 70_000));
        assert!(verifier.spend(&later, 1, s(70)));
        assert_eq!(verifier.used.len(), 1);
    }

    #[test]
    fn who_stumbles_over_the_stronger_algorithm_is_spared_it() {
        let challenges = Verifier::new("secret".into()).challenge(s(0), "x", false, true);
        assert_eq!(challenges.len(), 1);
        assert!(challenges[0].contains("algorithm=MD5"));
    }

    #[test]
    fn staleness_is_said_and_understood() {
        let verifier = Verifier::new("secret".into());
        assert!(verifier.challenge(s(0), "x", true, false).iter().all(|c| is_stale(c)));
        assert!(verifier.challenge(s(0), "x", false, false).iter().all(|c| !is_stale(c)));
    }
}
