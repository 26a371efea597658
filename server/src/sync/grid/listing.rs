//! What the office is shown of the grid: versions and counts, lines in pages, one line with its spans.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;
use sync_protocol::codes::Code;
use sync_protocol::ids::{RecordId, sha256};
use sync_protocol::reference::{LineView, Reference, RegionView};
use utoipa::ToSchema;

use crate::domain::District;
use crate::geometry::Line;
use crate::grid::snapshot::Grid;
use crate::rules::Rules;
use crate::rules::voltage::Assumption;
use crate::store::{ReferenceKind, ReferenceVersion};
use crate::sync::listing::{Page, cursor, read_cursor};
use crate::sync::{Engine, SyncError};

/// What is in force of the grid and the regions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Overview {
    /// Lines in force.
    pub lines: usize,
    /// Structures that stand alone.
    pub structures_alone: usize,
    /// Districts and townships in force.
    pub regions: usize,
    /// Lines, structures and regions that were retired.
    pub retired: usize,
    /// The last version of the grid; none before the first import.
    pub grid: Option<Version>,
    /// The last version of the regions.
    pub areas: Option<Version>,
}

/// A version.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    /// Hexadecimal SHA-256 of its content.
    pub version: String,
    /// The change by which it came.
    pub change: u64,
    /// When it came, milliseconds since 1970.
    pub imported_ms: i64,
    /// What the import came to.
    #[schema(value_type = Object)]
    pub report: Value,
}

impl From<ReferenceVersion> for Version {
    fn from(it: ReferenceVersion) -> Self {
        let report = serde_json::from_str(&it.report).unwrap_or_default();
        Self { version: it.version, change: it.change, imported_ms: it.imported_ms, report }
    }
}

/// What is in force.
///
/// # Errors
/// The store's.
pub async fn overview(engine: &Arc<Engine>, district: &District) -> Result<Overview, SyncError> {
    let grid = engine.grid(district).await?;
    let mut reading = engine.store.read().await?;
    let mut versions = Vec::new();
    for kind in [ReferenceKind::Regions, ReferenceKind::Grid] {
        let last = reading.reference_versions(district.key, kind, 1).await?;
        versions.push(last.into_iter().next().map(Version::from));
    }
    Ok(Overview {
        lines: grid.lines.len(),
        structures_alone: grid.structures.len(),
        regions: grid.regions().count(),
        retired: grid.retired.len(),
        grid: versions.pop().flatten(),
        areas: versions.pop().flatten(),
    })
}

/// A line in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineListed {
    /// Its record.
    pub record: String,
    /// Its id where it comes from.
    pub external_id: String,
    /// Its name.
    pub name: Option<String>,
    /// `line`, `minor_line`, `cable`.
    pub kind: &'static str,
    /// Its voltage as given.
    pub voltage: Option<String>,
    /// As it was read, volts.
    pub volts: Vec<u32>,
    /// Its class.
    pub class: Option<VoltageClass>,
    /// What was assumed to read it.
    pub assumptions: Vec<Assumed>,
    /// 产权单位
    pub owner: Option<String>,
    /// 运维单位
    pub operator: Option<String>,
    /// The datum in which it was given.
    pub datum: String,
    /// Its length.
    pub length_mm: u64,
    /// Its longest span.
    pub longest_span_mm: u64,
    /// A span is too long to be one.
    pub is_untraced: bool,
    /// Its structures.
    pub structures: usize,
    /// The last import no longer named it.
    pub is_retired: bool,
    /// The version of the grid by which it became what it is.
    pub version: String,
    /// SHA-256 of its view, which a device's copy must equal.
    pub view_sha256: String,
}

/// A class of voltage, by the rules in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoltageClass {
    /// Its key.
    pub key: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// The protection zone, each side; none where the rules lay none down.
    pub zone_mm: Option<i64>,
}

/// Something that was assumed of a voltage.
#[derive(Debug, Serialize, ToSchema)]
pub struct Assumed {
    /// Its code.
    pub code: String,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

impl LineListed {
    fn of(record: RecordId, view: &LineView, rules: &Rules, now_ms: i64) -> Self {
        let class = view.class.as_deref().and_then(|key| rules.class(key));
        let assumed = |code: &String| {
            let known = Assumption::ALL.iter().find(|known| known.code() == code);
            let (zh, en) = known.map_or(("", ""), |known| (known.zh(), known.en()));
            Assumed { code: code.clone(), zh, en }
        };
        Self {
            record: record.to_string(),
            external_id: view.external_id.clone(),
            name: view.name.clone(),
            kind: view.kind.as_str(),
            voltage: view.voltage.clone(),
            volts: view.volts.clone(),
            class: class.map(|class| VoltageClass {
                key: class.key.clone(),
                zh: class.zh.clone(),
                en: class.en.clone(),
                zone_mm: zone_mm(rules, &class.key, now_ms),
            }),
            assumptions: view.assumptions.iter().map(assumed).collect(),
            owner: view.owner.clone(),
            operator: view.operator.clone(),
            datum: view.datum.clone(),
            length_mm: view.length_mm,
            longest_span_mm: view.longest_span_mm,
            is_untraced: view.is_untraced,
            structures: view.structures.len(),
            is_retired: view.is_retired,
            version: hex::encode(view.version),
            view_sha256: hex::encode(sha256(&view.encode())),
        }
    }
}

/// The protection zone of a class today, each side.
fn zone_mm(rules: &Rules, class: &str, now_ms: i64) -> Option<i64> {
    let day = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(now_ms).ok()?).date();
    rules.zone_dm(class, day).map(|width_dm| i64::from(width_dm) * 100)
}

