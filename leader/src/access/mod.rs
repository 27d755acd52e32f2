//! Users and login methods.

pub mod check;
pub mod scram;
