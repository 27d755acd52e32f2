//! One round of a copy job: finds what has come under its prefix, and loads it in batches.
//!
//! Files are loaded in the order they were made. When a batch fails, the files it names as bad are parked and the rest is
//! tried again; where nothing is named, files are tried one by one. A file with bad rows is parked at once, as its bytes stay
//! what they are; one that could not be read is tried in [`ATTEMPTS_MAX`] rounds before. A round ends with an error, and no
//! file is blamed, where something else is wrong: the prefix cannot be listed, the owner may not write, the disk is full.

use super::batch::{Outcome, Target};
use crate::catalog::Catalog;
use crate::catalog::copy_job::CopyJob;
use crate::error::sqlstate::report;
use crate::error::{Error, Result};
use crate::history::copy_job::{JobFacts, JobSession};
use crate::history::{lock, now_us};
use crate::server::Server;
use crate::transaction::ledger::{
    ENTRIES_MAX, ERROR_CHARACTERS_MAX, Entry, EntryState, Ledger, file,
};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_compute::load::{self, FoundFile, Watched};
use blueshift_sql::SqlState;
use blueshift_sql::statement::copy::Copy;
use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Files of a batch at most.
const BATCH_FILES_MAX: usize = 1_000;
/// Bytes of a batch from which on no file is added.
const BATCH_BYTES: u64 = 256 << 20;
/// Rounds in which a file that cannot be read is tried before it is parked.
const ATTEMPTS_MAX: u32 = 5;
/// So many files in a row that cannot be read end a round: the store is to blame rather than each of them.
const STRIKES_MAX: u32 = 3;
/// A background job leaves alone local files that were changed less than this ago: somebody may be writing them.
const SETTLE_US: i64 = 1_000_000;

/// Who wants a round.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// Somebody, by RUN: parked files are tried again, and those of this moment too.
    Asked,
    /// Nobody.
    Auto {
        /// The time between rounds.
        interval: Duration,
        /// What the round before found and left nothing of, see [`Done::seen`].
        seen: Option<u64>,
    },
}

/// What a round did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Files loaded.
    pub(crate) files: u64,
    /// Their rows.
    pub(crate) rows: u64,
    /// Files that could not be loaded.
    pub(crate) failed: u64,
    /// The id of the last query that loaded any.
    pub(crate) query: Option<i64>,
    /// Stands for all that was found, if nothing of it is left to do: a round that finds the same ends at once.
    pub(crate) seen: Option<u64>,
}

/// A round to be run.
pub(crate) struct Round<'a> {
    server: &'a Arc<Server>,
    job: u32,
    how: How,
}

/// Gives where a COPY finds its files.
pub(super) fn watched(copy: &Copy) -> Watched<'_> {
    Watched {
        prefix: &copy.source,
        authorization: &copy.authorization,
        region: copy.options.region.as_deref(),
    }
}

impl<'a> Round<'a> {
    /// Prepares a round of a job.
    pub(crate) fn new(server: &'a Arc<Server>, job: u32, how: How) -> Self {
        Self { server, job, how }
    }

