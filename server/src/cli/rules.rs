//! `firebreak rules …`: what is in force, setting it, the versions before.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;

use super::{DistrictArg, find, print, print_json};
use crate::rules::DEFAULT;
use crate::sync::office::SERVER_AUTHOR;
use crate::sync::{Engine, rules};

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Print the text of the rules in force: TOML, to be edited and set.
    Show {
        #[command(flatten)]
        district: DistrictArg,
        /// The rules of the program instead.
        #[arg(long)]
        default: bool,
    },
    /// Set the rules of a file.
    Set {
        #[command(flatten)]
        district: DistrictArg,
        /// The file: TOML.
        file: PathBuf,
    },
    /// List the versions that were set, newest first.
    History(DistrictArg),
}

pub(super) async fn run(engine: &Arc<Engine>, command: RulesCommand) -> anyhow::Result<()> {
    match command {
        RulesCommand::Show { default: true, .. } => print(DEFAULT.trim_end()),
        RulesCommand::Show { district, default: false } => {
            let district = find(engine, district).await?;
            print(rules::in_force(engine, &district).await?.source.trim_end())
        }
        RulesCommand::Set { district, file } => {
            let district = find(engine, district).await?;
            let source = std::fs::read_to_string(&file)
                .with_context(|| format!("{} cannot be read as text", file.display()))?;
            let set = rules::set(engine, &district, &source, SERVER_AUTHOR).await?;
            print_json(&serde_json::to_value(set)?)
        }
        RulesCommand::History(district) => {
            let district = find(engine, district).await?;
            for past in rules::in_force(engine, &district).await?.history {
                print_json(&serde_json::to_value(past)?)?;
            }
            Ok(())
        }
    }
}
