//! `firebreak import lines …`, `import regions …`: the grid and the regions of a district from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use sync_protocol::reference::RegionLevel;

use super::{DistrictArg, find, print_json};
use crate::geometry::Datum;
use crate::grid::mapping::Mapping;
use crate::grid::{Format, regions};
use crate::sync::Engine;
use crate::sync::grid::{self, Import, ImportFile, Missing};
use crate::sync::office::SERVER_AUTHOR;

/// How files are read.
#[derive(Debug, Args)]
pub(super) struct Reading {
    #[command(flatten)]
    district: DistrictArg,
    /// The datum of the positions: wgs84, cgcs2000, gcj02, bd09, epsg:N. Default: what the file says, else wgs84.
    #[arg(long)]
    datum: Option<String>,
    /// Which column means what: a TOML file of `role = "column"` lines, or `role=column,…`.
    #[arg(long)]
    map: Option<String>,
    /// geojson, csv or gpkg. Default: by the ending of each file's name.
    #[arg(long)]
    format: Option<String>,
    /// Retire nothing: the files are a part of what there is.
    #[arg(long)]
    keep_missing: bool,
}

#[derive(Debug, Args)]
pub(super) struct Lines {
    /// The files: GeoJSON, GeoPackage or CSV.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A file of structures; may be repeated.
    #[arg(long = "structures", value_name = "FILE")]
    structures: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Args)]
pub(super) struct Regions {
    /// The files: GeoJSON, GeoPackage or CSV.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What those are that do not say it: district or township.
    #[arg(long)]
    level: Option<String>,
    #[command(flatten)]
    reading: Reading,
}

pub(super) async fn run_lines(engine: &Arc<Engine>, lines: Lines) -> anyhow::Result<()> {
    let files: Vec<PathBuf> = lines.files.into_iter().chain(lines.structures).collect();
    let import = import(&lines.reading, &files, None)?;
    let district = find(engine, lines.reading.district).await?;
    print_json(&serde_json::to_value(grid::import_lines(engine, &district, import).await?)?)
}

pub(super) async fn run_regions(engine: &Arc<Engine>, regions: Regions) -> anyhow::Result<()> {
    let import = import(&regions.reading, &regions.files, regions.level.as_deref())?;
    let district = find(engine, regions.reading.district).await?;
    print_json(&serde_json::to_value(grid::import_regions(engine, &district, import).await?)?)
}

fn import(reading: &Reading, files: &[PathBuf], level: Option<&str>) -> anyhow::Result<Import> {
    let datum = reading.datum.as_deref().map(str::parse::<Datum>);
    let level = level.map(|name| regions::level_of(name).with_context(|| no_level(name)));
    Ok(Import {
        files: files.iter().map(|path| file(path, reading.format.as_deref())).collect::<Result<_, _>>()?,
        datum: datum.transpose()?,
        mapping: mapping(reading.map.as_deref())?,
        missing: if reading.keep_missing { Missing::Kept } else { Missing::Retired },
        level: level.transpose()?,
        author: SERVER_AUTHOR,
    })
}

fn no_level(name: &str) -> String {
    let known: Vec<&str> = RegionLevel::ALL.iter().map(|level| level.as_str()).collect();
    format!("`{name}` is no level: {}", known.join(", "))
}

fn file(path: &Path, format: Option<&str>) -> anyhow::Result<ImportFile> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let format = Format::parse(format.unwrap_or(ending)).with_context(|| {
        let name = path.display();
        format!("{name}: what is it? say --format geojson, csv or gpkg, or end its name so; save a workbook as CSV")
    })?;
    Ok(ImportFile { name: path.display().to_string(), path: path.to_owned(), format })
}

fn mapping(map: Option<&str>) -> anyhow::Result<Mapping> {
    let Some(map) = map else { return Ok(Mapping::default()) };
    let text = if Path::new(map).is_file() {
        std::fs::read_to_string(map).with_context(|| format!("{map} cannot be read"))?
    } else {
        map.to_owned()
    };
    Ok(Mapping::parse(&text)?)
}
