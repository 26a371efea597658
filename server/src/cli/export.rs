//! `firebreak export`: a layer of the map, every layer, or the ledger as a file.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;
use uuid::Uuid;

use super::{DistrictArg, find, print_json};
use crate::exports::{Encoding, Format, Headings, Reference};
use crate::sync::Engine;
use crate::sync::audit::{Actor, Entry};
use crate::sync::exports::filters::Filters;
use crate::sync::exports::{PhotosShown, Request, Subject, usual_headings, write_to};
use crate::sync::sight::Sight;

/// Which file.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    district: DistrictArg,
    /// `hazards`, `hazard_states`, `lines`, `structures`, `patrolled`, `not_patrolled`, `works`, `regions`, `unsent`, `ledger`,
    /// or `all` (gpkg alone).
    #[arg(long)]
    layer: String,
    /// `gpkg`, `geojson`, `geojsonseq`, `fgb`, `shp`, `kml`, `kmz`, `csv`, `xlsx`, `pmtiles`.
    #[arg(long)]
    format: String,
    /// The file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// `wgs84`, `cgcs2000`, `gcj02`, `bd09`, `epsg:3857`, `epsg:4491` to `epsg:4554`.
    #[arg(long, default_value = "wgs84")]
    datum: Reference,
    /// `zh` or `en`; else Chinese in csv, xlsx, kml and kmz, the names of columns elsewhere.
    #[arg(long)]
    headings: Option<String>,
    /// Of a shapefile: `utf-8` or `gbk`.
    #[arg(long)]
    encoding: Option<String>,
    /// Of `hazards` as `kmz`: thumbnails of one photo of each hazard, 300 at most.
    #[arg(long)]
    thumbnails: bool,
    #[command(flatten)]
    filters: FilterArgs,
}

/// Which features: as in the ledger's list. Days are local to the district, both ends included.
#[derive(Debug, Args)]
struct FilterArgs {
    /// `lon_min,lat_min,lon_max,lat_max` in degrees.
    #[arg(long, value_delimiter = ',', num_args = 1, allow_hyphen_values = true)]
    bbox: Option<Vec<f64>>,
    /// A state, such as `reported` or `closed`.
    #[arg(long)]
    state: Option<String>,
    /// Open or not.
    #[arg(long)]
    open: Option<bool>,
    /// `critical`, `serious`, `general`, `none`.
    #[arg(long)]
    severity: Option<String>,
    /// As a report counts it: neither void nor a duplicate.
    #[arg(long)]
    counted: Option<bool>,
    /// Categories with commas between them, or `none`.
    #[arg(long)]
    category: Option<String>,
    /// 乡镇, by its name.
    #[arg(long)]
    township: Option<String>,
    /// The id of a line.
    #[arg(long)]
    line: Option<Uuid>,
    /// Found from this day on.
    #[arg(long)]
    found_from: Option<Date>,
    /// Found until this day.
    #[arg(long)]
    found_to: Option<Date>,
    /// Past their deadline, or not.
    #[arg(long)]
    overdue: Option<bool>,
    /// The id of the unit that answers for them.
    #[arg(long)]
    unit: Option<Uuid>,
    /// Major hazards, or others.
    #[arg(long)]
    major: Option<bool>,
    /// Of hazards: changed after this change number. Of `not_patrolled`: since this day; else for 30 days.
    #[arg(long)]
    since: Option<String>,
    /// Without their report, or with it.
    #[arg(long)]
    provisional: Option<bool>,
    /// With an open conflict, or without.
    #[arg(long)]
    conflict: Option<bool>,
    /// This role must act.
    #[arg(long)]
    turn: Option<String>,
    /// Due before this moment, milliseconds since 1970.
    #[arg(long)]
    due_before: Option<i64>,
    /// Operations of it are named that the ledger does not hold, or none are.
    #[arg(long)]
    missing: Option<bool>,
    /// Found by a supervisory inspection, or otherwise.
    #[arg(long)]
    supervised: Option<bool>,
    /// `hazard`, which is what files have.
    #[arg(long = "type")]
    record_type: Option<String>,
}

impl FilterArgs {
    fn read(self) -> anyhow::Result<Filters> {
        let bbox = self.bbox.map(|sides| <[f64; 4]>::try_from(sides.as_slice())).transpose();
        Ok(Filters {
            bbox: bbox.context("--bbox has four numbers: lon_min,lat_min,lon_max,lat_max")?,
            state: self.state,
            open: self.open,
            severity: self.severity,
            counted: self.counted,
            category: self.category,
            township: self.township,
            line: self.line,
            found_from: self.found_from,
            found_to: self.found_to,
            overdue: self.overdue,
            unit: self.unit,
            major: self.major,
            since: self.since,
            provisional: self.provisional,
            conflict: self.conflict,
            turn: self.turn,
            due_before: self.due_before,
            missing: self.missing,
            supervised: self.supervised,
            record_type: self.record_type,
        })
    }
}

pub(super) async fn run(engine: &Arc<Engine>, arguments: ExportArgs) -> anyhow::Result<()> {
    let ExportArgs {
        district,
        layer,
        format,
        out,
        datum: reference,
        headings,
        encoding,
        thumbnails,
        filters,
    } = arguments;
    let district = find(engine, district).await?;
    let subject = Subject::parse(&layer).with_context(|| format!("there is no layer {layer}"))?;
    let format = Format::parse(&format).with_context(|| format!("there is no format {format}"))?;
    let headings = match headings {
        None => usual_headings(format),
        Some(name) => Headings::parse(&name).context("--headings is zh or en")?,
    };
    let encoding = match encoding {
        None => Encoding::default(),
        Some(name) => Encoding::parse(&name).context("--encoding is utf-8 or gbk")?,
    };
    if format == Format::Shapefile && out.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("zip"))
    {
        bail!("a shapefile is several files, which come as one zip: end the name of --out with .zip");
    }
    let zone = TimeZone::get(&district.time_zone).unwrap_or(TimeZone::UTC);
    let (filters, now_ms) = (filters.read()?, engine.clock.now_ms());
    let selection = filters.selection(subject, &zone, now_ms, Sight::District)?;
    let (filters, as_of_ms, sight) = (filters.query(), filters.as_of(now_ms), Sight::District);
    let photos = if thumbnails { PhotosShown::Thumbnails } else { PhotosShown::None };
    let request = Request {
        subject,
        format,
        headings,
        reference,
        encoding,
        selection,
        sight,
        filters,
        as_of_ms,
        photos,
    };
    let detail = json!(request.audited());
    let entry = Entry::by(Actor::Operator, "export.file", request.file_name(), detail);
    engine.audit_alone(&district, entry).await?;
    let made = write_to(engine, &district, &request, &out).await?;
    let bytes = std::fs::metadata(&out).with_context(|| format!("{} cannot be read", out.display()))?.len();
    print_json(&json!({
        "file": out.display().to_string(), "features": made.features, "bytes": bytes, "change": made.change,
        "tag": made.tag,
    }))
}
