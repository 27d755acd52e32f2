//! `blueshift wlm check`: says in plain words what a configuration of queues will do, or what is wrong with it.

use super::connect::tell;
use super::serve::queues;
use crate::wlm::explain;
use anyhow::Result;
use clap::{Args, Subcommand};

#[derive(Args)]
pub(super) struct WlmCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Explains each queue and each rule, or tells the place of what is wrong: 0 if it is right, 1 if not.
    Check {
        /// A file with what wlm_json_configuration is to be, or the JSON itself.
        file: String,
    },
}

/// Checks and explains.
pub(super) fn run(command: &WlmCommand) -> Result<()> {
    match &command.action {
        Action::Check { file } => tell(&explain::text(&queues(Some(file))?)),
    }
}
