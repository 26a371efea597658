//! Importing lines, structures and regions, and the snapshot of them that everything else goes by.
//!
//! An import is one transaction under the district's counter row: it reads what is held, plans in `grid::plan`, writes
//! the rows that are another than before, and logs the version as an operation. A file that is refused whole changes
//! nothing; an import that changes nothing spends no change number.

pub mod listing;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use sync_protocol::reference::{Reference, RegionLevel};

use super::audit::Entry;
use super::batch::Batch;
use super::news::News;
use super::office::{self, OwnOperation};
use super::{Engine, SyncError};
use crate::domain::District;
use crate::geometry::{Converter, Datum};
use crate::grid::assemble::{self, Assembled, NO_VERSION};
use crate::grid::datum;
use crate::grid::items::{self, Items};
use crate::grid::mapping::Mapping;
use crate::grid::plan::{self, Plan};
use crate::grid::report::{Report, Warning};
use crate::grid::{self, FILE_BYTES, FILES, FileFault, Format, Read, Refusal, own, regions};
use crate::store::{RecordRow, ReferenceKind, ReferenceVersion, StoreError, Transaction, geopackage};

/// Rows of reference data of one kind in a district.
const REFERENCE_ROWS: usize = 400_000;

/// A file to import.
#[derive(Clone, Debug)]
pub struct ImportFile {
    /// What its sender calls it.
    pub name: String,
    /// Where its bytes are.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
}

/// What becomes of what the files do not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// It is retired: the files are all there is.
    #[default]
    Retired,
    /// It stays: the files are a part.
    Kept,
}

/// What to import, and how to read it.
#[derive(Clone, Debug)]
pub struct Import {
    /// The files.
    pub files: Vec<ImportFile>,
    /// The datum of their positions; none: what the file says, else WGS-84.
    pub datum: Option<Datum>,
    /// Which column means what.
    pub mapping: Mapping,
    /// What becomes of what they do not name.
    pub missing: Missing,
    /// Of regions: what those are that do not say it.
    pub level: Option<RegionLevel>,
    /// Whose import it is; nil for an operator.
    pub author: PersonId,
}

/// A file as it was read.
struct ReadFile {
    name: String,
    datum: Converter,
    warnings: Vec<Warning>,
    /// The datum that the file alone says.
    assumed: Option<String>,
    read: Read,
}

/// Imports lines and structures.
///
/// # Errors
/// `import-…` where a file is refused whole; the store's.
pub async fn import_lines(
    engine: &Arc<Engine>,
    district: &District,
    import: Import,
) -> Result<Report, SyncError> {
    let files = read_files(engine, district, &import).await?;
    let mapping = import.mapping.clone();
    let (items, mut report) = blocking(move || read_items(&files, &mapping)).await?;
    if items.lines.is_empty() && items.structures.is_empty() {
        return Err(empty(&report));
    }
    // Putting together takes seconds: writers wait for it only where it needs what is held.
    let (writing, assembled) = match import.missing {
        Missing::Retired => {
            let id = district.id;
            let assembled = blocking(move || {
                let mut items = items;
                own::resolve(&mut items, id);
                assemble::assemble(items)
            });
            let assembled = assembled.await?;
            (Writing::begin(engine, district, ReferenceKind::Grid).await?, assembled)
        }
        Missing::Kept => {
            let writing = Writing::begin(engine, district, ReferenceKind::Grid).await?;
            let held: Vec<Reference> = writing.held.values().map(|(_, held)| held.clone()).collect();
            let id = district.id;
            let assembled = blocking(move || {
                let mut items = items;
                assemble::keep(&mut items, &held);
                own::resolve(&mut items, id);
                assemble::assemble(items)
            });
            (writing, assembled.await?)
        }
    };
    let is_first = writing.held.is_empty();
    let has_line = assembled.items.iter().any(|item| matches!(item, Reference::Line(_)));
    if !has_line && !is_first && import.missing == Missing::Retired {
        return Err(empty(&report));
    }
    describe(&mut report, &assembled);
    writing.write(assembled.items, report, import.author).await
}

