//! One file per column encoding.
