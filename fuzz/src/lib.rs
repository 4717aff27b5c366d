//! What holds whatever bytes come, as functions of those bytes. Each panics where a promise is broken.
//!
//! libFuzzer calls them by way of `targets/`; the tests of `core` and `wire` call the same functions with the corpora
//! of `corpus/`, so that what was found once stays found.

pub mod engine;
pub mod wire;
