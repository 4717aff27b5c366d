//! SRTP (RFC 3711): what a leg sends is encrypted and signed, what it hears is checked and decrypted.
//!
//! The transform is `rtc-srtp`'s. Of four things it leaves to its user, this is the user: it keeps a state for every
//! source that anybody pretends to be, lets the first packet of a source place the window of replays before it is
//! authenticated, finds the payload by writing the header anew, and takes a report that says it is not encrypted for
//! one that need not be authenticated.

use std::fmt;

use aftercall_wire::rtp::Header;
use aftercall_wire::sdp::{Key, Keys, Suite};
use rtc_rtp::header::Header as CrateHeader;
use rtc_srtp::context::Context;
use rtc_srtp::crypto::providers::RingCrypto;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

/// How far back a packet may come, in packets: the least that RFC 3711 (3.3.2) allows, and 1.3 s of sound.
const WINDOW_PACKETS: usize = 64;

/// The sources heard with one key, less than 2 kB each: a PBX that puts another voice on the call without a new key
/// makes one more. Those beyond are taken for forgeries.
pub(crate) const SOURCES_MAX: usize = 8;

/// Behind a report: whether it is encrypted, and its number.
const INDEX_BYTES: usize = 4;

/// Before what is encrypted of a report: its header and source.
const REPORT_HEADER_BYTES: usize = 8;

/// The crate cannot do what these keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys for SRTP cannot be used: end the call")]
pub struct BadKeys;

/// Why a datagram was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// It is no packet at all.
    #[error("neither RTP nor RTCP")]
    NotRtp,
    /// It was made with another key, changed on the way, or came before.
    #[error("not what the peer sent, or sent again by another")]
    Forged,
}

/// The two keys of a leg, at work. Apart from what it says of its suite, `Debug` tells nothing.
pub struct Secure {
    ours: Key,
    sends: Context,
    theirs: Key,
    /// By their source: each authenticated itself by its first packet.
    hears: Vec<(u32, Context)>,
}

impl Secure {
    /// Begins with these keys: no packet was sent or heard yet.
    ///
    /// # Errors
    /// When the two are not for one suite.
    pub fn new(keys: &Keys) -> Result<Self, BadKeys> {
        let Keys { ours, theirs, .. } = *keys;
        if ours.suite() != theirs.suite() {
            return Err(BadKeys);
        }
        Ok(Self { ours, sends: context(&ours).ok_or(BadKeys)?, theirs, hears: Vec::new() })
    }

    /// Takes the keys of another that are not its own: the count of packets begins anew with a key, and goes on with
    /// the same.
    pub(crate) fn take(&mut self, other: Self) {
        if other.ours != self.ours {
            (self.ours, self.sends) = (other.ours, other.sends);
        }
        if other.theirs != self.theirs {
            (self.theirs, self.hears) = (other.theirs, other.hears);
        }
    }

    /// Makes a packet of SRTP of one of ours. `None` for what is no packet, and once a key has been used for 2^48.
    pub fn seal(&mut self, packet: &[u8]) -> Option<impl AsRef<[u8]> + use<>> {
        let header = measured(packet)?;
        self.sends.encrypt_rtp_with_header(packet, &header).ok()
    }

    /// Makes a packet of RTP of what came, if the peer made it and it did not come before.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn open(&mut self, datagram: &[u8]) -> Result<impl AsRef<[u8]> + use<>, NotOpened> {
        let header = measured(datagram).ok_or(NotOpened::NotRtp)?;
        self.hear(header.ssrc, |context| context.decrypt_rtp_with_header(datagram, &header).ok())
    }

    /// Makes SRTCP of a compound packet of RTCP. `None` for what is none.
    pub fn seal_report(&mut self, packet: &[u8]) -> Option<impl AsRef<[u8]> + use<>> {
        self.sends.encrypt_rtcp(packet).ok()
    }

    /// Makes RTCP of what came, if the peer made it and it did not come before. Reports that are not encrypted were
    /// not agreed on (`UNENCRYPTED_SRTCP`, RFC 4568, 6.3.2), and are forgeries.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn open_report(&mut self, datagram: &[u8]) -> Result<impl AsRef<[u8]> + use<>, NotOpened> {
        let ssrc = datagram.get(4..REPORT_HEADER_BYTES).and_then(|ssrc| ssrc.try_into().ok());
        let ssrc = u32::from_be_bytes(ssrc.ok_or(NotOpened::NotRtp)?);
        if !self.is_encrypted(datagram) {
            return Err(NotOpened::Forged);
        }
        self.hear(ssrc, |context| context.decrypt_rtcp(datagram).ok())
    }

    /// Opens something of this source. One that was not heard before is heard from now on if this opens.
    fn hear<T>(&mut self, ssrc: u32, open: impl FnOnce(&mut Context) -> Option<T>) -> Result<T, NotOpened> {
        if let Some((_, context)) = self.hears.iter_mut().find(|(known, _)| *known == ssrc) {
            return open(context).ok_or(NotOpened::Forged);
        }
        if self.hears.len() >= SOURCES_MAX {
            return Err(NotOpened::Forged);
        }
        let mut context = context(&self.theirs).ok_or(NotOpened::Forged)?;
        let opened = open(&mut context).ok_or(NotOpened::Forged)?;
        self.hears.push((ssrc, context));
        Ok(opened)
    }

    /// What the first bit of a report's index says. The index stands before the tag of HMAC, and behind that of GCM.
    fn is_encrypted(&self, report: &[u8]) -> bool {
        let behind = match self.theirs.suite() {
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 0,
            Suite::AesCm128HmacSha1_80
            | Suite::AesCm128HmacSha1_32
            | Suite::AesCm256HmacSha1_80
            | Suite::AesCm256HmacSha1_32 => profile(self.theirs.suite()).rtcp_auth_tag_len(),
        };
        let index = report.len().checked_sub(behind + INDEX_BYTES);
        index.and_then(|at| report.get(at)).is_some_and(|first| first & 0x80 != 0)
    }
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secure({})", self.ours.suite().name())
    }
}

fn context(key: &Key) -> Option<Context> {
    let windows = (srtp_replay_protection(WINDOW_PACKETS), srtcp_replay_protection(WINDOW_PACKETS));
    let (master, salt) = key.expose();
    Context::new(master, salt, profile(key.suite()), Some(windows.0), Some(windows.1), &RingCrypto).ok()
}

/// The header as the crate wants to have it: of its length, its source and its number are looked at. All that stands
/// between the fixed header and the payload counts as contributing sources, four bytes each, as it is a multiple of
/// those: the crate cannot find another end of an extension than we do.
fn measured(packet: &[u8]) -> Option<CrateHeader> {
    let (Header { sequence, ssrc, .. }, payload) = Header::read(packet).ok()?;
    let words = (packet.len() - payload.len() - aftercall_wire::rtp::HEADER_BYTES) / 4;
    Some(CrateHeader {
        version: 2,
        sequence_number: sequence,
        ssrc,
        csrc: vec![0; words],
        ..CrateHeader::default()
    })
}

const fn profile(suite: Suite) -> ProtectionProfile {
    match suite {
        Suite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AesCm256HmacSha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::AesCm256HmacSha1_32 => ProtectionProfile::Aes256CmHmacSha1_32,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    }
}

#[cfg(test)]
mod tests;
