//! Copy jobs of AUTO ON: looks for new files under their prefixes, and loads them.
//!
//! Every interval each job has a round of its own, as far as the last one of it has ended and a few at a time. Between rounds
//! nothing is kept but what the last one found: no connection, no file, no ledger. A job whose round fails rests longer each
//! time; why is told in SYS_COPY_JOB_INFO, once as long as it stays the same.

use crate::catalog::Oid;
use crate::error::sqlstate::report;
use crate::error::{Error, Result};
use crate::server::Server;
use crate::statement::copy_job::round::{Done, How, Round, facts};
use futures::FutureExt;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Rounds at a time: each may use all slices.
const ROUNDS_AT_ONCE: usize = 4;
/// A job whose rounds fail rests so long at most, unless the interval is longer.
const REST_MAX: Duration = Duration::from_secs(600);
/// The shortest interval: each round lists a prefix.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// The longest: of files that come, somebody is told within a day.
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// What is remembered of a job between rounds.
#[derive(Default)]
struct Known {
    is_running: bool,
    /// When its next round may begin; `None` is now.
    next: Option<Instant>,
    /// When its last round began.
    begun: Option<Instant>,
    /// Rounds that failed in a row.
    failures: u32,
    /// What was told of the last failure.
    told: String,
    /// What the last round found, if it left nothing of it.
    seen: Option<u64>,
}

/// Runs jobs until told to stop; what is being loaded then is not loaded.
pub async fn run(server: Arc<Server>, interval: Duration, stop: CancellationToken) {
    let interval = interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
    let mut known: HashMap<Oid, Known> = HashMap::new();
    let mut rounds = JoinSet::new();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = rounds.join_next(), if !rounds.is_empty() => {
                if let Ok((job, outcome)) = ended
                    && let Some(known) = known.get_mut(&job)
                {
                    end(&server, job, known, outcome, interval);
                }
            }
            _ = ticks.tick() => {}
        }
        begin_rounds(&server, &mut known, &mut rounds, interval);
    }
    rounds.shutdown().await;
}

type Ended = (Oid, Result<Done>);

/// Begins the rounds that are due, those first that wait longest.
fn begin_rounds(
    server: &Arc<Server>,
    known: &mut HashMap<Oid, Known>,
    rounds: &mut JoinSet<Ended>,
    interval: Duration,
) {
    let catalog = match server.transactions.committed_catalog() {
        Ok(catalog) => catalog,
        Err(error) => {
            tracing::warn!(%error, "copy jobs could not read the catalog");
            return;
        }
    };
    known.retain(|job, known| known.is_running || catalog.copy_jobs.contains_key(job));
    let now = Instant::now();
    let mut due: Vec<(Option<Instant>, Oid)> = Vec::new();
    for job in catalog.copy_jobs.values().filter(|job| job.auto) {
        let known = known.entry(job.oid).or_default();
        if !known.is_running && known.next.is_none_or(|next| next <= now) {
            due.push((known.begun, job.oid));
        }
    }
    due.sort();
    let places = ROUNDS_AT_ONCE.saturating_sub(rounds.len());
    for (_, job) in due.into_iter().take(places) {
        let Some(known) = known.get_mut(&job) else {
            continue;
        };
        known.is_running = true;
        known.begun = Some(now);
        let (server, seen) = (Arc::clone(server), known.seen);
        let compute = server.node.resources.compute.clone();
        let round = async move {
            let round = Round::new(&server, job, How::Auto { interval, seen }).run();
            let outcome = AssertUnwindSafe(Box::pin(round)).catch_unwind().await;
            let panicked = |_| Err(Error::internal("a round of a copy job panicked"));
            (job, outcome.unwrap_or_else(panicked))
        };
        rounds.spawn_on(round, &compute);
    }
}

/// Notes the end of a round.
fn end(
    server: &Arc<Server>,
    job: Oid,
    known: &mut Known,
    outcome: Result<Done>,
    interval: Duration,
) {
    known.is_running = false;
    let now = Instant::now();
    match outcome {
        Ok(done) => {
            if done.files + done.failed > 0 {
                let (files, rows, failed) = (done.files, done.rows, done.failed);
                tracing::info!(job, files, rows, failed, "copy job has run");
            }
            known.failures = 0;
            known.told.clear();
            known.seen = done.seen;
            known.next = Some(now + interval);
        }
        Err(error) => {
            known.failures = known.failures.saturating_add(1);
            known.seen = None;
            let rest = interval.saturating_mul(1 << known.failures.min(16));
            known.next = Some(now + rest.min(REST_MAX.max(interval)));
            tell(server, job, known, &error);
        }
    }
}

/// Tells why a round failed, unless that was told of the round before.
fn tell(server: &Arc<Server>, job: Oid, known: &mut Known, error: &Error) {
    let text = report(error).message;
    if known.told == text {
        return;
    }
    tracing::info!(job, %error, "a round of a copy job failed");
    let Ok(catalog) = server.transactions.committed_catalog() else {
        return;
    };
    if let Some(job) = catalog.copy_jobs.get(&job) {
        let message = format!("Job {} could not run: {text}", job.name);
        server.history.tell_of_job(&facts(&catalog, job), &message);
    }
    known.told = text;
}
