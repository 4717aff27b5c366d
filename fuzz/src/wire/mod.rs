//! Promises of `aftercall-wire`.

mod dtmf_info;
#[path = "../input.rs"]
mod input;
mod layer;
mod rtcp;
mod rtp;
mod sdp;
mod sip;
mod telephone_event;

pub use dtmf_info::dtmf_info;
pub use layer::layer;
pub use rtcp::rtcp;
pub use rtp::rtp;
pub use sdp::sdp;
pub use sip::sip;
pub use telephone_event::telephone_event;
