//! The way between the phone and the server: SRTP, where it was agreed on.

use aftercall_media::{BadKeys, Keys, Secure};

/// What goes over it.
pub(super) struct Line(Option<Secure>);

impl Line {
    /// With these keys, or without.
    pub(super) fn new(keys: Option<&Keys>) -> Result<Self, BadKeys> {
        keys.map(Secure::new).transpose().map(Self)
    }

    /// What the server sent, of what came. `None` where another did.
    pub(super) fn receive(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        match &mut self.0 {
            None => Some(datagram.to_vec()),
            Some(secure) => secure.open(datagram).ok().map(|packet| packet.as_ref().to_vec()),
        }
    }

    /// What is sent of a packet.
    pub(super) fn send(&mut self, packet: Vec<u8>) -> Option<Vec<u8>> {
        match &mut self.0 {
            None => Some(packet),
            Some(secure) => secure.seal(&packet).map(|sealed| sealed.as_ref().to_vec()),
        }
    }
}