/// Which lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those in force.
    InForce,
    /// Those that were retired.
    Retired,
}

/// A page of lines, by record.
///
/// # Errors
/// [`Code::CursorInvalid`]; the store's.
pub async fn lines(
    engine: &Arc<Engine>,
    district: &District,
    which: Which,
    limit: u32,
    after: Option<&str>,
) -> Result<Page<LineListed>, SyncError> {
    let after: Option<RecordId> = after.map(read_cursor).transpose()?;
    let grid = engine.grid(district).await?;
    let views = views(&grid, which);
    let begin = after.map_or(0, |after| views.partition_point(|(record, _)| *record <= after));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let rest = views.get(begin..).unwrap_or_default();
    let rules = engine.rules(district).await?;
    let now_ms = engine.clock.now_ms();
    let page = rest.get(..limit).unwrap_or(rest);
    let next = (rest.len() > limit).then(|| page.last().map(|(record, _)| cursor(record))).flatten();
    Ok(Page {
        rows: page.iter().map(|(record, view)| LineListed::of(*record, view, &rules, now_ms)).collect(),
        next,
    })
}

fn views(grid: &Grid, which: Which) -> Vec<(RecordId, &LineView)> {
    match which {
        Which::InForce => grid.lines.iter().map(|row| (row.record, &row.view)).collect(),
        Which::Retired => grid
            .retired
            .iter()
            .filter_map(|(record, reference)| match reference {
                Reference::Line(line) => Some((*record, line)),
                Reference::Structure(_) | Reference::Region(_) => None,
            })
            .collect(),
    }
}

/// A line with its spans.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineDetail {
    /// What a list says of it.
    #[serde(flatten)]
    pub line: LineListed,
    /// Its structures along the line.
    pub at: Vec<StructureAt>,
    /// Its spans along the line.
    pub spans: Vec<SpanListed>,
    /// Its vertices: latitude, longitude, degrees × 1e7.
    pub vertices: Vec<(i64, i64)>,
}

/// A structure of a line.
#[derive(Debug, Serialize, ToSchema)]
pub struct StructureAt {
    /// Its vertex.
    pub vertex: u32,
    /// Its chainage.
    pub chainage_mm: u64,
    /// 杆号
    pub number: Option<String>,
    /// Its id where it comes from.
    pub external_id: Option<String>,
    /// What it is.
    pub kind: String,
}

/// A span of a line.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpanListed {
    /// Counted from 1, as in the placement of a hazard.
    pub span: usize,
    /// The structure at its lower end, counted from 0; none at an end of the line without one.
    pub structure_from: Option<usize>,
    /// The structure at its upper end.
    pub structure_to: Option<usize>,
    /// The chainage of its lower end.
    pub from_mm: i64,
    /// The chainage of its upper end.
    pub to_mm: i64,
    /// Too long to be one span.
    pub is_untraced: bool,
}

/// One line, in force or retired.
///
/// # Errors
/// `not-found`; the store's.
pub async fn line(
    engine: &Arc<Engine>,
    district: &District,
    record: RecordId,
) -> Result<LineDetail, SyncError> {
    let grid = engine.grid(district).await?;
    let retired = || match grid.retired.get(&record) {
        Some(Reference::Line(line)) => Some(line),
        _ => None,
    };
    let view = grid.line(record).map(|row| &row.view).or_else(retired);
    let view = view.ok_or_else(|| SyncError::RefusedFor(Code::NotFound, format!("line {record}")))?;
    let vertices: Vec<usize> =
        view.structures.iter().filter_map(|it| usize::try_from(it.vertex).ok()).collect();
    let spans = match Line::new(view.vertices.clone(), &vertices) {
        Ok(line) => line
            .spans()
            .map(|span| SpanListed {
                span: span.index + 1,
                structure_from: span.structure_from,
                structure_to: span.structure_to,
                from_mm: span.from_mm,
                to_mm: span.to_mm,
                is_untraced: span.is_untraced(),
            })
            .collect(),
        Err(_no_line) => Vec::new(),
    };
    let rules = engine.rules(district).await?;
    Ok(LineDetail {
        line: LineListed::of(record, view, &rules, engine.clock.now_ms()),
        at: view
            .structures
            .iter()
            .map(|it| StructureAt {
                vertex: it.vertex,
                chainage_mm: it.chainage_mm,
                number: it.number.clone(),
                external_id: it.external_id.clone(),
                kind: it.kind.clone(),
            })
            .collect(),
        spans,
        vertices: view.vertices.clone(),
    })
}

/// A district or township in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegionListed {
    /// Its record.
    pub record: String,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// `district` or `township`.
    pub level: &'static str,
    /// The code of the region that it is part of.
    pub parent: Option<String>,
    /// The first day of this version, counted from 1970-01-01.
    pub from_day: Option<i64>,
    /// The first day after it.
    pub until_day: Option<i64>,
}

/// Every district and township in force, by code.
///
/// # Errors
/// The store's.
pub async fn regions(engine: &Arc<Engine>, district: &District) -> Result<Vec<RegionListed>, SyncError> {
    let grid = engine.grid(district).await?;
    let listed = |(record, region): (RecordId, &RegionView)| RegionListed {
        record: record.to_string(),
        code: region.code.clone(),
        name: region.name.clone(),
        level: region.level.as_str(),
        parent: region.parent.clone(),
        from_day: region.from_day,
        until_day: region.until_day,
    };
    Ok(grid.regions().map(listed).collect())
}