/// Imports districts and townships.
///
/// # Errors
/// `import-…` where a file is refused whole; the store's.
pub async fn import_regions(
    engine: &Arc<Engine>,
    district: &District,
    import: Import,
) -> Result<Report, SyncError> {
    let files = read_files(engine, district, &import).await?;
    let (mapping, level, id) = (import.mapping.clone(), import.level, district.id);
    let (mut items, mut report) = blocking(move || {
        let mut report = Report::default();
        let mut items = Vec::new();
        let mut known = BTreeSet::new();
        for file in &files {
            begin(&mut report, file);
            let regions = regions::of(&file.read.features, &mapping, &file.datum, level);
            report.refuse(&file.name, &regions.refused);
            for region in regions.items {
                if known.insert(plan::record_of(id, &region)) {
                    items.push(region);
                } else {
                    report.refuse(&file.name, &[again(&region)]);
                }
            }
        }
        (items, report)
    })
    .await?;
    if items.is_empty() {
        return Err(empty(&report));
    }
    let writing = Writing::begin(engine, district, ReferenceKind::Regions).await?;
    if import.missing == Missing::Kept {
        let named: BTreeSet<RecordId> = items.iter().map(|item| plan::record_of(district.id, item)).collect();
        let held =
            writing.held.iter().filter(|(record, (_, it))| !it.is_retired() && !named.contains(record));
        items.extend(held.map(|(_, (_, reference))| reference.clone().standing(false, NO_VERSION)));
    }
    report.warnings.sort_by(|one, other| one.code.cmp(&other.code));
    writing.write(items, report, import.author).await
}

/// A region that an earlier file gave.
fn again(region: &Reference) -> Refusal {
    let at = match region {
        Reference::Region(region) => region.code.clone(),
        Reference::Line(line) => line.external_id.clone(),
        Reference::Structure(structure) => structure.external_id.clone(),
    };
    Refusal { row: 0, code: Code::ImportIdReused, at }
}

/// Runs what takes long on a thread for that.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SyncError> {
    tokio::task::spawn_blocking(work).await.map_err(|_source| SyncError::Gone)
}

fn refused(file: &str, fault: &FileFault) -> SyncError {
    SyncError::RefusedFor(fault.code(), format!("{file}: {fault}"))
}

/// Nothing in the files can be imported: the first reasons say why.
fn empty(report: &Report) -> SyncError {
    let looks = report.warnings.iter().map(|warning| format!("{} {}", warning.zh, warning.en));
    let rows = report.refused_rows.iter().take(3);
    let rows = rows.map(|row| {
        let at = if row.at.is_empty() { String::new() } else { format!(": {}", row.at) };
        format!("第 {} 行：{} (row {}, {}: {}){at}", row.row, row.zh, row.row, row.code, row.en)
    });
    // A table whose columns nobody knows has no geometry in any row.
    let has_geometry = report.refused_rows.iter().any(|row| row.code != Code::ImportGeometry.as_str());
    let hint = (!has_geometry && report.refused > 0).then(|| {
        "列名不认识时用 map 指明，如 x=东经,y=北纬 (where columns are not known by their names, map says which is which)"
            .to_owned()
    });
    SyncError::RefusedFor(Code::ImportEmpty, looks.chain(rows).chain(hint).collect::<Vec<_>>().join("; "))
}

