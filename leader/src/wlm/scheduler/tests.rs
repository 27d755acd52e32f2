//! The scheduler under a clock of the tests' own.

use super::*;

const SECOND: i64 = 1_000_000;

fn scheduler(text: &str) -> Scheduler {
    let config = WlmConfig::parse(text).unwrap();
    Scheduler::new(Arc::new(config), 2, 1_000_000)
}

fn arrival(query: i64, group: &str) -> Arrival {
    Arrival {
        query,
        pid: i32::try_from(query).unwrap(),
        kind: Kind::Read,
        principal: Arc::new(Principal {
            query_group: group.into(),
            superuser: true,
            ..Principal::default()
        }),
        slots: 1,
        predicted_us: None,
    }
}

fn came(scheduler: &mut Scheduler, query: i64, group: &str, now: i64) -> bool {
    scheduler.arrive(arrival(query, group), now).unwrap()
}

fn done(scheduler: &mut Scheduler, query: i64, now: i64) -> Vec<i64> {
    let mut started = Vec::new();
    scheduler.finish(query, now, &mut started);
    started
}

#[test]
fn a_manual_queue_is_served_in_order_of_coming() {
    let mut s = scheduler(r#"[{"query_concurrency":2}]"#);
    assert!(came(&mut s, 1, "", 0));
    assert!(came(&mut s, 2, "", 0));
    for query in 3..=5 {
        assert!(!came(&mut s, query, "", query));
    }
    // A statement of the superusers' own queue passes by.
    assert!(came(&mut s, 9, "superuser", 9));
    assert_eq!(done(&mut s, 1, 10), [3]);
    assert_eq!(done(&mut s, 4, 11), [] as [i64; 0]);
    assert_eq!(done(&mut s, 2, 12), [5]);
    let attempts = s.finish(3, 30, &mut Vec::new());
    let [attempt] = &attempts[..] else {
        panic!("{attempts:?}")
    };
    assert_eq!(attempt.service_class, 6);
    assert_eq!(
        (
            attempt.queue_start_us,
            attempt.exec_start_us,
            attempt.end_us
        ),
        (3, 10, 30)
    );
    assert_eq!(attempt.state, FinalState::Completed);
}

#[test]
fn many_slots_wait_until_so_many_are_free_and_nobody_passes() {
    let mut s = scheduler(r#"[{"query_concurrency":3}]"#);
    let wide = |query| Arrival {
        slots: 3,
        ..arrival(query, "")
    };
    assert!(came(&mut s, 1, "", 0));
    assert!(!s.arrive(wide(2), 0).unwrap());
    assert!(!came(&mut s, 3, "", 0));
    assert_eq!(done(&mut s, 1, 1), [2]);
    assert_eq!(done(&mut s, 2, 2), [3]);
    let refused = s.arrive(
        Arrival {
            slots: 4,
            ..arrival(7, "")
        },
        3,
    );
    assert!(matches!(
        refused,
        Err(Refusal::TooManySlots { slots: 3, .. })
    ));
    assert_eq!(s.memory_of(6, 1), 333_333);
    assert_eq!(s.memory_of(6, 3), 999_999);
}

#[test]
fn what_leaves_gives_its_slots_and_may_come_again() {
    let mut s = scheduler(r#"[{"query_concurrency":1}]"#);
    assert!(came(&mut s, 1, "", 0));
    assert!(!came(&mut s, 2, "", 1));
    let mut started = Vec::new();
    s.leave(1, 5, &mut started);
    assert_eq!(started, [2]);
    // It comes again after its lock, and waits like anybody.
    assert!(!came(&mut s, 1, "", 6));
    assert_eq!(done(&mut s, 2, 8), [1]);
    let attempts = s.finish(1, 9, &mut Vec::new());
    assert_eq!(attempts.len(), 2);
    assert_eq!(s.jobs().count(), 0);
    assert!(s.queues().all(|queue| queue.slots_used == 0));
}

#[test]
fn ranks_come_first_and_waiting_makes_up_for_them() {
    let queues = r#"[{"query_group":["top"],"priority":"highest","auto_wlm":true},
                     {"query_group":["low"],"priority":"lowest","auto_wlm":true},
                     {"auto_wlm":true},{"short_query_queue":false}]"#;
    let mut s = scheduler(queues);
    s.limit.statements = 1;
    assert!(came(&mut s, 1, "", 0));
    assert!(!came(&mut s, 2, "low", SECOND));
    assert!(!came(&mut s, 3, "", 2 * SECOND));
    assert!(!came(&mut s, 4, "top", 3 * SECOND));
    // A minute after the lowest came, nothing passes it any more.
    assert!(!came(&mut s, 5, "top", 62 * SECOND));
    let mut order = Vec::new();
    let mut next = 1;
    while let Some(query) = done(&mut s, next, 70 * SECOND).pop() {
        order.push(query);
        next = query;
    }
    assert_eq!(order, [4, 3, 2, 5]);
}

#[test]
fn one_critical_statement_runs_beside_the_others() {
    let mut s = scheduler(r#"[{"auto_wlm":true},{"short_query_queue":false}]"#);
    s.limit.statements = 1;
    assert!(came(&mut s, 1, "", 0));
    for query in 2..=4 {
        assert!(!came(&mut s, query, "", query));
    }
    let mut started = Vec::new();
    let before = s.change_query(3, Priority::Critical, 10, &mut started);
    assert_eq!(before, Some(Priority::Normal));
    assert_eq!(started, [3]);
    started.clear();
    s.change_query(4, Priority::Critical, 11, &mut started);
    assert_eq!(started, [] as [i64; 0]);
    assert_eq!(done(&mut s, 3, 12), [4]);
    assert_eq!(s.change_query(77, Priority::Low, 12, &mut started), None);
}

#[test]
fn short_statements_pass_the_others_and_are_moved_if_they_are_not() {
    let mut s = scheduler(
        r#"[{"query_concurrency":1},{"short_query_queue":true,"max_execution_time":2000}]"#,
    );
    let predicted = |query, us| Arrival {
        predicted_us: Some(us),
        ..arrival(query, "")
    };
    assert!(s.arrive(predicted(1, 100), 0).unwrap(), "nothing waits");
    assert_eq!(s.job(1).unwrap().class, 6);
    assert!(!s.arrive(predicted(2, 60_000_000), 1).unwrap());
    assert!(s.arrive(predicted(3, 1_000), 2).unwrap());
    assert_eq!(s.job(3).unwrap().class, 14);
    assert_eq!(s.next_due_us(), Some(2 + 2 * SECOND));
    let mut started = Vec::new();
    let expired = s.expire(3 * SECOND, &mut started);
    assert_eq!(expired, [(3, Expiry::NotShort)]);
    assert_eq!(s.job(3).unwrap().class, 6);
    // Two run in the one slot; the next waits for both.
    assert_eq!(done(&mut s, 1, 4 * SECOND), [] as [i64; 0]);
    let mut started = Vec::new();
    let attempts = s.finish(3, 5 * SECOND, &mut started);
    assert_eq!(started, [2]);
    let states: Vec<_> = attempts
        .iter()
        .map(|one| (one.service_class, one.state))
        .collect();
    assert_eq!(
        states,
        [(14, FinalState::Evicted), (6, FinalState::Completed)]
    );
}

#[test]
fn a_timeout_hops_to_the_next_queue_that_fits() {
    let queues = r#"[{"query_group":["a*"],"query_group_wild_card":1,"query_concurrency":1,"max_execution_time":1000,"memory_percent_to_use":50},
                     {"query_group":["ab"],"query_concurrency":1,"memory_percent_to_use":20},
                     {"query_concurrency":1}]"#;
    let mut s = scheduler(queues);
    assert!(came(&mut s, 1, "ab", 0));
    let mut started = Vec::new();
    assert_eq!(s.expire(SECOND - 1, &mut started), []);
    assert_eq!(s.expire(SECOND, &mut started), [(1, Expiry::Timeout)]);
    assert_eq!(
        s.hop(1, 1_000, false, SECOND, &mut started),
        Hop::Reassigned
    );
    assert_eq!(s.job(1).unwrap().class, 7);
    // The second queue is taken now.
    assert!(came(&mut s, 2, "ab", 2 * SECOND));
    assert_eq!(s.hop(2, 0, false, 3 * SECOND, &mut started), Hop::Stays);
    assert_eq!(s.hop(2, 0, true, 3 * SECOND, &mut started), Hop::Restarted);
    assert!(matches!(s.job(2).unwrap().stage, Stage::Waiting(_)));
    // It begins anew when the slot is free.
    assert_eq!(done(&mut s, 1, 4 * SECOND), [2]);
    assert_eq!(s.job(2).unwrap().waited_us(9 * SECOND), SECOND);
    // Nothing but the default queue fits the other.
    assert!(came(&mut s, 3, "ax", 5 * SECOND));
    assert_eq!(s.hop(3, 0, true, 6 * SECOND, &mut started), Hop::Nowhere);
}

#[test]
fn another_configuration_takes_what_waits_and_leaves_what_runs() {
    let mut s =
        scheduler(r#"[{"query_group":["a"],"query_concurrency":1},{"query_concurrency":1}]"#);
    assert!(came(&mut s, 1, "a", 0));
    assert!(!came(&mut s, 2, "a", 1));
    assert!(came(&mut s, 3, "b", 2));
    assert!(!came(&mut s, 4, "b", 3));
    let mut started = Vec::new();
    let next = WlmConfig::parse(r#"[{"auto_wlm":true}]"#).unwrap();
    s.configure(Arc::new(next), 4, &mut started);
    assert_eq!(started, [2, 4]);
    assert_eq!(s.job(1).unwrap().class, 6);
    assert_eq!(s.job(2).unwrap().class, 100);
    let classes = |s: &Scheduler| {
        s.queues()
            .map(|queue| queue.config.class)
            .collect::<Vec<_>>()
    };
    assert_eq!(classes(&s), [5, 6, 7, 14, 100]);
    done(&mut s, 1, 5);
    done(&mut s, 3, 5);
    assert_eq!(classes(&s), [5, 14, 100]);
}

#[test]
fn the_least_important_of_a_thousand_waits_no_longer_than_its_bound() {
    let queues = r#"[{"query_group":["top"],"priority":"highest","auto_wlm":true},
                     {"query_group":["low"],"priority":"lowest","auto_wlm":true},
                     {"auto_wlm":true},{"short_query_queue":false}]"#;
    let mut s = scheduler(queues);
    s.limit.statements = 2;
    let step = SECOND / 2;
    let mut arrived = HashMap::new();
    let mut running = Vec::new();
    let mut overtaken: HashMap<i64, usize> = HashMap::new();
    let groups = ["top", "low", ""];
    // Statements come as fast as they go: the queue stays as long as it became.
    for query in 0..1_000_i64 {
        let now = query * step / 3;
        let group = groups[usize::try_from(query % 3).unwrap()];
        arrived.insert(query, (now, group));
        if came(&mut s, query, group, now) {
            running.push(query);
        }
    }
    let mut now = 1_000 * step / 3;
    while let Some(query) = running.pop() {
        now += step;
        for started in done(&mut s, query, now) {
            let (came, _) = arrived[&started];
            let later = arrived.iter().filter(|(other, (at, _))| {
                *at < came
                    && s.job(**other)
                        .is_some_and(|job| matches!(job.stage, Stage::Waiting(_)))
            });
            for (other, (at, _)) in later {
                assert!(came - at <= 60 * SECOND, "passed by one that came too late");
                *overtaken.entry(*other).or_default() += 1;
            }
            running.push(started);
        }
    }
    assert_eq!(s.jobs().count(), 0);
    assert!(!overtaken.is_empty());
}

const CONFIGURATIONS: [&str; 4] = [
    r#"[{"auto_wlm":true}]"#,
    r#"[{"query_concurrency":2}]"#,
    r#"[{"query_group":["g0","g1"],"query_concurrency":1,"max_execution_time":50},{"query_group":["g1"],"query_concurrency":2},{"query_concurrency":3},{"short_query_queue":true}]"#,
    r#"[{"query_group":["g2"],"priority":"high","auto_wlm":true},{"auto_wlm":true}]"#,
];

/// Numbers by chance that a seed repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Whatever happens, slots are as many as those who hold them, nobody waits beside free slots, and in the end nothing is
/// left.
#[test]
fn slots_are_never_lost() {
    for seed in 1..=300_u64 {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut s = scheduler(CONFIGURATIONS[1]);
        let mut now = 0;
        for query in 0..150 {
            now += 30_000;
            change(&mut s, &mut chance, query, now);
            for queue in s.queues() {
                let of = || s.jobs().filter(|job| job.class == queue.config.class);
                let held = of().filter(|job| job.stage == Stage::Running);
                let held: u32 = held.map(|job| job.slots).sum();
                assert_eq!(queue.slots_used, held, "seed {seed}");
                let waits = |job: &&Job| matches!(job.stage, Stage::Waiting(_));
                assert_eq!(
                    queue.waiting.len(),
                    of().filter(waits).count(),
                    "seed {seed}"
                );
            }
            assert_eq!(s.next_to_start(), None, "seed {seed}");
        }
        for id in s.jobs().map(|job| job.arrival.query).collect::<Vec<_>>() {
            s.finish(id, now, &mut Vec::new());
        }
        let is_empty = |queue: &Queue| queue.slots_used == 0 && queue.waiting.is_empty();
        assert!(s.queues().all(is_empty), "seed {seed}");
    }
}

fn change(s: &mut Scheduler, chance: &mut Chance, query: i64, now: i64) {
    let mut ids: Vec<i64> = s.jobs().map(|job| job.arrival.query).collect();
    ids.sort_unstable();
    let count = ids.len().max(1) as u64;
    let picked = usize::try_from(chance.below(count)).unwrap();
    let picked = ids.get(picked).copied().unwrap_or(-1);
    let mut started = Vec::new();
    match chance.below(11) {
        0..=3 => {
            let group = format!("g{}", chance.below(4));
            let wanted = Arrival {
                predicted_us: (chance.below(2) == 0).then_some(1_000),
                slots: u32::try_from(chance.below(3)).unwrap() + 1,
                ..arrival(query, &group)
            };
            let _refused = s.arrive(wanted, now);
        }
        4 => s.leave(picked, now, &mut started),
        5..=7 => {
            s.finish(picked, now, &mut started);
        }
        8 => {
            s.hop(picked, 0, true, now, &mut started);
        }
        9 => {
            let text = CONFIGURATIONS[usize::try_from(chance.below(4)).unwrap()];
            s.configure(Arc::new(WlmConfig::parse(text).unwrap()), now, &mut started);
        }
        _ => {
            s.expire(now, &mut started);
        }
    }
}
