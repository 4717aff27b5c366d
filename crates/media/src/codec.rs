//! The two codecs of the telephone (ITU-T G.711).

/// One of the two codecs of the telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Mu-law.
    Pcmu,
    /// A-law.
    Pcma,
}

impl Codec {
    pub(crate) fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => ulaw(sample),
            Self::Pcma => alaw(sample),
        }
    }
    pub(crate) fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Pcmu => unulaw(byte),
            Self::Pcma => unalaw(byte),
        }
    }
    pub(crate) fn silence(self) -> u8 {
        self.encode(0)
    }
}
fn ulaw(s: i16) -> u8 {
    let m = (i32::from(s).abs() + 132).min(32767);
    let e = 31 - (m >> 7).leading_zeros();
    let mant = (m >> (e + 3)) & 15;
    !((if s < 0 { 0x80 } else { 0 }) | (e << 4) as u8 | mant as u8)
}
fn unulaw(b: u8) -> i16 {
    let b = !b;
    let m = (((i32::from(b & 15) << 3) + 132) << (b >> 4 & 7)) - 132;
    (if b & 0x80 != 0 { -m } else { m }) as i16
}
fn alaw(s: i16) -> u8 {
    let (sign, m) = if s >= 0 { (0x80, i32::from(s) >> 3) } else { (0, (-1 - i32::from(s)) >> 3) };
    let e = if m < 32 { 0 } else { 27 - (m as u32).leading_zeros() };
    let mant = if e <= 1 { m >> 1 & 15 } else { m >> e & 15 };
    (sign | (e << 4) as u8 | mant as u8) ^ 0x55
}
fn unalaw(b: u8) -> i16 {
    let b = b ^ 0x55;
    let e = b >> 4 & 7;
    let m = (i32::from(b & 15) << 4) + 8;
    let m = if e == 0 { m } else { (m + 256) << (e - 1) };
    (if b & 0x80 != 0 { m } else { -m }) as i16
}
