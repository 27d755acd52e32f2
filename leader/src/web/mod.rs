//! HTTP: what watches a server asks for. No answer has a name, a text or a value of a user's in it.

pub mod metrics;
