//! The part of a leg between its socket and what it hears and says: SRTP, where that was agreed on.

use std::ops::Deref;

use super::Leg;
use crate::secure::{NotOpened, Secure};

/// A packet on its way through: as it is without SRTP, made anew with it.
pub(crate) enum Passed<'a, Made> {
    AsItIs(&'a [u8]),
    Made(Made),
}

impl<Made: AsRef<[u8]>> Deref for Passed<'_, Made> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::AsItIs(bytes) => bytes,
            Self::Made(made) => made.as_ref(),
        }
    }
}

impl Leg {
    /// Speaks and hears SRTP with these keys from now on, or plain RTP. With keys that it has already, what was counted
    /// with them is counted on.
    pub(crate) fn secure(&mut self, secure: Option<Box<Secure>>) {
        match (&mut self.secure, secure) {
            (Some(present), Some(new)) => present.take(*new),
            (present, new) => *present = new,
        }
    }

    /// What the peer sent, of what came. `None` for what another made or sent again: nothing but a counter knows of
    /// it. What is no packet is left to [`Leg::hear`].
    pub(crate) fn open<'a>(&mut self, bytes: &'a [u8]) -> Option<Passed<'a, impl AsRef<[u8]> + use<>>> {
        let Some(secure) = &mut self.secure else { return Some(Passed::AsItIs(bytes)) };
        let opened = secure.open(bytes);
        self.judged(bytes, opened)
    }

    /// The same of a report. What is none is left to [`Leg::hear_report`].
    pub(super) fn open_report<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> Option<Passed<'a, impl AsRef<[u8]> + use<>>> {
        let Some(secure) = &mut self.secure else { return Some(Passed::AsItIs(bytes)) };
        let opened = secure.open_report(bytes);
        self.judged(bytes, opened)
    }

    fn judged<'a, Made>(
        &mut self,
        bytes: &'a [u8],
        opened: Result<Made, NotOpened>,
    ) -> Option<Passed<'a, Made>> {
        match opened {
            Ok(opened) => Some(Passed::Made(opened)),
            Err(NotOpened::NotRtp) => Some(Passed::AsItIs(bytes)),
            Err(NotOpened::Forged) => {
                self.stats.forged += 1;
                None
            }
        }
    }

    /// What is sent of a report. `None` where it must not be.
    pub(crate) fn seal_report<'a>(
        &mut self,
        report: &'a [u8],
    ) -> Option<Passed<'a, impl AsRef<[u8]> + use<>>> {
        let Some(secure) = &mut self.secure else { return Some(Passed::AsItIs(report)) };
        Some(Passed::Made(secure.seal_report(report)?))
    }

    /// What is sent of a packet. `None` where it must not be: nothing goes out in the clear that was to be secret.
    pub(crate) fn seal<'a>(&mut self, packet: &'a [u8]) -> Option<Passed<'a, impl AsRef<[u8]> + use<>>> {
        match &mut self.secure {
            None => Some(Passed::AsItIs(packet)),
            Some(secure) => secure.seal(packet).map(Passed::Made),
        }
    }
}