async fn read_files(
    engine: &Arc<Engine>,
    district: &District,
    import: &Import,
) -> Result<Vec<ReadFile>, SyncError> {
    if import.files.is_empty() || import.files.len() > FILES {
        return Err(SyncError::RefusedFor(Code::BadParameter, format!("1 to {FILES} files")));
    }
    let grid = engine.grid(district).await?;
    let expected = grid.bounds();
    let mut files = Vec::with_capacity(import.files.len());
    for file in &import.files {
        let of_file = |fault: FileFault| refused(&file.name, &fault);
        let read = read_file(&file.path, file.format, &import.mapping).await.map_err(of_file)?;
        let chosen = datum::choose(import.datum, read.system.as_deref(), read.own_datum.as_deref());
        let datum::Chosen { converter: datum, warning: differs, assumed } = chosen.map_err(of_file)?;
        let (name, grid) = (file.name.clone(), Arc::clone(&grid));
        let looked_at = move || {
            let looks = datum::warnings(datum.datum(), &read.features, expected, grid.index());
            let warnings = differs.into_iter().chain(looks).collect();
            ReadFile { name, datum, warnings, assumed, read }
        };
        files.push(blocking(looked_at).await?);
    }
    Ok(files)
}

async fn read_file(path: &Path, format: Format, mapping: &Mapping) -> Result<Read, FileFault> {
    let gone = |error: std::io::Error| FileFault::Unreadable(error.to_string());
    let length = tokio::fs::metadata(path).await.map_err(gone)?.len();
    if usize::try_from(length).is_ok_and(|length| length > FILE_BYTES) {
        return Err(FileFault::TooLarge);
    }
    if format == Format::GeoPackage {
        return geopackage::read(path).await;
    }
    let bytes = tokio::fs::read(path).await.map_err(gone)?;
    let mapping = mapping.clone();
    let reading = tokio::task::spawn_blocking(move || grid::read(&bytes, format, &mapping));
    reading.await.unwrap_or_else(|error| Err(FileFault::Unreadable(error.to_string())))
}

fn begin(report: &mut Report, file: &ReadFile) {
    report.read += file.read.rows;
    report.refuse(&file.name, &file.read.refused);
    let is_gb18030 = u64::from(file.read.is_gb18030);
    report.warnings.extend(file.warnings.iter().cloned());
    if let Some(datum) = &file.assumed {
        report.datum_of_file(datum, file.read.rows);
    }
    report.warn("gb18030", "文件按 GB 18030 编码读取", "the file was read as GB 18030", is_gb18030);
}

fn read_items(files: &[ReadFile], mapping: &Mapping) -> (Items, Report) {
    let mut report = Report::default();
    let mut all = Items::default();
    for file in files {
        begin(&mut report, file);
        let items = items::of(&file.read.features, mapping, &file.datum);
        report.refuse(&file.name, &items.refused);
        for (what, count) in items.passed_over {
            *report.passed_over.entry(what).or_default() += count;
        }
        all.in_parts += items.in_parts;
        all.lines.extend(items.lines);
        all.structures.extend(items.structures);
    }
    report.warn(
        "in-parts",
        "线路由不相连的几段组成，已分为多条",
        "lines came in parts that do not join, and became lines of their own",
        all.in_parts,
    );
    (all, report)
}

fn describe(report: &mut Report, assembled: &Assembled) {
    report.refuse("", &assembled.refused);
    report.warn(
        "untraced",
        "档距过长，线路可能未按杆塔绘制",
        "a span is too long to be one: structures between are missing",
        assembled.untraced,
    );
    report.warn(
        "beside-line",
        "杆塔所属线路不在其附近",
        "structures stand far from the line that they name",
        assembled.beside_their_line,
    );
    report.warn(
        "same-place",
        "杆塔与同一线路的另一杆塔位置相同，未计入线路",
        "structures stand where another of the line does, and are on no line",
        assembled.at_taken_place,
    );
}

/// An import that holds the counter row.
struct Writing<'e> {
    engine: &'e Arc<Engine>,
    district: &'e District,
    kind: ReferenceKind,
    transaction: Transaction,
    held: BTreeMap<RecordId, (RecordRow, Reference)>,
}

