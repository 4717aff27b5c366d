//! Calls aftercall by the hundred, listens closely, and says what it cost.

pub mod clock;
pub mod histogram;
pub mod keys;
pub mod rtp;
pub mod sip;
pub mod wheel;
