//! SIP signalling, held against hand-written peers, against SIPp, and against itself.

mod calls;
mod clients;
mod dialling;
mod harness;
mod peer;
mod requests;
