//! Which plans a statement ran, and what they did.
//!
//! Only plans that read stored tables are noted: what tools ask the catalog would push out what users look for. A plan
//! is read when it has ended, and dropped: it may hold hash tables.

use super::{explain, features};
use crate::error::Result;
use crate::history::ResultSource;
use crate::history::control::StopSign;
use crate::history::executed::{Executed, Secured};
use crate::history::plans::{OpenPlan, RunningPlans};
use crate::history::store::{Requester, note};
use crate::history::{History, lock};
use crate::wlm::admission::Ticket;
use blueshift_compute::node::Node;
use blueshift_compute::object::RequestLog;
use blueshift_compute::operator::secure::SecureExec;
use blueshift_compute::operator::spilling_join::SpillingJoinExec;
use blueshift_compute::profile::{self, Sink};
use blueshift_compute::resource::QueryResources;
use blueshift_compute::scan::SliceScanExec;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::runtime::Handle;

/// The plans of a statement, until it ends.
#[derive(Default)]
pub struct PlanLog {
    plans: Arc<RunningPlans>,
    stop: StopSign,
    ticket: Option<Arc<Ticket>>,
    source: OnceLock<ResultSource>,
    resources: OnceLock<Arc<QueryResources>>,
    thrift: Thrift,
    /// What scans of external tables asked of object stores.
    requests: Arc<RequestLog>,
    /// The same of logs that were taken over.
    adopted: Mutex<Vec<Arc<RequestLog>>>,
}

/// How a statement deals with its memory.
#[derive(Default)]
struct Thrift {
    /// Whether a plan of it could do with less.
    is_possible: AtomicBool,
    /// Whether it ran out of memory, and does.
    is_on: AtomicBool,
}

impl PlanLog {
    /// Notes plans where others can see them run.
    pub fn over(plans: Arc<RunningPlans>, stop: StopSign) -> Self {
        Self {
            plans,
            stop,
            ..Self::default()
        }
    }

