//! The heart of aftercall: which survey a caller goes through, what is asked next,
//! what was answered, and what the answers add up to.
//!
//! Everything here is pure. Nothing awaits, logs or reads a clock; time, where it
//! matters, is an argument. See ARCHITECTURE.md for the drawing this crate sits in.

pub mod ids;
pub mod key;
pub mod score;
pub mod stats;
pub mod turn;

pub use ids::{AgentId, CallId, Caller, IdFault, Language, QueueId, SurveyName, TenantId};
pub use key::Key;
pub use score::Score;
pub use turn::{Act, Asked, Collect, Effect, Ending, Heard, OfferState, Piece, Spoken, Turn, What};
