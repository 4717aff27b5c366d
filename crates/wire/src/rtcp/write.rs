//! The compound that we send: a report, our name, and sometimes a farewell (RFC 3550, section 6.1).

use super::{
    BLOCK_BYTES, Block, GOODBYE, RECEIVER_REPORT, SENDER_BYTES, SENDER_REPORT, SOURCE_DESCRIPTION, Sent,
    VERSION_2,
};

/// The longest name that fits.
const NAME_BYTES_MAX: usize = 32;

/// The longest compound: a report with one block, a name of 32 bytes, a farewell.
pub const COMPOUND_BYTES_MAX: usize =
    8 + SENDER_BYTES + BLOCK_BYTES + (8 + 2 + NAME_BYTES_MAX + 1).next_multiple_of(4) + 8;

/// The item of a source description that every source has.
const CNAME: u8 = 1;

/// What we have to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Our stream, or who we would be if we had one.
    pub ssrc: u32,
    /// Of our own stream; `None` if it has said nothing lately (section 6.4): then it is a receiver report.
    pub sent: Option<Sent>,
    /// Of the stream that we receive.
    pub block: Option<Block>,
    /// The same in all our reports; what is beyond 32 bytes is left out.
    pub name: &'a str,
    /// Our stream is over.
    pub goodbye: bool,
}

impl Outgoing<'_> {
    /// Writes the compound; its length in `out`.
    #[must_use]
    pub fn write(&self, out: &mut [u8; COMPOUND_BYTES_MAX]) -> usize {
        let mut writer = Writer { out, length: 0 };
        let kind = if self.sent.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        writer.packet(u8::from(self.block.is_some()), kind, |writer| {
            writer.word(self.ssrc);
            if let Some(sent) = self.sent {
                writer.bytes(&sent.ntp.to_be_bytes());
                writer.words(&[sent.timestamp, sent.packets, sent.octets]);
            }
            if let Some(block) = self.block {
                writer.block(&block);
            }
        });
        let name = self.name.as_bytes();
        let name = &name[..name.len().min(NAME_BYTES_MAX)];
        writer.packet(1, SOURCE_DESCRIPTION, |writer| {
            writer.word(self.ssrc);
            writer.bytes(&[CNAME, name.len() as u8]);
            writer.bytes(name);
            // One nought or more end the items; `packet` fills up to a whole word.
            writer.bytes(&[0]);
        });
        if self.goodbye {
            writer.packet(1, GOODBYE, |writer| writer.word(self.ssrc));
        }
        writer.length
    }
}

struct Writer<'a> {
    out: &'a mut [u8; COMPOUND_BYTES_MAX],
    length: usize,
}

impl Writer<'_> {
    fn packet(&mut self, count: u8, kind: u8, body: impl FnOnce(&mut Self)) {
        let begin = self.length;
        self.bytes(&[VERSION_2 | count, kind, 0, 0]);
        body(self);
        while !self.length.is_multiple_of(4) {
            self.bytes(&[0]);
        }
        let words = u16::try_from((self.length - begin) / 4 - 1).unwrap_or_default();
        self.out[begin + 2..begin + 4].copy_from_slice(&words.to_be_bytes());
    }

    fn block(&mut self, block: &Block) {
        let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
        self.word(block.ssrc);
        self.word(u32::from(block.fraction_lost) << 24 | lost);
        self.words(&[block.highest, block.jitter, block.last_report, block.delay]);
    }

    fn words(&mut self, words: &[u32]) {
        for word in words {
            self.word(*word);
        }
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}
