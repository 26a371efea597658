//! `firebreak import bundle …`: what came by memory stick, taken as if its phone had sent it. Lines and regions are
//! imported in [`super::grid`].

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use sync_protocol::ids::PersonId;

use super::{DistrictArg, find, grid, print_json};
use crate::domain::District;
use crate::sync::entry::{GpxPatrol, enter_gpx};
use crate::sync::{Engine, SyncError, import};

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
    /// Import patrols that were recorded as GPX files; a file that was imported already stays one patrol.
    Gpx {
        #[command(flatten)]
        district: DistrictArg,
        /// Who walked.
        #[arg(long)]
        person: uuid::Uuid,
        /// When it began, milliseconds since 1970: for files without times.
        #[arg(long)]
        started_ms: Option<i64>,
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Import lines and structures; what the files no longer name is retired.
    Lines(grid::Lines),
    /// Import districts and townships; what the files no longer name is retired.
    Regions(grid::Regions),
}

pub(super) async fn run(engine: &Arc<Engine>, command: ImportCommand) -> anyhow::Result<()> {
    match command {
        ImportCommand::Bundle { district, files } => {
            let district = find(engine, district).await?;
            import(engine, &district, &files).await
        }
        ImportCommand::Gpx { district, person, started_ms, files } => {
            let district = find(engine, district).await?;
            import_gpx(engine, &district, PersonId(person), started_ms, &files).await
        }
        ImportCommand::Lines(lines) => grid::run_lines(engine, lines).await,
        ImportCommand::Regions(regions) => grid::run_regions(engine, regions).await,
    }
}

async fn import_gpx(
    engine: &Arc<Engine>,
    district: &District,
    person: PersonId,
    started_ms: Option<i64>,
    files: &[PathBuf],
) -> anyhow::Result<()> {
    let mut refused = 0;
    for path in files {
        let file = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let patrol = GpxPatrol { file: &file, id: None, person, started_ms, entered_by: None };
        let name = path.display().to_string();
        match enter_gpx(engine, district, patrol).await {
            Ok(entered) => print_json(&json!({
                "file": name, "record": entered.record.to_string(), "new": entered.is_new,
                "points": entered.points, "damaged": entered.damaged,
            }))?,
            // One bad file keeps none of the others out.
            Err(SyncError::RefusedFor(code, detail)) => {
                refused += 1;
                print_json(&json!({
                    "file": name, "code": code.as_str(), "zh": code.zh(), "en": code.en(), "detail": detail,
                }))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::ensure!(refused == 0, "{refused} files were refused");
    Ok(())
}

async fn import(engine: &Arc<Engine>, district: &District, files: &[PathBuf]) -> anyhow::Result<()> {
    let mut refused_in_all = 0;
    let mut empty = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        // An export that was broken off, most likely: one such file keeps none of the others out.
        if bytes.is_empty() {
            empty.push(file.display().to_string());
            continue;
        }
        let imported = import::import(engine, district, &bytes).await?;
        let refused: Vec<_> = imported
            .refused
            .iter()
            .map(|(bundle, code)| {
                json!({ "bundle": bundle.to_string(), "code": code.as_str(), "zh": code.zh(), "en": code.en() })
            })
            .collect();
        refused_in_all += refused.len();
        print_json(&json!({
            "file": file.display().to_string(), "taken": imported.taken.len(), "known": imported.known.len(),
            "refused": refused,
        }))?;
    }
    // What was refused is kept; a script must notice all the same.
    anyhow::ensure!(refused_in_all == 0, "{refused_in_all} bundles were refused");
    anyhow::ensure!(empty.is_empty(), "no bundle is in {}: the file is empty", empty.join(", "));
    Ok(())
}
