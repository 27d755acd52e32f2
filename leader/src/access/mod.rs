//! Users and login methods.

pub mod check;
pub mod md5;
pub mod scan_limit;
pub mod scram;
