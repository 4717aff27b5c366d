//! Promises of `aftercall-core`.

mod call;
mod conversation;
#[path = "../input.rs"]
mod input;
mod survey;

pub use conversation::conversation;
pub use survey::survey;