    /// Runs it. One round of a job runs at a time: who asks waits for the one before, the background leaves it.
    pub(crate) async fn run(self) -> Result<Done> {
        let is_asked = matches!(self.how, How::Asked);
        let mut turn = self.server.transactions.begin(0, false);
        turn.lock_timeout = (!is_asked).then_some(Duration::ZERO);
        let own = Lockable::Name(self.job, "round of a copy job".to_owned());
        match turn.lock(own, Mode::Exclusive).await {
            Err(error) if !is_asked && report(&error).code == SqlState::LOCK_NOT_AVAILABLE => {
                return Ok(Done::default());
            }
            outcome => outcome?,
        }
        let catalog = self.server.transactions.committed_catalog()?;
        let Some(job) = catalog.copy_jobs.get(&self.job).cloned() else {
            return Ok(Done::default());
        };
        let copy = job.copy()?;
        let found = load::found(&self.server.node, watched(&copy)).await?;
        let listing = digest(&found);
        if matches!(self.how, How::Auto { seen, .. } if seen == Some(listing)) {
            return Ok(Done {
                seen: Some(listing),
                ..Done::default()
            });
        }
        let facts = facts(&catalog, &job);
        let target = Target {
            server: Arc::clone(self.server),
            job,
            is_asked,
        };
        let view = self.server.node.store.read_view();
        let mut ledger = Ledger::of(&view, self.job)?;
        drop(view);
        let sorted = sort(self.how, found, &ledger, now_us());
        make_room(&target, &mut ledger, &sorted).await?;
        let mut waiting = sorted.wanted;
        let room = ENTRIES_MAX.saturating_sub(ledger.len());
        let is_full = waiting.len() > room && sorted.new > room;
        if is_full {
            waiting.truncate(room);
            self.server.history.tell_of_job(&facts, FULL);
        }
        let mut work = Work {
            target,
            copy,
            ledger,
            is_left: sorted.is_later || is_full,
            done: Done::default(),
            errors: Vec::new(),
        };
        if !waiting.is_empty() {
            let outcome = work.run(&facts, waiting).await;
            work.tell(&facts);
            outcome?;
        }
        work.done.seen = (!work.is_left).then_some(listing);
        Ok(work.done)
    }
}

/// What is told of a job whose ledger has no room.
const FULL: &str = "The job remembers as many files as it can: move loaded files away from under the prefix, or make \
                    another job.";

/// Gives what messages and the session of a job tell of it.
pub(crate) fn facts(catalog: &Catalog, job: &CopyJob) -> JobFacts {
    let owner = catalog.users.get(&job.owner);
    let database = catalog.databases.get(&job.database);
    JobFacts {
        job: job.oid,
        name: job.name.clone(),
        userid: job.owner,
        user_name: owner.map_or_else(String::new, |owner| owner.name.clone()),
        database: job.database,
        database_name: database.map_or_else(String::new, |database| database.name.clone()),
    }
}

/// Mixes all that was found to one number.
fn digest(found: &[FoundFile]) -> u64 {
    let mut hasher = DefaultHasher::new();
    found.len().hash(&mut hasher);
    for file in found {
        (&file.url, &file.etag, file.bytes, file.modified_us).hash(&mut hasher);
    }
    hasher.finish()
}

/// What was found, sorted by what is to be done.
struct Sorted {
    /// To be loaded now, in this order.
    wanted: VecDeque<FoundFile>,
    /// How many of them the ledger has no entry of.
    new: usize,
    /// Whether there is more to be loaded later.
    is_later: bool,
    /// The names of all files.
    names: HashSet<String>,
    /// Names and positions of all files.
    there: HashSet<(String, String)>,
}

fn sort(how: How, found: Vec<FoundFile>, ledger: &Ledger, now: i64) -> Sorted {
    let mut sorted = Sorted {
        wanted: VecDeque::new(),
        new: 0,
        is_later: false,
        names: HashSet::with_capacity(found.len()),
        there: HashSet::new(),
    };
    let mut wanted = Vec::new();
    for file in found {
        let position = file::position(&file);
        let entry = ledger.find(&file.url, &position);
        sorted.names.insert(file.url.clone());
        if entry.is_some_and(|entry| entry.state == EntryState::Waiting) {
            sorted.there.insert((file.url.clone(), position));
        }
        match is_due(how, &file, entry, now) {
            Some(true) => {
                sorted.new += usize::from(entry.is_none());
                wanted.push(file);
            }
            Some(false) => sorted.is_later = true,
            None => {}
        }
    }
    wanted.sort_by(|one, other| (one.modified_us, &one.url).cmp(&(other.modified_us, &other.url)));
    sorted.wanted = wanted.into();
    sorted
}

