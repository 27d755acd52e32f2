//! The 22 queries: run, timed, and their answers judged.

use super::answer::{self, Verdict};
use super::client;
use anyhow::Result;
use std::io::Write;
use std::time::Instant;
use tokio_postgres::Client;

/// The texts, with the parameters of the specification's validation run.
pub(super) const QUERIES: [&str; 22] = [
    include_str!("tpch/q01.sql"),
    include_str!("tpch/q02.sql"),
    include_str!("tpch/q03.sql"),
    include_str!("tpch/q04.sql"),
    include_str!("tpch/q05.sql"),
    include_str!("tpch/q06.sql"),
    include_str!("tpch/q07.sql"),
    include_str!("tpch/q08.sql"),
    include_str!("tpch/q09.sql"),
    include_str!("tpch/q10.sql"),
    include_str!("tpch/q11.sql"),
    include_str!("tpch/q12.sql"),
    include_str!("tpch/q13.sql"),
    include_str!("tpch/q14.sql"),
    include_str!("tpch/q15.sql"),
    include_str!("tpch/q16.sql"),
    include_str!("tpch/q17.sql"),
    include_str!("tpch/q18.sql"),
    include_str!("tpch/q19.sql"),
    include_str!("tpch/q20.sql"),
    include_str!("tpch/q21.sql"),
    include_str!("tpch/q22.sql"),
];

/// Q11's share of the total at scale 1; the specification divides it by the scale.
const Q11_SHARE: &str = "0.0001";

/// Gives the text of a query, from 1, at a scale.
fn text(number: usize, sql: &str, scale: f64) -> String {
    if number != 11 {
        return sql.to_string();
    }
    let share = format!("{:.10}", 0.0001 / scale);
    sql.replace(Q11_SHARE, share.trim_end_matches('0'))
}

/// Runs all and prints a table; tells whether every answer that could be judged was right.
pub(super) async fn run(client: &Client, scale: f64) -> Result<bool> {
    let mut console = std::io::stdout();
    writeln!(console, "query     rows        ms  answer")?;
    let mut total = 0.0;
    let (mut right, mut wrong) = (0, 0);
    for (number, sql) in (1..).zip(QUERIES) {
        let sql = text(number, sql, scale);
        let begun = Instant::now();
        let answered = client::rows(client, &sql).await;
        let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
        total += milliseconds;
        let (rows, verdict) = match &answered {
            Ok(rows) => (rows.len(), answer::judge(number, scale, rows)),
            Err(error) => (0, Verdict::Wrong(format!("{error:#}"))),
        };
        let word = match &verdict {
            Verdict::Right => "right",
            Verdict::Wrong(_) if answered.is_err() => "FAILED",
            Verdict::Wrong(_) => "WRONG",
            Verdict::Unknown => "not verified",
        };
        writeln!(
            console,
            "{:<5} {rows:>8} {milliseconds:>9.1}  {word}",
            format!("Q{number}")
        )?;
        match verdict {
            Verdict::Right => right += 1,
            Verdict::Wrong(why) => {
                wrong += 1;
                writeln!(console, "      {why}")?;
            }
            Verdict::Unknown => {}
        }
    }
    writeln!(
        console,
        "22 queries in {:.2} s: {right} right, {wrong} wrong, {} not verified",
        total / 1e3,
        QUERIES.len() - right - wrong
    )?;
    if right + wrong == 0 {
        writeln!(
            console,
            "Answers are known for scales 0.01, 0.1 and 1 only."
        )?;
    }
    Ok(wrong == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_q11_follows_the_scale() {
        assert!(text(11, QUERIES[10], 0.01).contains("* 0.01\n"));
        assert!(text(11, QUERIES[10], 0.1).contains("* 0.001\n"));
        assert_eq!(text(11, QUERIES[10], 1.0), QUERIES[10]);
        assert_eq!(text(6, QUERIES[5], 10.0), QUERIES[5]);
    }
}
