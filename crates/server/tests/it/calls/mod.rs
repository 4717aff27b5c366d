//! The proof: real calls to the real program. SIPp calls it, the test hears what it plays and presses keys,
//! and what is kept is read back through the API and from the database.
//!
//! A call waits for what it hears, not for a clock, so a busy machine makes these tests slower, not wrong.
//! Where a time itself is promised, several calls are placed and the best of them must keep it: a machine
//! that has other things to do only ever adds time.

mod asterisk;
mod baresip;
mod caller;
mod capture;
mod dial;
mod durability;
mod floods;
mod hang_ups;
mod keys;
mod many;
mod pcap;
mod phone;
mod privacy;
mod rtp;
mod sipp;
mod srtp;
mod steps;
mod surveys;
mod tls;
mod tones;
mod transcripts;
mod ways;
