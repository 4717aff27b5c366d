//! A ZIP archive (PKWARE APPNOTE 6.3.10) that is written from its beginning to its end and never gone back in: what an
//! entry comes to stands behind it (4.3.9), and in the directory at the end. Knows neither files nor sockets.

use flate2::{Compress, Compression, Crc, FlushCompress};

/// The most bytes of an entry, before and after packing: what 32 bits hold, so that every reader reads it.
pub(super) const ENTRY_BYTES_MAX: u64 = 0xffff_fffe;

/// How hard it is packed: the least. A sheet is the same few words again and again, and a caller may be on the line.
const LEVEL: Compression = Compression::fast();

/// How much more room packed bytes are given at a time.
const ROOM: usize = 16 * 1024;

/// Names are UTF-8 (bit 11), sizes stand behind the data (bit 3).
const FLAGS: u16 = 1 << 11 | 1 << 3;

/// Deflate.
const METHOD: u16 = 8;

/// What a reader must know: deflate (2.0), or 64-bit places (4.5).
const VERSION: u16 = 20;
const VERSION_64: u16 = 45;

/// 1980-01-01: an archive of the same content is the same.
const DATE: u16 = 1 << 5 | 1;

/// What a 32-bit field says when the 64-bit one counts.
const SEE_64: u32 = u32::MAX;

/// An archive being written. What has been made is taken from it by [`Zip::take`].
#[derive(Debug)]
pub(super) struct Zip {
    made: Vec<u8>,
    /// Bytes made so far, those that were taken too.
    at: u64,
    open: Option<Open>,
    done: Vec<Entry>,
}

/// The entry that is being written.
#[derive(Debug)]
struct Open {
    name: &'static str,
    number: usize,
    starts: u64,
    data: u64,
    crc: Crc,
    packer: Box<Compress>,
}

/// An entry that is complete.
#[derive(Debug)]
struct Entry {
    name: String,
    starts: u64,
    crc: u32,
    packed: u32,
    plain: u32,
}

impl Zip {
    /// An empty archive, `at` bytes behind the beginning of what it is written into.
    pub(super) fn new(at: u64) -> Self {
        Self { made: Vec::new(), at, open: None, done: Vec::new() }
    }

    /// Begins an entry, and ends the one before. `#` in its name is its number.
    pub(super) fn entry(&mut self, name: &'static str, number: usize) {
        self.end_entry();
        let (starts, shown) = (self.at, named(name, number));
        self.put(&[&0x0403_4b50_u32.to_le_bytes()]);
        self.head(VERSION, 0, 0, 0, &shown, 0);
        self.put(&[shown.as_bytes()]);
        let packer = Box::new(Compress::new(LEVEL, false));
        self.open = Some(Open { name, number, starts, data: self.at, crc: Crc::new(), packer });
    }

    /// Goes on with the entry.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if let Some(open) = &mut self.open {
            open.crc.update(bytes);
            let before = self.made.len();
            pack(&mut open.packer, bytes, FlushCompress::None, &mut self.made);
            self.at += (self.made.len() - before) as u64;
        }
    }

    /// What has been made since this was asked before.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.made)
    }

    /// Ends the archive: nothing is written into it any more.
    pub(super) fn end(&mut self) {
        self.end_entry();
        let directory = self.at;
        for entry in std::mem::take(&mut self.done) {
            self.listed(&entry);
            self.done.push(entry);
        }
        let (count, size) = (self.done.len() as u64, self.at - directory);
        let end = self.at;
        let far = directory >= u64::from(SEE_64) || size >= u64::from(SEE_64) || count >= 0xffff;
        if far {
            // The 64-bit end of the directory (4.3.14), and where that is (4.3.15).
            self.put(&[&0x0606_4b50_u32.to_le_bytes(), &44_u64.to_le_bytes()]);
            self.put(&[&VERSION_64.to_le_bytes(), &VERSION_64.to_le_bytes(), &[0; 8]]);
            self.put(&[&count.to_le_bytes(), &count.to_le_bytes(), &size.to_le_bytes()]);
            self.put(&[&directory.to_le_bytes()]);
            self.put(&[&0x0706_4b50_u32.to_le_bytes(), &[0; 4], &end.to_le_bytes(), &1_u32.to_le_bytes()]);
        }
        let short = |number: u64| u32::try_from(number).unwrap_or(SEE_64).to_le_bytes();
        let shorter = u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
        self.put(&[&0x0605_4b50_u32.to_le_bytes(), &[0; 4], &shorter, &shorter]);
        self.put(&[&short(size), &short(directory), &[0; 2]]);
    }

    fn end_entry(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        let before = self.made.len();
        pack(&mut open.packer, &[], FlushCompress::Finish, &mut self.made);
        self.at += (self.made.len() - before) as u64;
        // Entries are kept below 32 bits by whoever writes them.
        let packed = u32::try_from(self.at - open.data).unwrap_or(SEE_64);
        let plain = u32::try_from(open.packer.total_in()).unwrap_or(SEE_64);
        let crc = open.crc.sum();
        self.put(&[&0x0807_4b50_u32.to_le_bytes(), &crc.to_le_bytes()]);
        self.put(&[&packed.to_le_bytes(), &plain.to_le_bytes()]);
        self.done.push(Entry {
            name: named(open.name, open.number),
            starts: open.starts,
            crc,
            packed,
            plain,
        });
    }

    /// An entry's line in the directory (4.3.12).
    fn listed(&mut self, entry: &Entry) {
        let far = entry.starts >= u64::from(SEE_64);
        let version = if far { VERSION_64 } else { VERSION };
        self.put(&[&0x0201_4b50_u32.to_le_bytes(), &version.to_le_bytes()]);
        self.head(version, entry.crc, entry.packed, entry.plain, &entry.name, if far { 12 } else { 0 });
        self.put(&[&[0; 10], &u32::try_from(entry.starts).unwrap_or(SEE_64).to_le_bytes()]);
        self.put(&[entry.name.as_bytes()]);
        if far {
            self.put(&[&1_u16.to_le_bytes(), &8_u16.to_le_bytes(), &entry.starts.to_le_bytes()]);
        }
    }

    /// What the head of an entry and its line in the directory have in common.
    fn head(&mut self, version: u16, crc: u32, packed: u32, plain: u32, name: &str, extra: u16) {
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        self.put(&[&version.to_le_bytes(), &FLAGS.to_le_bytes(), &METHOD.to_le_bytes(), &[0; 2]]);
        self.put(&[&DATE.to_le_bytes(), &crc.to_le_bytes(), &packed.to_le_bytes(), &plain.to_le_bytes()]);
        self.put(&[&length.to_le_bytes(), &extra.to_le_bytes()]);
    }

    fn put(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.made.extend_from_slice(part);
            self.at += part.len() as u64;
        }
    }
}

fn named(name: &str, number: usize) -> String {
    name.replace('#', &number.to_string())
}

/// Packs all of `bytes`, and at the end what is still held back.
fn pack(packer: &mut Compress, bytes: &[u8], flush: FlushCompress, into: &mut Vec<u8>) {
    let mut rest = bytes;
    loop {
        into.reserve(ROOM);
        let before = packer.total_in();
        let status = packer.compress_vec(rest, into, flush);
        rest = &rest[usize::try_from(packer.total_in() - before).unwrap_or(rest.len())..];
        let ended = matches!(status, Ok(flate2::Status::StreamEnd) | Err(_));
        let has_room = into.len() < into.capacity();
        if ended || (flush == FlushCompress::None && rest.is_empty() && has_room) {
            return;
        }
    }
}
