//! G.711: sixteen-bit samples in eight bits each, by the two laws (ITU-T G.711, 1988).
//!
//! A sample that lies exactly on a decision value is coded as in ITU-T G.191's reference software.

/// One of the two laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// That of North America and Japan.
    Mu,
    /// That of everywhere else.
    A,
}

impl Law {
    /// The code of a sample.
    #[must_use]
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => encode_mu_law(sample),
            Self::A => encode_a_law(sample),
        }
    }

    /// The sample that a code stands for.
    #[must_use]
    pub const fn decode(self, code: u8) -> i16 {
        match self {
            Self::Mu => decode_mu_law(code),
            Self::A => decode_a_law(code),
        }
    }

    /// The code that silence is made of.
    #[must_use]
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mu => MU_LAW_SILENCE,
            Self::A => A_LAW_SILENCE,
        }
    }
}

/// What mu-law silence is made of: the code of zero.
pub const MU_LAW_SILENCE: u8 = 0xff;

/// What A-law silence is made of: the code next above zero, which A-law does not have.
pub const A_LAW_SILENCE: u8 = 0xd5;

/// The mu-law code of a sample (G.711, table 2a).
#[must_use]
pub const fn encode_mu_law(sample: i16) -> u8 {
    let (magnitude, sign) = magnitude_and_sign(sample);
    let biased = magnitude + MU_LAW_BIAS;
    let clipped = if biased < MU_LAW_MAX { biased } else { MU_LAW_MAX };
    // The first segment ends at 255: the position of the highest bit above that is the segment.
    let segment = 8 - clipped.leading_zeros() as u16;
    let step = clipped >> (segment + 3) & 0xf;
    !(sign + ((segment << 4) + step) as u8)
}

/// The sample that a mu-law code stands for.
#[must_use]
pub const fn decode_mu_law(code: u8) -> i16 {
    MU_LAW[code as usize]
}

/// The A-law code of a sample (G.711, table 1a).
#[must_use]
pub const fn encode_a_law(sample: i16) -> u8 {
    let (magnitude, sign) = magnitude_and_sign(sample);
    let segment = if magnitude < 0x100 { 0 } else { 8 - magnitude.leading_zeros() as u16 };
    let step = magnitude >> (if segment == 0 { 4 } else { segment + 3 }) & 0xf;
    ((sign ^ SIGN) + ((segment << 4) + step) as u8) ^ A_LAW_EVEN_BITS
}

/// The sample that an A-law code stands for.
#[must_use]
pub const fn decode_a_law(code: u8) -> i16 {
    A_LAW[code as usize]
}

const SIGN: u8 = 0x80;

/// A-law inverts every other bit, so that silence has edges to keep a line in step.
const A_LAW_EVEN_BITS: u8 = 0x55;

/// 33 of the fourteen bits that G.711 reckons with, in sixteen: it makes every segment begin at a power of two.
const MU_LAW_BIAS: u16 = 33 << 2;

/// The last of the eight segments ends here.
const MU_LAW_MAX: u16 = 0x7fff;

const MU_LAW: [i16; 256] = table(true);
const A_LAW: [i16; 256] = table(false);

/// The magnitude reaches 32,767 on both sides: below zero it counts from -1.
const fn magnitude_and_sign(sample: i16) -> (u16, u8) {
    if sample < 0 { (!sample as u16, SIGN) } else { (sample as u16, 0) }
}

const fn table(mu_law: bool) -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        samples[code] = if mu_law { expand_mu_law(code as u8) } else { expand_a_law(code as u8) };
        code += 1;
    }
    samples
}

const fn expand_mu_law(code: u8) -> i16 {
    let code = !code;
    let (segment, step) = (code >> 4 & 7, (code & 0xf) as i16);
    // The middle of the interval: sixteen steps lie above the segment's beginning, and half of one.
    let magnitude = ((((step << 1) + 33) << segment) - 33) << 2;
    if code & SIGN != 0 { -magnitude } else { magnitude }
}

const fn expand_a_law(code: u8) -> i16 {
    let code = code ^ A_LAW_EVEN_BITS;
    let (segment, step) = (code >> 4 & 7, (code & 0xf) as i16);
    let magnitude = match segment {
        0 => (step << 4) + 8,
        above => ((step << 4) + 0x108) << (above - 1),
    };
    if code & SIGN != 0 { magnitude } else { -magnitude }
}
