//! `blueshift vacuum`: sorts tables of a running server and gives back the room of deleted rows.

use super::connect::{Connect, logged, print, quoted};
use super::progress::watched;
use super::snapshot::block_on;
use anyhow::Result;
use clap::Args;

#[derive(Args)]
pub(super) struct Vacuum {
    /// The table, as name or schema.name; all tables of the user if it is left out.
    #[arg(required_if_eq_any([("reindex", "true"), ("recluster", "true"), ("boost", "true")]))]
    table: Option<String>,
    #[command(flatten)]
    kind: Kind,
    /// Skip sorting from this share of sorted rows on, and giving back room from this share of live rows on; 100 does
    /// all there is [default: 95].
    #[arg(long, value_name = "PERCENT", requires = "table", value_parser = clap::value_parser!(u8).range(0..=100), conflicts_with_all = ["reindex", "recluster"])]
    to: Option<u8>,
    /// Take more memory; updates and deletes wait meanwhile.
    #[arg(long, conflicts_with = "reindex")]
    boost: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Args)]
#[group(multiple = false)]
struct Kind {
    /// Sort and give back room (what is done if nothing is said).
    #[arg(long)]
    full: bool,
    /// Only sort.
    #[arg(long)]
    sort_only: bool,
    /// Only give back room.
    #[arg(long)]
    delete_only: bool,
    /// Learn the distribution of interleaved sort keys anew, and sort everything.
    #[arg(long)]
    reindex: bool,
    /// Sort the unsorted region and leave the sorted one alone.
    #[arg(long)]
    recluster: bool,
}

/// What tells how far a vacuum is.
const RUNNING: &str = "SELECT trim(status), NULL, trim(time_remaining_estimate) FROM svv_vacuum_progress \
    WHERE trim(status) <> 'Complete'";

/// Vacuums, and prints what the tables were before and after.
pub(super) fn run(vacuum: &Vacuum) -> Result<()> {
    let sql = statement(vacuum);
    let columns = "table_id, status, rows, sortedrows, blocks, reclaimable_rows";
    let report = block_on(watched(&vacuum.connect, RUNNING, async |client| {
        logged(client, &sql, "stl_vacuum", columns).await
    }))?;
    print(&report, vacuum.connect.output)
}

fn statement(vacuum: &Vacuum) -> String {
    let kind = &vacuum.kind;
    let words = [
        (kind.full, "FULL"),
        (kind.sort_only, "SORT ONLY"),
        (kind.delete_only, "DELETE ONLY"),
        (kind.reindex, "REINDEX"),
        (kind.recluster, "RECLUSTER"),
    ];
    let mut parts = vec!["VACUUM".to_owned()];
    let chosen = words.into_iter().filter(|(is_chosen, _)| *is_chosen);
    parts.extend(chosen.map(|(_, word)| word.to_owned()));
    parts.extend(vacuum.table.as_deref().map(quoted));
    parts.extend(vacuum.to.map(|percent| format!("TO {percent} PERCENT")));
    if vacuum.boost {
        parts.push("BOOST".to_owned());
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        vacuum: Vacuum,
    }

    fn check(arguments: &str) -> Option<String> {
        let line: Line = crate::cli::parsed(arguments)?;
        Some(statement(&line.vacuum))
    }

    #[test]
    fn arguments_become_the_statement() {
        let is = |arguments, sql: &str| assert_eq!(check(arguments).as_deref(), Some(sql));
        is("", "VACUUM");
        is(
            "s.t --sort-only --to 75",
            "VACUUM SORT ONLY \"s\".\"t\" TO 75 PERCENT",
        );
        is("t --reindex", "VACUUM REINDEX \"t\"");
        is("t --full --boost", "VACUUM FULL \"t\" BOOST");
        for refused in [
            "--reindex",
            "t --reindex --to 5",
            "t --full --recluster",
            "--to 5",
            "t --to 101",
        ] {
            assert_eq!(check(refused), None, "{refused}");
        }
    }
}
