//! Loops that bring rows by themselves.

pub mod copy_job;