/// Tells whether a file is to be loaded now, or later; `None` if never by itself.
fn is_due(how: How, file: &FoundFile, entry: Option<&Entry>, now: i64) -> Option<bool> {
    let state = entry.map(|entry| entry.state);
    match (how, state) {
        (_, Some(EntryState::Before | EntryState::Taken)) => None,
        (How::Asked, _) => Some(true),
        (How::Auto { .. }, Some(EntryState::Parked)) => None,
        (How::Auto { interval, .. }, Some(EntryState::Waiting)) => {
            let (since, attempts) =
                entry.map_or((0, 0), |entry| (entry.changed_us, entry.attempts));
            let pause = interval * 2_u32.pow(attempts.saturating_sub(1).min(ATTEMPTS_MAX));
            let pause_us = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
            Some(now.saturating_sub(since) >= pause_us)
        }
        (How::Auto { .. }, None) => {
            let is_local = file.url.starts_with("file://");
            Some(!is_local || now.saturating_sub(file.modified_us) >= SETTLE_US)
        }
    }
}

/// Forgets files that wait and are gone or overwritten, and, where the ledger has no room for what is new, loaded files
/// that are gone: they cannot be loaded again unless somebody brings them back.
async fn make_room(target: &Target, ledger: &mut Ledger, sorted: &Sorted) -> Result<()> {
    let is_gone = |entry: &Entry| {
        let here = (entry.unit.clone(), entry.position.clone());
        entry.state == EntryState::Waiting && !sorted.there.contains(&here)
    };
    let needs_room = ledger.len() + sorted.new > ENTRIES_MAX;
    if !needs_room && !ledger.entries().any(is_gone) {
        return Ok(());
    }
    let change = |ledger: &mut Ledger| {
        ledger
            .retain(|entry| !is_gone(entry) && (!needs_room || sorted.names.contains(&entry.unit)));
    };
    target.note(ledger, change).await
}

/// A round that has found something.
struct Work {
    target: Target,
    copy: Copy,
    ledger: Ledger,
    /// Whether something is left for the next round.
    is_left: bool,
    done: Done,
    /// Why files could not be loaded.
    errors: Vec<String>,
}

/// Whom a failure is blamed on.
enum Blame {
    /// What is the same for all files.
    Job,
    /// The bytes of a file.
    Data,
    /// Perhaps a file, perhaps chance.
    Chance,
}

fn blame(error: &Error) -> Blame {
    use blueshift_compute::Error as Compute;
    let code = report(error).code;
    let class = code.0.get(..2).unwrap_or_default();
    match error {
        Error::Compute(Compute::Load { .. }) => Blame::Data,
        Error::Storage(_) | Error::Compute(Compute::Storage(_) | Compute::Canceled) => Blame::Job,
        // An option that does not fit the table, or a JSONPaths file that is none.
        Error::Compute(_) if code == SqlState::INVALID_PARAMETER_VALUE => Blame::Job,
        Error::Compute(_) => match class {
            // No keys, no memory, no time.
            "28" | "53" | "57" => Blame::Job,
            // Values, nulls, sizes.
            "22" | "23" | "54" => Blame::Data,
            _ => Blame::Chance,
        },
        Error::Engine(_) => Blame::Chance,
        Error::Sql(_) if code == SqlState::INTERNAL_ERROR => Blame::Chance,
        Error::Sql(_) => Blame::Job,
    }
}

