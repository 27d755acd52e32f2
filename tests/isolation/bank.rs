//! Bank transfers of many sessions, with the server killed in between: no money is made or lost, and what was
//! acknowledged is there.

use blueshift_tests::client::{explain, try_connect};
use blueshift_tests::{Server, ServerOptions, connect, full};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const ACCOUNTS: u64 = 1_000;
/// Each transaction moves money between pairs of accounts.
const TRANSFERS_OF_TRANSACTION: u64 = ACCOUNTS / 2;
const SESSIONS: u64 = 4;
const KILLS: u64 = 3;

/// Transfers of the whole test.
fn transfers() -> u64 {
    if full() { 1_000_000 } else { 30_000 }
}

/// Moves money until the server is gone or enough was moved; counts what was acknowledged.
async fn work(port: u16, session: u64, acknowledged: Arc<AtomicU64>, goal: u64) {
    let Ok(client) = try_connect(port).await else {
        return;
    };
    for number in 0.. {
        if acknowledged.load(Ordering::SeqCst) >= goal {
            return;
        }
        let (from, amount) = ((number + session) % 2, number % 7 + 1);
        // Every other transaction has a view from before it got the lock, and so conflicts with the others.
        let look = match number % 2 {
            0 => "",
            _ => "SELECT sum(balance) FROM accounts;",
        };
        let transfer = format!(
            "BEGIN; {look}
             UPDATE accounts SET balance = balance - {amount} WHERE id % 2 = {from};
             UPDATE accounts SET balance = balance + {amount} WHERE id % 2 <> {from};
             INSERT INTO ledger VALUES ({session}, {TRANSFERS_OF_TRANSACTION}); COMMIT"
        );
        match client.try_rows(&transfer).await {
            Ok(_) => {
                acknowledged.fetch_add(TRANSFERS_OF_TRANSACTION, Ordering::SeqCst);
            }
            Err(error) => {
                let Some(db) = error.as_db_error() else {
                    return;
                };
                let is_retried = ["40001", "40P01"].contains(&db.code().code());
                assert!(is_retried, "{}", explain(&error));
                if client.try_rows("ROLLBACK").await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_under_kills_keep_the_total() {
    for level in ["SNAPSHOT", "SERIALIZABLE"] {
        let mut server = Server::start(ServerOptions {
            slices: Some(2),
            ..ServerOptions::default()
        })
        .await;
        let client = connect(server.port).await;
        client
            .run(&format!("ALTER DATABASE dev ISOLATION LEVEL {level}"))
            .await;
        let values: Vec<String> = (0..ACCOUNTS).map(|id| format!("({id}, 100)")).collect();
        client
            .run(&format!(
                "CREATE TABLE accounts (id INTEGER, balance BIGINT) DISTSTYLE EVEN;
                 CREATE TABLE ledger (session INTEGER, transfers BIGINT);
                 INSERT INTO accounts VALUES {}",
                values.join(",")
            ))
            .await;
        drop(client);
        let acknowledged = Arc::new(AtomicU64::new(0));
        let share = transfers() / 2 / (KILLS + 1);
        for round in 1..=KILLS + 1 {
            let goal = share * round;
            let workers: Vec<_> = (0..SESSIONS)
                .map(|session| {
                    // The last round ends by itself, the others by the kill.
                    let last = if round > KILLS { goal } else { u64::MAX };
                    tokio::spawn(work(server.port, session, acknowledged.clone(), last))
                })
                .collect();
            while acknowledged.load(Ordering::SeqCst) < goal {
                assert!(
                    !workers.iter().all(|worker| worker.is_finished()),
                    "nobody works"
                );
                tokio::task::yield_now().await;
            }
            if round <= KILLS {
                server.kill();
            }
            for worker in workers {
                worker.await.expect("worker");
            }
            if round <= KILLS {
                server = server.restart().await;
            }
            let client = connect(server.port).await;
            let total = "SELECT count(*), sum(balance) FROM accounts";
            let expected = format!("{ACCOUNTS}|{}", ACCOUNTS * 100);
            assert_eq!(client.rows(total).await, [expected], "{level}");
            let written: u64 = client
                .value("SELECT nvl(sum(transfers), 0) FROM ledger")
                .await
                .parse()
                .expect("a number");
            let known = acknowledged.load(Ordering::SeqCst);
            let in_flight = SESSIONS * TRANSFERS_OF_TRANSACTION * round;
            assert!(
                (known..=known + in_flight).contains(&written),
                "{written} transfers are there, {known} were acknowledged"
            );
        }
    }
}
