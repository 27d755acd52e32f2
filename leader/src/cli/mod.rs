//! One file per command.
//!
//! Exit codes: 0 a clean end, 1 the command failed, 2 wrong arguments, 3 an answer of the demo was wrong, 4 the check
//! found damage.

mod analyze;
mod check;
mod connect;
mod demo;
mod serve;
mod vacuum;

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
    /// Shows the whole on TPC-H data: makes it, loads it, runs the 22 queries and stays up.
    Demo(demo::Demo),
    /// Serves a data directory.
    Serve(serve::Serve),
    /// Sorts tables of a running server and gives back the room of deleted rows.
    Vacuum(vacuum::Vacuum),
    /// Prints the version.
    Version,
}

/// Runs the command of the process's arguments.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Analyze(analyze) => analyze::run(&analyze).map(|()| ExitCode::SUCCESS),
        Command::Check(check) => check::run(&check),
        Command::Demo(demo) => demo::run(demo),
        Command::Serve(serve) => serve::run(serve).map(|()| ExitCode::SUCCESS),
        Command::Vacuum(vacuum) => vacuum::run(&vacuum).map(|()| ExitCode::SUCCESS),
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
