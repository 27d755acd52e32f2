use super::*;
use blueshift_storage::CommitVersion;
use futures::FutureExt;
use std::collections::HashMap;

const X: u32 = 1;
const Y: u32 = 2;

fn view(version: u64) -> Arc<ReadView> {
    Arc::new(ReadView {
        version: CommitVersion(version),
        tables: Arc::default(),
        catalog: Arc::default(),
    })
}

fn note(serial: &Serial, xid: i64, reads: &[u32], writes: &[u32]) -> Result<(), Cycle> {
    let set = |tables: &[u32]| tables.iter().copied().collect();
    serial
        .note(xid, &set(reads), &set(writes))
        .now_or_never()
        .expect("no commit is under way")
}

#[test]
fn two_that_miss_each_other_s_changes_have_no_order() {
    let serial = Serial::default();
    serial.begin(1, || view(5));
    serial.begin(2, || view(5));
    assert_eq!(note(&serial, 1, &[X], &[]), Ok(()));
    assert_eq!(note(&serial, 2, &[], &[X]), Ok(()));
    assert_eq!(note(&serial, 1, &[], &[Y]), Ok(()));
    let cycle = Cycle {
        table: X,
        xids: vec![1, 2],
    };
    assert_eq!(note(&serial, 2, &[Y], &[]), Err(cycle));
    serial.end(2);
    // One that begins after the commit of the other comes after it.
    serial.committed(1, 6);
    serial.begin(3, || view(6));
    assert_eq!(note(&serial, 3, &[X, Y], &[X, Y]), Ok(()));
    serial.committed(3, 7);
    assert!(guard(&serial.nodes).is_empty());
}

#[test]
fn a_reader_can_close_a_cycle_of_others() {
    let serial = Serial::default();
    serial.begin(1, || view(1));
    assert_eq!(note(&serial, 1, &[X], &[]), Ok(()));
    serial.begin(2, || view(1));
    assert_eq!(note(&serial, 2, &[], &[X]), Ok(()));
    serial.committed(2, 2);
    serial.begin(3, || view(2));
    assert_eq!(note(&serial, 3, &[X, Y], &[]), Ok(()));
    serial.committed(3, 2);
    assert_eq!(
        note(&serial, 1, &[], &[Y]).map_err(|cycle| cycle.xids),
        Err(vec![1, 2, 3])
    );
}

#[test]
fn one_who_began_before_a_forgotten_commit_is_still_found() {
    // The first commits having missed the second; the third has seen the second and misses the first.
    let serial = Serial::default();
    serial.begin(1, || view(1));
    serial.begin(2, || view(1));
    assert_eq!(note(&serial, 1, &[X], &[Y]), Ok(()));
    assert_eq!(note(&serial, 2, &[], &[X]), Ok(()));
    serial.committed(2, 2);
    serial.begin(3, || view(2));
    serial.committed(1, 3);
    assert!(note(&serial, 3, &[X, Y], &[]).is_err());
}

#[test]
fn a_commit_under_way_is_waited_for() {
    let serial = Serial::default();
    serial.begin(1, || view(1));
    assert_eq!(note(&serial, 1, &[], &[X]), Ok(()));
    serial.committing(1);
    serial.begin(2, || view(2));
    let (reads, writes) = ([X].into(), BTreeSet::new());
    let mut waiting = Box::pin(serial.note(2, &reads, &writes));
    assert!((&mut waiting).now_or_never().is_none());
    serial.committed(1, 2);
    assert_eq!(waiting.now_or_never(), Some(Ok(())));
}

#[test]
fn what_is_remembered_is_bounded() {
    let serial = Serial::default();
    serial.begin(0, || view(0));
    for xid in 1..2_000_i64 {
        let version = u64::try_from(xid).expect("small");
        serial.begin(xid, || view(version - 1));
        assert_eq!(note(&serial, xid, &[X], &[X]), Ok(()));
        serial.committed(xid, version);
    }
    assert!(guard(&serial.nodes).len() <= COMMITTED_MAX + 1);
    assert_eq!(note(&serial, 0, &[X], &[]), Ok(()));
    assert!(note(&serial, 0, &[], &[X]).is_err());
}

