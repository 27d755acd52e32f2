//! Copy jobs at work, and what was told of them: SYS_COPY_JOB_INFO, and the files of SYS_COPY_JOB_DETAIL that wait.

use super::activity::{NotOpened, Opening};
use super::control::SessionControl;
use super::{History, lock, now_us, push};
use blueshift_compute::load::FoundFile;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

/// The first process id of a session that loads files for a job, far above those of clients.
const FIRST_PID: i32 = 1_000_000_000;
/// Characters of a message at most: the column of SYS_COPY_JOB_INFO.
const MESSAGE_CHARACTERS_MAX: usize = 512;

/// What was told of a job.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct JobMessage {
    /// The job's oid.
    pub job: u32,
    /// Its name.
    pub name: String,
    /// Its database's name.
    pub database: String,
    /// Its owner's oid.
    pub userid: u32,
    /// Microseconds since 1970.
    pub time_us: i64,
    /// The text.
    pub message: String,
}

/// Whose files are loaded, and into which database.
#[derive(Clone, Debug)]
pub struct JobFacts {
    /// The job's oid.
    pub job: u32,
    /// Its name.
    pub name: String,
    /// Its owner's oid.
    pub userid: u32,
    /// Its owner's name.
    pub user_name: String,
    /// Its database's oid.
    pub database: u32,
    /// Its database's name.
    pub database_name: String,
}

/// The files that a running job has found and not loaded.
#[derive(Debug, Default)]
pub struct JobQueue {
    /// Those that wait, in the order of loading.
    pub waiting: Mutex<VecDeque<FoundFile>>,
    /// Those that are being loaded.
    pub loading: Mutex<Arc<[FoundFile]>>,
}

/// A job at work.
#[derive(Debug)]
struct RunningJob {
    control: Arc<SessionControl>,
    queue: Arc<JobQueue>,
}

/// The jobs at work.
#[derive(Debug, Default)]
pub struct CopyJobs {
    running: Mutex<HashMap<u32, RunningJob>>,
    pids: AtomicI32,
}

impl CopyJobs {
    /// Tells a job to stop at once; a file it is loading is not loaded.
    pub fn stop(&self, job: u32) {
        if let Some(running) = lock(&self.running).get(&job) {
            running.control.terminate();
        }
    }

    /// Gives the files a job has found and not loaded; `None` while it does not run.
    pub fn queue(&self, job: u32) -> Option<Arc<JobQueue>> {
        let running = lock(&self.running);
        running.get(&job).map(|running| Arc::clone(&running.queue))
    }
}

/// The session of a job at work, shown in STV_SESSIONS until it is dropped.
pub struct JobSession {
    history: Arc<History>,
    job: u32,
    /// Its process id.
    pub pid: i32,
    /// What stops it.
    pub control: Arc<SessionControl>,
    /// The files it has found.
    pub queue: Arc<JobQueue>,
}

impl Drop for JobSession {
    fn drop(&mut self) {
        lock(&self.history.copy_jobs.running).remove(&self.job);
        self.history.close_session(self.pid);
    }
}

impl History {
    /// Opens the session of a job; one session of a job is open at a time.
    pub fn open_job(self: &Arc<Self>, facts: &JobFacts) -> Result<JobSession, NotOpened> {
        let number = self.copy_jobs.pids.fetch_add(1, Ordering::Relaxed);
        let pid = FIRST_PID + number.rem_euclid(FIRST_PID);
        let control = Arc::new(SessionControl::default());
        self.open_session(Opening {
            pid,
            userid: facts.userid,
            user_name: &facts.user_name,
            user_limit: None,
            database: facts.database,
            database_name: &facts.database_name,
            database_limit: None,
            control: Arc::clone(&control),
        })?;
        let queue = Arc::<JobQueue>::default();
        let running = RunningJob {
            control: Arc::clone(&control),
            queue: Arc::clone(&queue),
        };
        lock(&self.copy_jobs.running).insert(facts.job, running);
        Ok(JobSession {
            history: Arc::clone(self),
            job: facts.job,
            pid,
            control,
            queue,
        })
    }

    /// Records a message about a job, which must hold no secret.
    pub fn tell_of_job(&self, facts: &JobFacts, message: &str) {
        push(
            &self.copy_job_messages,
            JobMessage {
                job: facts.job,
                name: facts.name.clone(),
                database: facts.database_name.clone(),
                userid: facts.userid,
                time_us: now_us(),
                message: message.chars().take(MESSAGE_CHARACTERS_MAX).collect(),
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_at_work_can_be_stopped() {
        let history = Arc::new(History::default());
        let facts = JobFacts {
            job: 7,
            name: "j".into(),
            userid: 100,
            user_name: "admin".into(),
            database: 1,
            database_name: "dev".into(),
        };
        assert!(history.copy_jobs.queue(7).is_none());
        let session = match history.open_job(&facts) {
            Ok(session) => session,
            Err(refused) => panic!("{refused:?}"),
        };
        assert!(session.pid >= FIRST_PID && history.copy_jobs.queue(7).is_some());
        history.copy_jobs.stop(8);
        assert!(!session.control.terminated.is_cancelled());
        history.copy_jobs.stop(7);
        assert!(session.control.renew().is_cancelled());
        drop(session);
        assert!(history.copy_jobs.queue(7).is_none());
        assert!(lock(&history.sessions).is_empty());
        history.tell_of_job(&facts, &"x".repeat(1_000));
        let told = lock(&history.copy_job_messages);
        assert_eq!(
            told.iter().map(|told| told.message.len()).sum::<usize>(),
            512
        );
    }
}
