//! What the server promises, tried from outside.

mod signalling;
