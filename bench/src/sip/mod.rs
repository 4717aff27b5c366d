//! As much of SIP as a caller needs who makes one kind of call over UDP (RFC 3261): no proxies on the way, no
//! authentication, no re-INVITE.

pub mod dialog;
pub mod message;
pub mod retry;
pub mod sdp;