impl Work {
    async fn run(&mut self, facts: &JobFacts, waiting: VecDeque<FoundFile>) -> Result<()> {
        let history = &self.target.server.history;
        let Ok(session) = history.open_job(facts) else {
            // Its database is being changed or dropped.
            self.is_left = true;
            return Ok(());
        };
        *lock(&session.queue.waiting) = waiting;
        let (mut files_max, mut strikes) = (BATCH_FILES_MAX, 0);
        loop {
            let files = next_batch(&session, files_max);
            if files.is_empty() {
                return Ok(());
            }
            let loading = self.target.load(&session, &files, &mut self.ledger);
            let (query, outcome) = Box::pin(loading).await;
            let (error, refused) = match outcome {
                Outcome::Loaded { rows } => {
                    self.done.files += files.len() as u64;
                    self.done.rows += rows;
                    self.done.query = Some(query);
                    files_max = (files_max * 2).min(BATCH_FILES_MAX);
                    strikes = 0;
                    continue;
                }
                Outcome::Over => return Ok(()),
                Outcome::Failed { error, refused } => (error, refused),
            };
            let blame = blame(&error);
            if matches!(blame, Blame::Job) {
                self.is_left = true;
                return Err(error);
            }
            let is_bad = |file: &&FoundFile| refused.contains(&file.url) || files.len() == 1;
            let bad: Vec<_> = files.iter().filter(is_bad).cloned().collect();
            let rest = files.iter().filter(|file| !is_bad(file)).cloned();
            let rest: Vec<_> = rest.collect();
            {
                let mut waiting = lock(&session.queue.waiting);
                rest.into_iter()
                    .rev()
                    .for_each(|file| waiting.push_front(file));
            }
            files_max = match bad.is_empty() {
                true => 1,
                false => (files_max / 2).max(1),
            };
            let is_data = matches!(blame, Blame::Data);
            if self.fail(&bad, &error, is_data, query).await? && !is_data {
                strikes += 1;
                if strikes >= STRIKES_MAX {
                    self.is_left = true;
                    return Ok(());
                }
            }
        }
    }

    /// Notes files that could not be loaded, unless they are gone or were overwritten meanwhile. Tells whether any was.
    async fn fail(
        &mut self,
        bad: &[FoundFile],
        error: &Error,
        is_data: bool,
        query: i64,
    ) -> Result<bool> {
        let mut same = Vec::new();
        for file in bad {
            let node = &self.target.server.node;
            // Where that cannot be told either, it is the file's or the store's fault all the same.
            match load::is_unchanged(node, watched(&self.copy), file).await {
                Ok(false) => self.is_left = true,
                Ok(true) | Err(_) => same.push(file),
            }
        }
        if same.is_empty() {
            return Ok(false);
        }
        let report = report(error);
        if report.code == SqlState::UNDEFINED_FILE {
            // Another file, such as that of JSONPaths.
            return Err(report.into());
        }
        let detail = report
            .detail
            .map_or_else(String::new, |detail| format!(" {detail}"));
        let text: String = format!("{}{detail}", report.message)
            .chars()
            .take(ERROR_CHARACTERS_MAX)
            .collect();
        let (now, mut is_left) = (now_us(), false);
        let change = |ledger: &mut Ledger| {
            for file in &same {
                let mut entry = file::entry(file, EntryState::Waiting, now);
                let mut is_parked = is_data;
                if let Some(known) = ledger.find(&entry.unit, &entry.position) {
                    entry.attempts = known.attempts;
                    entry.noticed_us = known.noticed_us;
                    is_parked |= known.state == EntryState::Parked;
                }
                entry.attempts += 1;
                entry.error.clone_from(&text);
                entry.query = query;
                if is_parked || entry.attempts >= ATTEMPTS_MAX {
                    entry.state = EntryState::Parked;
                } else {
                    is_left = true;
                }
                ledger.put(entry);
            }
        };
        self.target.note(&mut self.ledger, change).await?;
        self.is_left |= is_left;
        self.done.failed += same.len() as u64;
        self.errors.push(text);
        Ok(true)
    }

    /// Tells in SYS_COPY_JOB_INFO what could not be loaded.
    fn tell(&self, facts: &JobFacts) {
        let Some(first) = self.errors.first() else {
            return;
        };
        let text = format!(
            "Job {} failed to ingest {} file(s) from {}: {first}",
            facts.name, self.done.failed, self.copy.source
        );
        self.target.server.history.tell_of_job(facts, &text);
    }
}