    /// Gives what the plans of the statement run in, made when it is first asked for.
    pub fn resources(&self, node: &Node) -> Result<Arc<QueryResources>> {
        if let Some(known) = self.resources.get() {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(node.resources.query(None)?);
        Ok(Arc::clone(self.resources.get_or_init(|| made)))
    }

    /// Notes what a plan does with memory, whether or not it is remembered.
    pub fn note_memory(&self, plan: &Arc<dyn ExecutionPlan>) {
        let spillers = spillers(plan);
        if spillers > 0 || has_hash_join(plan) {
            self.thrift.is_possible.store(true, Ordering::Relaxed);
        }
        if self.is_thrifty()
            && let Some(own) = self.resources.get()
        {
            own.memory.expect_spillers(spillers);
        }
    }

    /// Tells whether the statement, should it run out of memory, can be planned again so that it needs less.
    pub fn may_be_thrifty(&self) -> bool {
        self.thrift.is_possible.load(Ordering::Relaxed) && !self.is_thrifty()
    }

    /// Tells whether joins are to be those that can spill, and all that spill are to leave room for each other.
    pub fn is_thrifty(&self) -> bool {
        self.thrift.is_on.load(Ordering::Relaxed)
    }

    /// Has the statement planned for less memory from now on, and forgets the plans so far.
    pub fn be_thrifty(&self) {
        self.thrift.is_on.store(true, Ordering::Relaxed);
        drop(self.plans.take());
    }

    /// Notes that an earlier result answered the statement.
    pub fn answered_by(&self, source: ResultSource) {
        // A statement is answered once; were it twice, the first tells.
        let _ = self.source.set(source);
    }

    /// Gives the earlier result that answered the statement, if one did.
    pub fn source(&self) -> Option<ResultSource> {
        self.source.get().copied()
    }

    /// Has the statement go through the queues.
    pub fn with_ticket(self, ticket: Arc<Ticket>) -> Self {
        Self {
            ticket: Some(ticket),
            ..self
        }
    }

    /// Begins a log of its own for a statement within this one, which goes through the queues by itself.
    pub fn within(&self, query: i64, text: Arc<str>) -> Self {
        let inner = Self::over(Arc::default(), self.stop.clone());
        match &self.ticket {
            None => inner,
            Some(outer) => {
                let ticket = outer.within(query, text, Arc::clone(&inner.plans));
                inner.with_ticket(ticket)
            }
        }
    }

    /// Gives the statement's way through the queues; `None` for work of the server's own.
    pub fn ticket(&self) -> Option<&Arc<Ticket>> {
        self.ticket.as_ref()
    }

    /// Waits until the statement may run a plan, and, if it ran out of memory, until there is some for it. One that reads
    /// no stored table needs no slots, unless the statement writes.
    pub async fn admit(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
        let Some(ticket) = &self.ticket else {
            return Ok(());
        };
        if ticket.kind().is_query() && !explain::reads_tables(plan) {
            return Ok(());
        }
        ticket.admit(|| Some(features::of(plan))).await?;
        self.use_grant(ticket);
        if self.is_thrifty()
            && let Some(own) = self.resources.get()
        {
            own.memory.keep(spillers(plan)).await;
        }
        Ok(())
    }

    /// Gives the threads that the statement's plans run on; `None` before anything of it was planned. What queues take
    /// for short, and what needs none of them, does not wait behind long plans.
    pub fn threads(&self) -> Option<Handle> {
        let own = self.resources.get()?;
        let is_short = self.ticket.as_ref().is_some_and(|ticket| ticket.is_short());
        Some(match is_short {
            true => own.express.clone(),
            false => own.compute.clone(),
        })
    }

    /// Has the queue that the statement runs in limit its memory.
    fn use_grant(&self, ticket: &Ticket) {
        if let Some(own) = self.resources.get() {
            ticket.limit(&own.memory);
        }
    }

    /// Waits until the statement may do work that is no plan.
    pub async fn admit_work(&self) -> Result<()> {
        match &self.ticket {
            Some(ticket) => ticket.admit(|| None).await,
            None => Ok(()),
        }
    }

    /// Tells when the statement must stop.
    pub fn stop(&self) -> &StopSign {
        &self.stop
    }

    /// Gives where scans note what they ask of object stores.
    pub fn requests(&self) -> &Arc<RequestLog> {
        &self.requests
    }

    /// Records what scans asked of object stores so far.
    pub fn note_requests(&self, history: &History, who: Requester) {
        note(history, &self.requests, who);
        for requests in lock(&self.adopted).iter() {
            note(history, requests, who);
        }
    }

    /// Notes a plan, if it reads stored tables.
    pub fn add(&self, plan: &Arc<dyn ExecutionPlan>) {
        if explain::reads_tables(plan) {
            self.plans.add(plan);
        }
    }

    /// Notes where the rows of the last plan go.
    pub fn goes_to(&self, sink: Sink) {
        self.plans.goes_to(sink);
    }

    /// Reads what a plan did that has ended, and lets go of it.
    pub fn ended(&self, plan: &Arc<dyn ExecutionPlan>) {
        let ended = self.plans.remove(plan);
        if let Some(ended) = ended.and_then(|(plan, sink)| read(&plan, &sink)) {
            self.plans.ended(ended);
        }
    }

    /// Moves the plans to a log of their own: they run on when the statement has ended.
    pub fn hand_over(&self) -> Self {
        let handed = Self {
            requests: Arc::clone(&self.requests),
            ..Self::over(Arc::default(), self.stop.clone())
        };
        handed.plans.put(self.plans.take());
        handed
    }

    /// Takes over the plans of another log.
    pub fn adopt(&self, other: &Self) {
        self.plans.put(other.plans.take());
        lock(&self.adopted).push(Arc::clone(&other.requests));
    }

    /// Gives what all plans did; `None` if none ran.
    pub fn take(&self) -> Option<Executed> {
        self.ran()?.read()
    }

    /// Takes the plans, to be read later; `None` if there are none.
    pub fn ran(&self) -> Option<Ran> {
        let (open, done) = self.plans.take();
        (!open.is_empty() || !done.is_empty()).then_some(Ran { open, done })
    }
}

/// Plans that have ended.
pub struct Ran {
    open: Vec<OpenPlan>,
    done: Executed,
}

impl Ran {
    /// Tells whether they read stored tables alone, with nothing to account for: no policies, no files.
    pub fn is_plain(&self) -> bool {
        fn is_plain(plan: &Arc<dyn ExecutionPlan>) -> bool {
            let mut children = plan.children().into_iter();
            match children.len() {
                0 => plan.is::<SliceScanExec>(),
                _ => !plan.is::<SecureExec>() && children.all(is_plain),
            }
        }
        self.done.is_empty() && self.open.iter().all(|(plan, _)| is_plain(plan))
    }

