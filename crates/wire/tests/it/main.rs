//! The wire formats against recorded bytes, tables and generated input.

mod rtp;
