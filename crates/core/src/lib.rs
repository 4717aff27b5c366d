//! The heart of aftercall: which survey a caller goes through, what is asked next,
//! what was answered, and what the answers add up to.
//!
//! Everything here is pure. Nothing awaits, logs or reads a clock; time, where it
//! matters, is an argument. See ARCHITECTURE.md for the drawing this crate sits in.

mod answer;
pub mod conversation;
pub mod ids;
pub mod key;
pub mod player;
pub mod score;
pub mod session;
pub mod stats;
pub mod survey;
pub mod turn;

pub use conversation::{Conversation, Outcome};
pub use ids::{AgentId, CallId, Caller, IdFault, Language, QueueId, SurveyName, TenantId};
pub use key::Key;
pub use player::{Order, Player};
pub use score::Score;
pub use session::Session;
pub use survey::Survey;
pub use turn::{Act, Answer, Asked, Collect, Effect, Ending, Heard, OfferState, Piece, Spoken, Turn, What};
