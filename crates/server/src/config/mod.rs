//! x
pub mod locate;
