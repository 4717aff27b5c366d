//! Keys for SRTP in a session description (RFC 4568).

use std::fmt;

/// The longest key with its salt, in bytes: those of AES-256 in counter mode, 32 and 14.
pub const SEED_BYTES: usize = 46;

/// The tag of the one key that we offer.
pub(super) const OFFERED_TAG: u32 = 1;

/// How packets are encrypted and authenticated: the suites of RFC 4568, 6188 and 7714.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 in counter mode, and 80 bits of HMAC-SHA1.
    AesCm128HmacSha1_80,
    /// The same with 32 bits. Reports have 80 all the same.
    AesCm128HmacSha1_32,
    /// AES-256 in counter mode, and 80 bits of HMAC-SHA1.
    AesCm256HmacSha1_80,
    /// The same with 32 bits. Reports have 80 all the same.
    AesCm256HmacSha1_32,
    /// AES-128 in Galois/counter mode.
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode.
    AeadAes256Gcm,
}

impl Suite {
    /// The one that we offer, because everybody has it (RFC 4568, 6.2).
    pub const OFFERED: Self = Self::AesCm128HmacSha1_80;

    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
        Self::AesCm256HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// As it is registered.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// How long its master key and master salt are, in bytes.
    const fn lengths(self) -> (usize, usize) {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => (16, 14),
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 => (32, 14),
            Self::AeadAes128Gcm => (16, 12),
            Self::AeadAes256Gcm => (32, 12),
        }
    }

    const fn bytes(self) -> usize {
        let (key, salt) = self.lengths();
        key + salt
    }
}

/// A master key and its salt. `Debug` tells the suite and never a byte of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key {
    suite: Suite,
    /// The key, the salt behind it, zeros behind both.
    bytes: [u8; SEED_BYTES],
}

impl Key {
    /// What it is for.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The key and the salt, of the lengths that the suite demands.
    #[must_use]
    pub fn expose(&self) -> (&[u8], &[u8]) {
        let whole = self.bytes.get(..self.suite.bytes()).unwrap_or_default();
        whole.split_at(self.suite.lengths().0.min(whole.len()))
    }

    fn new(suite: Suite, material: &[u8]) -> Self {
        let mut bytes = [0; SEED_BYTES];
        bytes.iter_mut().zip(material).take(suite.bytes()).for_each(|(byte, from)| *byte = *from);
        Self { suite, bytes }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, …)", self.suite.name())
    }
}

/// Random bytes that a key of ours is made of. Whoever describes a session anew with other suites or other keys of
/// the other side takes new ones: a key is for one suite, and for one count of packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; SEED_BYTES]);

impl Seed {
    /// Takes what the system's random numbers gave.
    #[must_use]
    pub const fn new(random: [u8; SEED_BYTES]) -> Self {
        Self(random)
    }

    /// The key for this suite.
    #[must_use]
    pub fn key(&self, suite: Suite) -> Key {
        Key::new(suite, &self.0)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// Whether media is encrypted, and what our key is made of then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Srtp {
    /// Never. Plain RTP is offered, and nothing else taken.
    Off,
    /// Where it is offered. Plain RTP is offered, and taken, too.
    Taken(Seed),
    /// Always.
    Required(Seed),
}

/// What SRTP was agreed with; both keys are for the same suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// The number of the line that was chosen.
    pub tag: u32,
    /// For what we send.
    pub ours: Key,
    /// For what we receive.
    pub theirs: Key,
}

/// A line that we can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crypto {
    pub(super) tag: u32,
    pub(super) key: Key,
}

impl Crypto {
    /// Reads `1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20`, what follows `a=crypto:` (RFC 4568, 9.1). `None` where it
    /// asks for what we do not have (another suite, a key for part of the packets, several keys), and where its
    /// key is not as long as it must be.
    pub(super) fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9 && !tag.starts_with('0'))?;
        let tag = tag.bytes().all(|digit| digit.is_ascii_digit()).then(|| tag.parse().ok())??;
        let suite = words.next()?;
        let suite = Suite::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(suite))?;
        let (method, key) = words.next()?.split_once(':')?;
        // What a parameter asks for, whoever cannot do it must not do without (6.3), unless its name says so.
        if !method.eq_ignore_ascii_case("inline") || words.any(|parameter| !parameter.starts_with('-')) {
            return None;
        }
        let (key, lifetime) = key.split_once('|').map_or((key, None), |(key, rest)| (key, Some(rest)));
        if !lifetime.is_none_or(is_lifetime) {
            return None;
        }
        let (material, length) = unbase64(key)?;
        (length == suite.bytes()).then(|| Self { tag, key: Key::new(suite, &material) })
    }

    /// The whole line.
    pub(super) fn line(&self) -> String {
        let (key, salt) = self.key.expose();
        let material: Vec<u8> = key.iter().chain(salt).copied().collect();
        format!("a=crypto:{} {} inline:{}", self.tag, self.key.suite.name(), base64(&material))
    }
}