    /// Gives what they did; `None` if none ran.
    pub fn read(self) -> Option<Executed> {
        let mut done = self.done;
        for (plan, sink) in &self.open {
            if let Some(ended) = read(plan, sink) {
                done.add(ended);
            }
        }
        (!done.is_empty()).then_some(done)
    }
}

/// Reads what a plan did; `None` if it did not run.
fn read(plan: &Arc<dyn ExecutionPlan>, sink: &Sink) -> Option<Executed> {
    let steps = profile::steps(plan, sink);
    let mut ended = Executed {
        nodes: Vec::new(),
        steps,
        secured: Vec::new(),
        external: Vec::new(),
        remote: Vec::new(),
    };
    secured(plan, sink, &mut ended.secured);
    let Executed {
        steps, external, ..
    } = &mut ended;
    crate::history::external::noted(plan, steps, external);
    crate::history::external::noted_remote(plan, &ended.steps, &mut ended.remote);
    if ended.is_empty() {
        return None;
    }
    ended.nodes = explain::nodes(plan);
    Some(ended)
}

/// Counts the consumers of memory in a plan that can spill.
fn spillers(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let groups = plan.downcast_ref::<AggregateExec>();
    let groups = groups.is_some_and(|groups| !groups.group_expr().is_empty());
    let spills = groups
        || plan.is::<SortExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<SpillingJoinExec>();
    let own = match spills {
        true => plan.output_partitioning().partition_count(),
        false => 0,
    };
    own + plan.children().into_iter().map(spillers).sum::<usize>()
}

fn has_hash_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let own = plan.downcast_ref::<HashJoinExec>();
    own.is_some_and(|join| !join.null_aware) || plan.children().into_iter().any(has_hash_join)
}

/// Notes which row policies chose the rows of tables.
fn secured(plan: &Arc<dyn ExecutionPlan>, sink: &Sink, found: &mut Vec<Secured>) {
    let has_run = |secure: &&SecureExec| {
        let metrics = secure.metrics();
        metrics.is_some_and(|metrics| metrics.iter().next().is_some())
    };
    let secure = plan.downcast_ref::<SecureExec>().filter(has_run);
    if let Some(protected) = secure
        .map(SecureExec::protected)
        .filter(|one| one.keeps_rows)
    {
        let one = |policy: Option<String>| Secured {
            table: protected.oid,
            schema: protected.schema.clone(),
            name: protected.table.clone(),
            command: match sink {
                Sink::Update(_) => 'u',
                Sink::Delete(_) => 'd',
                _ => 's',
            },
            policy,
        };
        match protected.policies.is_empty() {
            true => found.push(one(None)),
            false => found.extend(protected.policies.iter().cloned().map(Some).map(one)),
        }
    }
    for child in plan.children() {
        secured(child, sink, found);
    }
}
