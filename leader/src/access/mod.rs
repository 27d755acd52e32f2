//! Users and login methods.
