//! Append-only checksummed log: the commit log and its checkpoints.
