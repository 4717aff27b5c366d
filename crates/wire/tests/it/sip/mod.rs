mod message;
mod transaction;