impl<'e> Writing<'e> {
    async fn begin(
        engine: &'e Arc<Engine>,
        district: &'e District,
        kind: ReferenceKind,
    ) -> Result<Self, SyncError> {
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(district.key, 0).await?;
        let mut held = BTreeMap::new();
        for row in transaction.reference_rows(district.key, kind).await? {
            let reference = Reference::decode(&row.view).ok_or(StoreError::Damaged("reference view"))?;
            held.insert(row.record, (row, reference));
        }
        Ok(Self { engine, district, kind, transaction, held })
    }

    async fn write(
        mut self,
        items: Vec<Reference>,
        mut report: Report,
        author: PersonId,
    ) -> Result<Report, SyncError> {
        report.count(&items);
        let held = self.held.iter().map(|(record, (_, reference))| (*record, reference.clone())).collect();
        let district = self.district.id;
        let mut plan = blocking(move || plan::plan(district, &held, items)).await?;
        if self.held.len() + usize::try_from(plan.added).unwrap_or(usize::MAX) > REFERENCE_ROWS {
            return Err(SyncError::RefusedFor(Code::ImportTooLarge, format!("more than {REFERENCE_ROWS}")));
        }
        self.leave_out_taken(&mut plan, &mut report).await?;
        report.planned(&plan);
        if report.has_changed {
            let news = self.apply(&plan, &report, author).await?;
            self.transaction.commit().await?;
            news.tell(self.engine);
        }
        Ok(report)
    }

    /// A phone may have opened a record of the id that a line would get: what somebody recorded is not written over.
    async fn leave_out_taken(&mut self, plan: &mut Plan, report: &mut Report) -> Result<(), SyncError> {
        let new: Vec<RecordId> = plan.rows.iter().map(|(record, _)| *record).collect();
        let new: Vec<RecordId> = new.into_iter().filter(|record| !self.held.contains_key(record)).collect();
        let taken = self.transaction.records(self.district.key, &new).await?;
        for record in taken.keys() {
            plan.rows.retain(|(known, _)| known != record);
            plan.added = plan.added.saturating_sub(1);
            report.refuse("", &[Refusal { row: 0, code: Code::ImportIdReused, at: record.to_string() }]);
        }
        Ok(())
    }

    async fn apply(&mut self, plan: &Plan, report: &Report, author: PersonId) -> Result<News, SyncError> {
        let key = self.district.key;
        let now_ms = self.engine.clock.now_ms();
        let count = u64::try_from(plan.rows.len()).unwrap_or(u64::MAX);
        let counter = self.transaction.take_counter(key, count).await?;
        let mut change = counter.before;
        let mut rows = Vec::with_capacity(plan.rows.len());
        for (record, reference) in &plan.rows {
            change += 1;
            let view = reference.encode();
            rows.push(match self.held.get(record) {
                Some((row, _)) => RecordRow { change, view: view.into(), ..row.clone() },
                None => RecordRow::reference(*record, self.kind, change, now_ms, view),
            });
        }
        self.transaction.upsert_records(key, &rows).await?;
        let version = ReferenceVersion {
            change: counter.last,
            version: report.version.clone(),
            imported_ms: now_ms,
            report: serde_json::to_string(report).unwrap_or_default(),
        };
        self.transaction.insert_reference_version(key, self.kind, &version).await?;
        let fields =
            Fields::from([("version", Raw::of(&report.version)), ("source", Raw::of(&self.kind.as_str()))]);
        let draft = OwnOperation {
            kind: Kind::GridVersion,
            record: plan::named_record(self.district.id, "versions", self.kind.as_str()),
            fields: &fields,
            photos: &[],
            author,
        };
        let transaction = &mut self.transaction;
        let news = News::default();
        let mut batch = Batch { engine: self.engine, district: self.district, transaction, now_ms, news };
        office::write_own(&mut batch, &draft, None).await?;
        let news = batch.news;
        let detail = serde_json::json!({ "version": report.version, "rows": plan.rows.len() });
        let entry = Entry::of(author, "grid.import", self.kind.as_str(), detail);
        self.engine.audit(&mut self.transaction, self.district, entry).await?;
        Ok(news)
    }
}
