//! Calls aftercall by the hundred, listens closely, and says what it cost.

pub mod call;
pub mod clock;
pub mod floor;
pub mod generator;
pub mod histogram;
pub mod http;
pub mod keys;
pub mod load;
pub mod meter;
pub mod net;
pub mod process;
pub mod report;
pub mod rtp;
pub mod seen;
pub mod signalling;
pub mod sip;
pub mod summary;
pub mod syscalls;
pub mod wheel;
