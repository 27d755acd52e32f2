//! Named backups of a whole cluster: made while it runs, kept in a *repository*, restored exactly.
//!
//! A repository is a directory or a place in a bucket. Each snapshot is one manifest that names the
//! objects it needs; an object is a row group or a delete mask, and many snapshots share it. What a
//! newcomer would get wrong: objects are found by their content, but their keys are not their content.
//! Each upload takes a key of its own, and a later snapshot learns keys from manifests alone. So nobody
//! can begin to use an object while another removes it, without a lock that a crash would leave behind;
//! `delete` says why that is enough.

mod create;
mod delete;
mod local;
pub mod manifest;
pub mod repository;
mod restore;
mod verify;

pub use create::{Created, Request, create};
pub use delete::{Deleted, delete};
pub use manifest::Manifest;
pub use repository::Repository;
pub use restore::{Staged, restore, restore_design, stage_table};

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// Characters of a snapshot's name at most, as in Redshift.
const NAME_MAX: usize = 255;

/// How far a snapshot or a restore is; others look at it meanwhile.
#[derive(Debug, Default)]
pub struct Steps {
    done: AtomicU64,
    all: AtomicU64,
}

impl Steps {
    /// Tells how many of how many are done.
    pub fn tell(&self, done: u64, all: u64) {
        self.all.store(all, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
    }

    /// Tells that so many more are done.
    pub fn add(&self, done: u64) {
        self.done.fetch_add(done, Ordering::Relaxed);
    }

    /// Gives the percent done; 0 before anything is known.
    pub fn percent(&self) -> f64 {
        let done = self.done.load(Ordering::Relaxed) as f64;
        let all = self.all.load(Ordering::Relaxed).max(1) as f64;
        (done / all * 100.0).min(100.0)
    }
}

/// Checks a name: letters, digits, `-`, `_` and `.`, and a letter or digit first.
pub fn ensure_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let begins = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    match begins && name.len() <= NAME_MAX && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(Error::SnapshotName {
            name: name.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
