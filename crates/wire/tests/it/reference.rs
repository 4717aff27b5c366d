//! The reference vectors: captures, and the manifests that say what is in them.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Another folder with such manifests, to try more than the repository carries. What it lacks is taken
/// from here.
const ELSEWHERE: &str = "AFTERCALL_REFERENCE_DTMF";

#[derive(Deserialize)]
pub(crate) struct Capture {
    pub(crate) file: String,
    pub(crate) cls: Class,
    pub(crate) payload_type: u8,
    pub(crate) expected: String,
    /// Other right answers, where there is no single one.
    #[serde(default)]
    pub(crate) accepts: Vec<String>,
}

/// How much a vector binds: `must` and `quirk` have one right answer, `info` is only recorded.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    Must,
    MustNot,
    Quirk,
    Info,
}

pub(crate) fn manifest<T: DeserializeOwned>(name: &str) -> T {
    let path = path(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The UDP payloads of a capture and when they came, counted from 1970.
pub(crate) fn datagrams(file: &str) -> Vec<(Duration, Vec<u8>)> {
    let path = path(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (header, mut rest) = bytes.split_at(24);
    assert_eq!(header[..4], 0xa1b2_c3d4_u32.to_le_bytes(), "{file}: not a little-endian pcap");
    assert_eq!(header[20..], 1_u32.to_le_bytes(), "{file}: not Ethernet");
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut datagrams = Vec::new();
    while !rest.is_empty() {
        let (record, after) = rest.split_at(16);
        let at = Duration::new(word(record, 0).into(), word(record, 4) * 1000);
        let (frame, after) = after.split_at(word(record, 8) as usize);
        let ip_bytes = usize::from(frame[ETHERNET] & 0xf) * 4;
        datagrams.push((at, frame[ETHERNET + ip_bytes + UDP..].to_vec()));
        rest = after;
    }
    datagrams
}

const ETHERNET: usize = 14;
const UDP: usize = 8;

/// Where a file of the set is, or would be.
pub(crate) fn path(file: &str) -> PathBuf {
    let elsewhere = std::env::var_os(ELSEWHERE).map(|folder| PathBuf::from(folder).join(file));
    let here = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/dtmf")).join(file);
    elsewhere.filter(|path| path.exists()).unwrap_or_else(here)
}

/// A recorded SIP request, cut apart at the simplest.
pub(crate) struct Request {
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn read(name: &str) -> Self {
        let path = format!("{}/tests/vectors/sip/{name}.sip", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (start, headers) = head.split_once("\r\n").unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_owned(), value.trim().to_owned())
        };
        Self {
            uri: start.split(' ').nth(1).unwrap().to_owned(),
            headers: headers.split("\r\n").map(header).collect(),
            body: body.to_owned(),
        }
    }
}
