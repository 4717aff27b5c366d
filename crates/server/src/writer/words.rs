//! The words in which doors say what is to be kept. Doors know the writer, never the store behind it.

pub use aftercall_store::{
    About, Answered, Channel, Ended, Flag, Measured, Offered, Put, Quality, Said, Session, SessionId,
    Started, Write,
};
