//! `blueshift config`: what a server would be told, and whether that is right. It reads files and variables, no server.

use super::connect::{Output, Table, print, tell};
use super::serve::Flags;
use crate::config::{Config, unknown_variables};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Prints every setting as `serve` would take it, with the same flags, variables and file; secrets are masked.
    Show(Box<Show>),
    /// Says whether a server could start with a file and the variables there are: 0 if it could, 1 if not.
    Check {
        /// A TOML file; `current` looks at the variables alone.
        #[arg(default_value = "current")]
        file: PathBuf,
    },
}

#[derive(Args)]
struct Show {
    /// Tell where each value came from: a flag, a variable, the file, or the default.
    #[arg(long)]
    origin: bool,
    /// A TOML file, as of `serve`.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How settings are printed.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    flags: Flags,
}

/// Shows or checks.
pub(super) fn run(command: ConfigCommand) -> Result<ExitCode> {
    match command.action {
        Action::Show(show) => self::show(*show).map(|()| ExitCode::SUCCESS),
        Action::Check { file } => check(&file),
    }
}

fn show(show: Show) -> Result<()> {
    let settings = Config::origins(show.config.as_deref(), &show.flags)?;
    let mut names = vec!["setting".to_owned(), "value".to_owned()];
    names.extend(show.origin.then(|| "origin".to_owned()));
    let rows = settings.into_iter().map(|setting| {
        let mut row = vec![Some(setting.name), setting.value];
        row.extend(show.origin.then_some(Some(setting.origin)));
        row
    });
    let table = Table {
        names,
        rows: rows.collect(),
        kinds: Vec::new(),
    };
    print(&table, show.output)
}

fn check(file: &Path) -> Result<ExitCode> {
    let file = (file != Path::new("current")).then_some(file);
    let named = || match file {
        Some(file) => format!("\"{}\" is not a valid configuration", file.display()),
        None => "the variables are not a valid configuration".to_owned(),
    };
    Config::load(file, serde_json::json!({})).with_context(named)?;
    let unknown = unknown_variables();
    for variable in &unknown {
        tell(&format!("no setting has the name of variable {variable}\n"))?;
    }
    if unknown.is_empty() {
        tell("ok\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
