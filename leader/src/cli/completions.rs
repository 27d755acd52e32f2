//! `blueshift completions`: what a shell needs to complete the commands.

use super::Arguments;
use super::connect::tell;
use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(completions: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        completions.shell,
        &mut Arguments::command(),
        "blueshift",
        &mut script,
    );
    tell(&String::from_utf8(script)?)
}
