//! `firebreak import bundle …`: what came by memory stick, taken as if its phone had sent it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::{DistrictArg, find, print_json};
use crate::domain::District;
use crate::sync::group::{self, Delivery};
use crate::sync::{Engine, admit};

#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// Import bundle files, as a phone exports them.
    Bundle {
        #[command(flatten)]
        district: DistrictArg,
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

pub(super) async fn run(engine: &Arc<Engine>, command: ImportCommand) -> anyhow::Result<()> {
    let ImportCommand::Bundle { district, files } = command;
    let district = find(engine, district).await?;
    import(engine, &district, &files).await
}

async fn import(engine: &Arc<Engine>, district: &District, files: &[PathBuf]) -> anyhow::Result<()> {
    let mut refused_in_all = 0;
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let mut admitted = admit::open_file(engine, district, &bytes).await?;
        let known = admitted.receipts.len();
        let now_ms = engine.clock.now_ms();
        let refused: Vec<_> = admitted
            .refusals
            .iter()
            .map(|refusal| group::refused_row(refusal.bundle, refusal.code, &refusal.bytes, None, now_ms))
            .collect();
        let refusals: Vec<_> = admitted
            .refusals
            .iter()
            .map(|refusal| json!({ "bundle": refusal.bundle.to_string(), "code": refusal.code.as_str(), "zh": refusal.code.zh(), "en": refusal.code.en() }))
            .collect();
        refused_in_all += refusals.len();
        let arrivals = std::mem::take(&mut admitted.arrivals);
        let delivery = Delivery { arrivals, refused, ..Delivery::default() };
        let receipts = engine.deliver(district, delivery).await?;
        print_json(&json!({
            "file": file.display().to_string(), "taken": receipts.len(), "known": known, "refused": refusals,
        }))?;
    }
    // What was refused is kept; a script must notice all the same.
    anyhow::ensure!(refused_in_all == 0, "{refused_in_all} bundles were refused");
    Ok(())
}
