//! The wire: startup, auth, simple, extended, cancel, encode, SQLSTATE.