/// A step of a random schedule: transaction, and table to read or to change; or its end.
#[derive(Clone, Copy, Debug)]
enum Step {
    Read(i64, u32),
    Change(i64, u32),
    Commit(i64),
}

/// Draws a step (xorshift, so that a seed tells the whole schedule).
fn step(seed: &mut u64) -> Step {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    let below = |limit: u64, shift: u32| (*seed >> shift) % limit;
    let slot = i64::try_from(below(5, 8)).expect("small");
    let table = u32::try_from(below(3, 24)).expect("small");
    match below(3, 40) {
        0 => Step::Read(slot, table),
        1 => Step::Change(slot, table),
        _ => Step::Commit(slot),
    }
}

/// What a transaction saw and left: the rows it counted by table, tables changed.
#[derive(Clone, Debug, Default)]
struct Past {
    seen: HashMap<u32, i64>,
    changed: BTreeSet<u32>,
}

/// Tells whether some order of the committed transactions, run one by one, shows each what it saw.
fn has_serial_order(done: &[(i64, Past)], last: &mut HashMap<u32, BTreeSet<i64>>) -> bool {
    if done.is_empty() {
        return true;
    }
    (0..done.len()).any(|at| {
        let mut rest = done.to_vec();
        let (xid, past) = rest.remove(at);
        let sees_the_same = past.seen.iter().all(|(table, count)| {
            let now = last.get(table).map_or(0, BTreeSet::len);
            i64::try_from(now) == Ok(*count)
        });
        if !sees_the_same {
            return false;
        }
        for table in &past.changed {
            last.entry(*table).or_default().insert(xid);
        }
        let is_fine = has_serial_order(&rest, last);
        for table in &past.changed {
            last.entry(*table).or_default().remove(&xid);
        }
        is_fine
    })
}

/// Every transaction appends to the tables it changes and counts the rows of those it reads.
#[test]
fn what_commits_has_a_serial_order() {
    for first_seed in 1..3_000_u64 {
        let mut seed = first_seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let done = run_schedule((0..40).map(|_| step(&mut seed)));
        assert!(
            has_serial_order(&done, &mut HashMap::new()),
            "seed {first_seed}: {done:?}"
        );
    }
}

/// Runs a schedule, and gives the first that committed, with what they saw: more would take too long to order by
/// trying.
fn run_schedule(steps: impl Iterator<Item = Step>) -> Vec<(i64, Past)> {
    let serial = Serial::default();
    let mut version = 0_u64;
    let mut next = 0_i64;
    let mut counts: HashMap<u32, i64> = HashMap::new();
    // By slot: id, the counts when it began, its past.
    let mut open: HashMap<i64, (i64, HashMap<u32, i64>, Past)> = HashMap::new();
    let mut done = Vec::new();
    for step in steps {
        let (Step::Read(slot, _) | Step::Change(slot, _) | Step::Commit(slot)) = step;
        if let Step::Commit(_) = step {
            if let Some((xid, _, past)) = open.remove(&slot) {
                version += u64::from(!past.changed.is_empty());
                for table in &past.changed {
                    *counts.entry(*table).or_default() += 1;
                }
                serial.committed(xid, version);
                done.push((xid, past));
            }
            if done.len() == 8 {
                return done;
            }
            continue;
        }
        let (xid, began, past) = open.entry(slot).or_insert_with(|| {
            next += 1;
            serial.begin(next, || view(version));
            (next, counts.clone(), Past::default())
        });
        let outcome = match step {
            Step::Read(_, table) if past.changed.contains(&table) => continue,
            Step::Read(_, table) => {
                let count = began.get(&table).copied().unwrap_or(0);
                past.seen.insert(table, count);
                note(&serial, *xid, &[table], &[])
            }
            Step::Change(_, table) => {
                past.changed.insert(table);
                note(&serial, *xid, &[], &[table])
            }
            Step::Commit(_) => continue,
        };
        if outcome.is_err() {
            serial.end(*xid);
            open.remove(&slot);
        }
    }
    done
}