/// How many packets a key is good for: `2^20`, or a number. We have no need to hold it: the least that makes sense
/// lasts longer than a call. What has a colon is the number of one key among several (MKI).
fn is_lifetime(said: &str) -> bool {
    let digits = said.strip_prefix("2^").unwrap_or(said);
    (1..=20).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// At most [`SEED_BYTES`] bytes and how many they are. What fills up the last four letters may be left out.
fn unbase64(text: &str) -> Option<([u8; SEED_BYTES], usize)> {
    let letters = text.trim_end_matches('=');
    let filled = text.len() - letters.len();
    if filled > 2 || (filled > 0 && !text.len().is_multiple_of(4)) || letters.len() % 4 == 1 {
        return None;
    }
    let mut bytes = [0; SEED_BYTES];
    let (mut length, mut bits, mut held) = (0, 0_u32, 0);
    for letter in letters.bytes() {
        let value = u32::try_from(ALPHABET.iter().position(|known| *known == letter)?).ok()?;
        bits = ((bits << 6) + value) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            *bytes.get_mut(length)? = (bits >> held).to_be_bytes()[3];
            length += 1;
        }
    }
    // What is left over belongs to no byte, and is zero where it was written by a machine (RFC 4648, 3.5).
    (bits & ((1 << held) - 1) == 0).then_some((bytes, length))
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| u32::from(three.get(at).copied().unwrap_or_default()));
        let bits = (a << 16) + (b << 8) + c;
        for at in 0..=three.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * at)) as usize % 64]));
        }
        text.extend(std::iter::repeat_n('=', 3 - three.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
            for text in [text, text.trim_end_matches('=')] {
                let (read, length) = unbase64(text).unwrap();
                assert_eq!(&read[..length], bytes.as_bytes(), "{text}");
            }
        }
        for text in [
            "Z",
            "A",
            "Zm9vA",
            "Zg=",
            "Zg===",
            "Zh==",
            "Zm9=",
            "Zm 9v",
            "Zm9v\u{e9}",
            "Z===",
            "=",
            "Zm9v====",
            "Zm=v",
        ] {
            assert_eq!(unbase64(text), None, "{text}");
        }
        assert_eq!(unbase64(&"A".repeat(64)), None, "48 bytes are no key");
    }

    #[test]
    fn a_seed_is_not_shown() {
        assert_eq!(format!("{:?}", Srtp::Taken(Seed::new([7; SEED_BYTES]))), "Taken(Seed(…))");
    }

    #[test]
    fn every_suite_is_read_as_it_is_written_and_its_key_is_of_its_length() {
        let seed = Seed::new(std::array::from_fn(|at| at as u8 + 1));
        for (suite, key, salt) in [
            (Suite::AesCm128HmacSha1_80, 16, 14),
            (Suite::AesCm128HmacSha1_32, 16, 14),
            (Suite::AesCm256HmacSha1_80, 32, 14),
            (Suite::AesCm256HmacSha1_32, 32, 14),
            (Suite::AeadAes128Gcm, 16, 12),
            (Suite::AeadAes256Gcm, 32, 12),
        ] {
            let crypto = Crypto { tag: 7, key: seed.key(suite) };
            let (our_key, our_salt) = crypto.key.expose();
            assert_eq!((our_key.len(), our_salt.len()), (key, salt), "{suite:?}");
            assert_eq!((our_key[0], our_salt[0]), (1, key as u8 + 1), "{suite:?}");
            let line = crypto.line();
            assert_eq!(Crypto::read(line.strip_prefix("a=crypto:").unwrap()), Some(crypto), "{line}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let seed = Seed::new([b'K'; SEED_BYTES]);
        let key = seed.key(Suite::AeadAes256Gcm);
        let shown =
            format!("{:?} {:?} {key:?}", Srtp::Required(seed), Keys { tag: 1, ours: key, theirs: key });
        assert!(
            shown.contains("AEAD_AES_256_GCM") && !shown.contains("KK") && !shown.contains("75"),
            "{shown}"
        );
    }
}
