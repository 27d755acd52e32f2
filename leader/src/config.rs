//! Server file and environment.
