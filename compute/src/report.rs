//! What each step did: rows, bytes, time, spill.
