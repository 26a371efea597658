//! `make bench`: the figures of docs/benchmarks.md, each one line on standard output.
//!
//! A figure is `NAME VALUE UNIT ratio=R of=WHAT`. Start at [`GROUPS`]: figures that need each other in the same
//! run are measured together. Real processes, real HTTP over loopback, `synchronous=FULL`; requests are encoded
//! and signed before the clock starts. Everything lies in temporary folders and is gone afterwards.

mod bytes;
mod commands;
mod crew;
mod derive;
mod duplicates;
mod exports;
mod figure;
mod ingest;
mod large;
mod link;
mod matching;
mod million;
mod photos;
mod process;
mod refold;
mod report;
mod rival;
mod same_rows;
mod small_zooms;
mod tiles;
mod tipg;

use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Parser;
use figure::Figures;
use tikv_jemallocator::Jemalloc;

/// The server's: what is measured inside this process costs what it costs there.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Measures and prints.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only figures whose name begins so, or of this group.
    #[arg(long)]
    only: Option<String>,
    /// Records of the large ledger, and hazards of the large map.
    #[arg(long, default_value_t = 1_000_000)]
    records: usize,
}

/// What is measured together, and the figures that come of it.
const GROUPS: &[(&str, &[&str])] = &[
    ("ingest", &["ingest_http", "push_again", "ingest_small"]),
    ("postgres", &["ingest_http_postgres"]),
    ("refold", &["refold", "refold_http"]),
    ("bytes", &["report_bytes"]),
    ("duplicates", &["duplicates_recall", "duplicates_precision", "duplicates_boston", "duplicates_firms"]),
    ("match", &["match_nearest", "match_full"]),
    ("patrol", &["patrol"]),
    ("derive", &["ingest_matched", "derived"]),
    ("report", &["report", "report_linear", "report_postgres", "report_linear_postgres"]),
    ("photos", &["photos"]),
    (
        "commands",
        &[
            "command", "command_p99", "command_limit", "command_postgres", "command_p99_postgres",
            "command_limit_postgres",
        ],
    ),
    (
        "tiles",
        &[
            "tile_z10", "tile_z12", "tile_z14", "items", "tile_z10_postgres", "tile_z12_postgres",
            "tile_z14_postgres", "items_postgres",
        ],
    ),
    ("exports", &["export_geojson", "export_fgb", "export_gpkg"]),
    ("million", &["tile_small_bytes", "tile_small_cpu", "tile_select_cpu", "export_memory", "counts_kept"]),
    ("large", &["pull_100", "memory", "start_up", "first_pull"]),
];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let only = arguments.only.clone();
    let is_group = GROUPS.iter().any(|(group, _)| only.as_deref() == Some(*group));
    let wants = |group: &str, names: &[&str]| match only.as_deref() {
        None => true,
        Some(only) if is_group => only == group,
        Some(only) => names.iter().any(|name| name.starts_with(only)),
    };
    let mut figures = Figures::new(only.clone().filter(|_| !is_group));
    let mut ran = 0;
    for (group, names) in GROUPS {
        if !wants(group, names) {
            continue;
        }
        ran += 1;
        let began = Instant::now();
        match *group {
            "ingest" => ingest::sqlite(&mut figures).await?,
            "postgres" => ingest::postgres(&mut figures).await?,
            "refold" => refold::measure(&mut figures).await?,
            "bytes" => bytes::measure(&mut figures).await?,
            "duplicates" => duplicates::measure(&mut figures)?,
            "match" => matching::matches(&mut figures).await?,
            "patrol" => matching::patrols(&mut figures)?,
            "derive" => derive::measure(&mut figures).await?,
            "report" => report::measure(&mut figures).await?,
            "exports" => exports::measure(&mut figures).await?,
            "photos" => photos::measure(&mut figures).await?,
            "commands" => commands::measure(&mut figures).await?,
            "million" => million::measure(&mut figures, arguments.records).await?,
            "tiles" => tiles::measure(&mut figures).await?,
            _ => large::measure(&mut figures, arguments.records).await?,
        }
        Figures::say(&format!("{group} took {:.0} s", began.elapsed().as_secs_f64()));
    }
    ensure!(ran > 0, "there is no such figure; there are {GROUPS:?}");
    Ok(())
}
