//! The cache beside queries, queries beside each other, and what is refused.

use super::*;
use std::time::Duration;

const MB: usize = 1 << 20;

fn node(bytes: usize, cache: usize) -> (Arc<NodeMemory>, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(cache));
    let tell = Arc::clone(&told);
    let set = move |bytes| tell.store(bytes, Ordering::Relaxed);
    let node = NodeMemory::new(bytes, None, cache, Box::new(set));
    (Arc::new(node), told)
}

fn consumer(pool: &Arc<QueryPool>, spills: bool) -> MemoryReservation {
    let pool: Arc<dyn MemoryPool> = Arc::clone(pool) as _;
    MemoryConsumer::new("Sort[0]")
        .with_can_spill(spills)
        .register(&pool)
}

#[test]
fn the_cache_gives_way_and_comes_back() {
    let (node, cache) = node(256 * MB, 64 * MB);
    assert_eq!(cache.load(Ordering::Relaxed), 64 * MB);
    let pool = Arc::new(QueryPool::new(Arc::clone(&node), usize::MAX));
    let one = consumer(&pool, false);
    one.try_grow(190 * MB).expect("memory");
    assert_eq!(cache.load(Ordering::Relaxed), 64 * MB);
    one.try_grow(30 * MB).expect("memory");
    assert_eq!(cache.load(Ordering::Relaxed), 32 * MB);
    one.try_grow(18 * MB).expect("memory");
    assert_eq!(cache.load(Ordering::Relaxed), 16 * MB);
    one.try_grow(18 * MB).expect_err("the cache keeps a part");
    assert_eq!(node.reserved(), 238 * MB);
    drop(one);
    assert_eq!((node.reserved(), pool.reserved()), (0, 0));
    assert_eq!(cache.load(Ordering::Relaxed), 64 * MB);
    assert_eq!(pool.peak(), 238 * MB);
}

#[test]
fn a_query_has_its_own_limit_and_those_that_spill_share_it() {
    let (node, _) = node(256 * MB, 0);
    let pool = Arc::new(QueryPool::new(Arc::clone(&node), 40 * MB));
    let (first, second) = (consumer(&pool, true), consumer(&pool, true));
    let rest = consumer(&pool, false);
    rest.try_grow(10 * MB).expect("memory");
    first.try_grow(15 * MB).expect("its share");
    let error = first.try_grow(1).expect_err("more than its share");
    let text = error.to_string();
    assert!(
        text.contains("Sort[0] asked for 1 bytes beside 15.0 MB"),
        "{text}"
    );
    assert!(
        text.contains("of the 40.0 MB that the query may use"),
        "{text}"
    );
    second.try_grow(15 * MB).expect("its share");
    drop(first);
    second.try_grow(15 * MB).expect("what the other gave back");
    pool.set_grant(Some((20 * MB, "etl".into())));
    let error = second.try_grow(1).expect_err("more than its grant");
    let text = error.to_string();
    assert!(
        text.contains("0 bytes of the 20.0 MB that queue \"etl\" grants the query are free"),
        "{text}"
    );
    pool.set_grant(Some((400 * MB, "etl".into())));
    assert_eq!(pool.limit(), 256 * MB);
    pool.set_grant(None);
    assert_eq!(pool.limit(), 256 * MB);
}

#[test]
fn small_limits_leave_room_for_a_batch() {
    let (node, _) = node(256 * MB, 0);
    let pool = Arc::new(QueryPool::new(node, 24 * MB));
    let spillers: Vec<_> = (0..16).map(|_| consumer(&pool, true)).collect();
    spillers[0].try_grow(8 * MB).expect("a batch");
    spillers[0].try_grow(1).expect_err("more than a batch");
    spillers[1].try_grow(8 * MB).expect("a batch");
    spillers[2].try_grow(3 * MB).expect_err("nothing left");
    spillers[2].try_grow(2 * MB).expect("what is left");
    consumer(&pool, false)
        .try_grow(6 * MB)
        .expect("kept for it");
}

#[test]
fn those_that_come_first_leave_room_for_those_expected() {
    let (node, _) = node(256 * MB, 0);
    let pool = Arc::new(QueryPool::new(node, 160 * MB));
    pool.expect_spillers(6);
    let first = consumer(&pool, true);
    first.try_grow(21 * MB).expect_err("more than a sixth");
    first.try_grow(20 * MB).expect("its share");
    let others: Vec<_> = (0..5).map(|_| consumer(&pool, true)).collect();
    others
        .iter()
        .for_each(|other| other.try_grow(20 * MB).expect("its share"));
    consumer(&pool, true).try_grow(1).expect_err("all is taken");
    consumer(&pool, false)
        .try_grow(40 * MB)
        .expect("kept for it");
}

#[test]
fn queries_together_have_no_more_than_the_node() {
    let (node, _) = node(100 * MB, 0);
    let pools = [(); 2].map(|()| Arc::new(QueryPool::new(Arc::clone(&node), 80 * MB)));
    let [one, other] = [0, 1].map(|place| consumer(&pools[place], false));
    one.try_grow(80 * MB).expect("memory");
    let error = other.try_grow(30 * MB).expect_err("no memory").to_string();
    assert!(
        error.contains("20.0 MB of the 100.0 MB that all queries may use"),
        "{error}"
    );
    assert_eq!(node.reserved(), 80 * MB);
    drop(one);
    other.try_grow(30 * MB).expect("memory");
}

#[tokio::test]
async fn a_query_waits_for_memory_of_its_own_and_others_leave_it() {
    let (node, _) = node(256 * MB, 0);
    let pool = || Arc::new(QueryPool::new(Arc::clone(&node), usize::MAX));
    let (other, waits) = (pool(), pool());
    let held = [consumer(&other, false), consumer(&other, true)];
    held[0].try_grow(150 * MB).expect("memory");
    held[1].try_grow(10 * MB).expect("memory");
    // Four need 64 MB, which are there: a quarter of all.
    let first = pool();
    first.keep(4).await;
    assert_eq!(node.reserved(), 224 * MB);
    let waiting = tokio::spawn({
        let waits = Arc::clone(&waits);
        async move { waits.keep(4).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    // Who has some and can spill leaves the rest alone, who has none does not.
    held[1].try_grow(MB).expect_err("someone waits");
    consumer(&other, true).try_grow(MB).expect("its first rows");
    held[0].shrink(40 * MB);
    waiting.await.expect("waited");
    assert_eq!(node.reserved(), 248 * MB);
    // What is kept is all that it has, and nobody else has it.
    let (own, more) = (consumer(&waits, true), consumer(&waits, false));
    held[0].try_grow(9 * MB).expect_err("kept");
    own.try_grow(32 * MB).expect("half of what is kept for it");
    own.try_grow(1).expect_err("merges need the rest");
    more.try_grow(32 * MB).expect("the rest");
    more.try_grow(8 * MB).expect("what is free");
    more.try_grow(1).expect_err("what others have");
    drop((own, more));
    assert_eq!(node.reserved(), 248 * MB);
    drop(waits);
    assert_eq!(node.reserved(), 184 * MB);
    drop((first, held, other));
    assert_eq!(node.reserved(), 0);
    // Alone it has nearly all.
    let alone = pool();
    alone.keep(1).await;
    assert_eq!(node.reserved(), 224 * MB);
    // And nobody waits for ever.
    let late = pool();
    late.keep_within(4, Duration::from_millis(10)).await;
    assert_eq!(node.reserved(), 224 * MB);
    consumer(&late, true)
        .try_grow(20 * MB)
        .expect("what is there");
}