/// Takes the next files from the queue.
fn next_batch(session: &JobSession, files_max: usize) -> Arc<[FoundFile]> {
    let mut waiting = lock(&session.queue.waiting);
    let (mut files, mut bytes) = (Vec::new(), 0);
    while files.len() < files_max && bytes < BATCH_BYTES {
        let Some(file) = waiting.pop_front() else {
            break;
        };
        bytes += file.bytes;
        files.push(file);
    }
    let files: Arc<[FoundFile]> = files.into();
    *lock(&session.queue.loading) = Arc::clone(&files);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, modified_us: i64) -> FoundFile {
        FoundFile {
            url: format!("s3://b/{name}"),
            etag: "e".into(),
            bytes: 1,
            modified_us,
        }
    }

    fn auto() -> How {
        How::Auto {
            interval: Duration::from_secs(10),
            seen: None,
        }
    }

    #[test]
    fn what_is_due_is_told_by_state_and_time() {
        let found = file("a", 0);
        let local = FoundFile {
            url: "file:///d/a".into(),
            ..file("a", 5_000_000)
        };
        assert_eq!(is_due(auto(), &found, None, 0), Some(true));
        assert_eq!(is_due(auto(), &local, None, 5_500_000), Some(false));
        assert_eq!(is_due(auto(), &local, None, 6_000_000), Some(true));
        assert_eq!(is_due(How::Asked, &local, None, 5_000_000), Some(true));
        let mut entry = file::entry(&found, EntryState::Taken, 0);
        assert_eq!(is_due(How::Asked, &found, Some(&entry), 0), None);
        entry.state = EntryState::Before;
        assert_eq!(is_due(How::Asked, &found, Some(&entry), 0), None);
        entry.state = EntryState::Parked;
        assert_eq!(is_due(auto(), &found, Some(&entry), i64::MAX), None);
        assert_eq!(is_due(How::Asked, &found, Some(&entry), 0), Some(true));
        entry.state = EntryState::Waiting;
        entry.attempts = 2;
        assert_eq!(
            is_due(auto(), &found, Some(&entry), 19_999_999),
            Some(false)
        );
        assert_eq!(is_due(auto(), &found, Some(&entry), 20_000_000), Some(true));
    }

    #[test]
    fn files_are_loaded_in_the_order_they_were_made() {
        let mut ledger = Ledger::new(1);
        ledger.put(file::entry(&file("old", 0), EntryState::Taken, 0));
        let found = vec![file("b", 2), file("a", 3), file("c", 2), file("old", 0)];
        let sorted = sort(auto(), found, &ledger, 10);
        let names: Vec<_> = sorted.wanted.iter().map(|file| file.url.as_str()).collect();
        assert_eq!(names, ["s3://b/b", "s3://b/c", "s3://b/a"]);
        assert_eq!((sorted.new, sorted.is_later), (3, false));
    }

    #[test]
    fn only_what_a_file_can_be_blamed_for_is() {
        let of = |code| Error::new(code, "x");
        assert!(matches!(
            blame(&of(SqlState::INSUFFICIENT_PRIVILEGE)),
            Blame::Job
        ));
        assert!(matches!(blame(&of(SqlState::DISK_FULL)), Blame::Job));
        assert!(matches!(blame(&of(SqlState::QUERY_CANCELED)), Blame::Job));
        assert!(matches!(
            blame(&of(SqlState::INTERNAL_ERROR)),
            Blame::Chance
        ));
        let load = blueshift_compute::Error::Load {
            message: String::new(),
            detail: None,
            hint: None,
        };
        assert!(matches!(blame(&load.into()), Blame::Data));
        let of = |code| {
            let error = blueshift_sql::Error::new(code, "x");
            Error::Compute(blueshift_compute::Error::Sql(error))
        };
        // One object may be denied.
        assert!(matches!(
            blame(&of(SqlState::INSUFFICIENT_PRIVILEGE)),
            Blame::Chance
        ));
        assert!(matches!(
            blame(&of(SqlState::BAD_COPY_FILE_FORMAT)),
            Blame::Data
        ));
    }
}
