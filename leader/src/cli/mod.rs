//! One file per command.
//!
//! Exit codes: 0 a clean end, 1 the command failed, 2 wrong arguments, 3 an answer of the demo was wrong, 4 the check
//! found damage.

mod analyze;
mod check;
mod completions;
mod config;
mod connect;
mod demo;
mod local;
mod progress;
mod restore;
mod serve;
mod snapshot;
mod status;
mod user;
mod vacuum;
mod wlm;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// An open-source columnar data warehouse that speaks Amazon Redshift.
#[derive(Parser)]
#[command(name = "blueshift", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Refreshes the statistics of tables of a running server, or suggests encodings.
    Analyze(analyze::Analyze),
    /// Verifies every checksum and every reference of a data directory; its server may be running.
    Check(check::Check),
    /// Prints what a shell needs to complete these commands.
    Completions(completions::Completions),
    /// Shows or checks the configuration of a server.
    Config(config::ConfigCommand),
    /// Shows the whole on TPC-H data: makes it, loads it, runs the 22 queries and stays up.
    Demo(demo::Demo),
    /// Runs one query over files, without a server: FROM 'file.parquet'.
    Local(local::Local),
    /// Makes a new data directory of a snapshot, or restores one table into a running server.
    Restore(restore::Restore),
    /// Serves a data directory.
    Serve(Box<serve::Serve>),
    /// Takes, lists, describes, removes and schedules snapshots.
    Snapshot(snapshot::Snapshot),
    /// Shows how a running server is.
    Status(status::Status),
    /// Makes, lists, changes and drops users of a running server.
    User(user::User),
    /// Sorts tables of a running server and gives back the room of deleted rows.
    Vacuum(vacuum::Vacuum),
    /// Prints the version.
    Version,
    /// Checks and explains a configuration of the workload manager.
    Wlm(wlm::WlmCommand),
}

/// Runs the command of the process's arguments. `give_back_at_once` has the allocator keep no memory that is free, which
/// costs some time: a server with a limit of its own calls it.
pub fn main(give_back_at_once: fn()) -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Analyze(analyze) => analyze::run(&analyze).map(|()| ExitCode::SUCCESS),
        Command::Check(check) => check::run(&check),
        Command::Completions(completions) => {
            completions::run(&completions).map(|()| ExitCode::SUCCESS)
        }
        Command::Config(config) => config::run(config),
        Command::Demo(demo) => demo::run(demo),
        Command::Local(local) => local::run(&local).map(|()| ExitCode::SUCCESS),
        Command::Restore(restore) => restore::run(&restore).map(|()| ExitCode::SUCCESS),
        Command::Snapshot(snapshot) => snapshot::run(&snapshot).map(|()| ExitCode::SUCCESS),
        Command::Serve(serve) => serve::run(*serve, give_back_at_once).map(|()| ExitCode::SUCCESS),
        Command::Status(status) => status::run(&status).map(|()| ExitCode::SUCCESS),
        Command::User(user) => user::run(&user).map(|()| ExitCode::SUCCESS),
        Command::Vacuum(vacuum) => vacuum::run(&vacuum).map(|()| ExitCode::SUCCESS),
        Command::Wlm(wlm) => wlm::run(&wlm).map(|()| ExitCode::SUCCESS),
        Command::Version => writeln!(std::io::stdout(), "blueshift {}", env!("CARGO_PKG_VERSION"))
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Nowhere is left to tell that telling failed.
            let _untold = writeln!(std::io::stderr(), "blueshift: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Parses a line of arguments as of a command that has a connection; for tests of what they become.
#[cfg(test)]
fn parsed<Line: Parser>(arguments: &str) -> Option<Line> {
    let words = format!("x --password p {arguments}");
    Line::try_parse_from(words.split_whitespace()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_well_formed() {
        Arguments::command().debug_assert();
    }
}
