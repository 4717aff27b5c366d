mod layer;
mod message;
mod transaction;
