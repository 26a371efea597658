//! Work reports: drafts, and issued ones that are frozen.
//!
//! A report waits until what is derived has reached the ledger's last change. An issued one takes the district's counter
//! row, so that nothing is written between its cut-off and its figures and its number has no gap; its bytes are kept in
//! every form. What arrives later for its days is listed beside it (报告后补传), never in it. Figures and words are in
//! `report`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use sync_protocol::codes::Code;
use sync_protocol::fold;
use sync_protocol::ids::{PersonId, RecordId, sha256};
use utoipa::ToSchema;

use super::audit::Entry;
use super::batch::Batch;
use super::listing::devices::DeviceFilter;
use super::listing::facts::{self, Fact};
use super::listing::{Calendar, Page, cursor, read_cursor};
use super::office::SERVER_AUTHOR;
use super::{Engine, SyncError, derive};
use crate::domain::District;
use crate::report::claim::{Limits, Standing};
use crate::report::document::{Frame, Late, Report, Source};
use crate::report::period::{Period, PeriodError, day_of};
use crate::report::render::{Format, RenderError, render};
use crate::report::rows::Rows;
use crate::store::{RedactedFile, ReportRow, StoreError, Transaction};

/// How often an issue waits for what is derived before it gives way: to an import, after which everything is derived anew.
const ATTEMPTS: u32 = 8;
/// Issued reports that a new one looks back at for what came late.
const LATE_REPORTS: u32 = 12;
/// A device of a running period is silent after so long.
const SILENT_MS: i64 = 24 * 3_600_000;

impl From<RenderError> for SyncError {
    fn from(error: RenderError) -> Self {
        tracing::error!(error = %error, "a report could not be rendered: {error}");
        Self::Refused(Code::Internal)
    }
}

impl From<PeriodError> for SyncError {
    fn from(error: PeriodError) -> Self {
        Self::RefusedFor(Code::BadParameter, error.to_string())
    }
}

/// What is derived is brought up to the ledger's last change.
async fn followed(engine: &Arc<Engine>, district: &District) -> Result<(), SyncError> {
    engine.follow_until_current(district).await
}

/// A draft: counted now, kept nowhere.
///
/// # Errors
/// The store's.
pub async fn draft(engine: &Arc<Engine>, district: &District, period: Period) -> Result<Report, SyncError> {
    followed(engine, district).await?;
    let mut transaction = engine.store.read().await?;
    let through = transaction.derivation(district.key).await?.through;
    let source = gather(engine, &mut transaction, district, period, through).await?;
    drop(transaction);
    Ok(Report::of(source))
}

/// An issued report as the office lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Issued {
    /// `code-year-ordinal`.
    pub number: String,
    /// Its first day.
    #[schema(value_type = Option<String>, format = Date)]
    pub from: Option<Date>,
    /// Its last day.
    #[schema(value_type = Option<String>, format = Date)]
    pub to: Option<Date>,
    /// The last change that it counts.
    pub cut_off_change: u64,
    /// When it was issued.
    pub issued_ms: i64,
    /// By whom; none: by the command line.
    pub issued_by: Option<String>,
    /// 报告后补传: how many records came for its days since.
    pub late: usize,
    /// Files in which a redaction blanked a text since; none: they are as they were issued.
    pub redacted: Vec<Redacted>,
}

/// A file of an issued report in which a redaction blanked a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RedactedReportFile)]
pub struct Redacted {
    /// Its form.
    pub format: String,
    /// SHA-256 of it now.
    pub sha256: String,
    /// SHA-256 of it as it was issued: who has it on paper or disk can prove that it was that one.
    pub original_sha256: String,
    /// When it was blanked last.
    pub at_ms: i64,
}

impl Issued {
    fn of(row: &ReportRow, late: usize, redacted: Vec<RedactedFile>) -> Self {
        let redacted = redacted.into_iter().map(|file| Redacted {
            format: file.format,
            sha256: hex::encode(file.sha256),
            original_sha256: hex::encode(file.original_sha256),
            at_ms: file.redacted_ms,
        });
        Self {
            redacted: redacted.collect(),
            number: row.number.clone(),
            from: day_of(row.days.0),
            to: day_of(row.days.1),
            cut_off_change: row.cut_off_change,
            issued_ms: row.issued_ms,
            issued_by: row.issued_by.map(|person| person.to_string()),
            late,
        }
    }
}

/// Issues a report: numbered, frozen, kept. Where nothing changed since the last one of the same days, that one.
///
/// # Errors
/// [`Code::TooManyRequests`] where the ledger changes faster than it can be followed; the store's.
pub async fn issue(
    engine: &Arc<Engine>,
    district: &District,
    period: Period,
    by: Option<PersonId>,
) -> Result<Issued, SyncError> {
    for _ in 0..ATTEMPTS {
        followed(engine, district).await?;
        let mut transaction = engine.store.begin().await?;
        let counter = transaction.take_counter(district.key, 0).await?;
        // While others write there is always something left: what is left is derived while they wait.
        if !derive::catch_up(engine, district, &mut transaction).await? {
            transaction.rollback().await?;
            continue;
        }
        if let Some(known) = transaction.report_of_days(district.key, period.numbers()).await?
            && known.cut_off_change == counter.last
        {
            let redacted = transaction.redacted_files(district.key, &known.number).await?;
            return Ok(Issued::of(&known, 0, redacted));
        }
        let row = freeze(engine, &mut transaction, district, period, counter.last, by).await?;
        transaction.commit().await?;
        return Ok(Issued::of(&row, 0, Vec::new()));
    }
    Err(SyncError::Refused(Code::TooManyRequests))
}

/// Counts under the counter row, and keeps what was counted.
async fn freeze(
    engine: &Arc<Engine>,
    transaction: &mut Transaction,
    district: &District,
    period: Period,
    cut_off_change: u64,
    by: Option<PersonId>,
) -> Result<ReportRow, SyncError> {
    let mut source = gather(engine, transaction, district, period, cut_off_change).await?;
    let issued_ms = source.frame.cut_off_ms;
    let year = i64::from(local(district, issued_ms)?.year());
    let ordinal = transaction.last_report(district.key, year).await? + 1;
    let number = format!("{}-{year}-{ordinal:03}", district.code);
    source.frame.number = Some(number.clone());
    let report = Report::of(source);
    let days = period.numbers();
    let row = ReportRow { year, ordinal, number, days, cut_off_change, issued_ms, issued_by: by };
    let records = transaction.report_records(district.key, days).await?;
    transaction.add_report(district.key, &row, &records).await?;
    for format in Format::ALL {
        let bytes = render(&report, format)?;
        transaction.add_report_file(district.key, &row.number, format.as_str(), &bytes).await?;
    }
    let detail =
        serde_json::json!({ "from": period.from, "to": period.to, "cut_off_change": cut_off_change });
    let by = by.unwrap_or(SERVER_AUTHOR);
    engine.audit(transaction, district, Entry::of(by, "report.issue", row.number.clone(), detail)).await?;
    Ok(row)
}

fn zone(district: &District) -> TimeZone {
    TimeZone::get(&district.time_zone).unwrap_or(TimeZone::UTC)
}

fn local(district: &District, at_ms: i64) -> Result<Date, SyncError> {
    let at = Timestamp::from_millisecond(at_ms).map_err(|_source| StoreError::Damaged("time"))?;
    Ok(at.to_zoned_datetime(zone(district)).date())
}

/// The moment at which a local day begins.
fn midnight_ms(district: &District, day: Date) -> Result<i64, SyncError> {
    let midnight = day.to_zoned_datetime(zone(district)).map_err(|_source| PeriodError::OutOfCalendar)?;
    Ok(midnight.timestamp().as_millisecond())
}

/// The district's today.
///
/// # Errors
/// Where the clock cannot be right.
pub fn today(engine: &Engine, district: &District) -> Result<Date, SyncError> {
    local(district, engine.clock.now_ms())
}

/// Reads everything that a report is made from.
async fn gather(
    engine: &Arc<Engine>,
    transaction: &mut Transaction,
    district: &District,
    period: Period,
    cut_off_change: u64,
) -> Result<Source, SyncError> {
    let now_ms = engine.clock.now_ms();
    let before = period.before()?;
    let rows = transaction.report_rows(district.key, period.numbers()).await?;
    let rows_before = transaction.report_rows(district.key, before.numbers()).await?;
    let next_day = period.to.tomorrow().map_err(|_source| PeriodError::OutOfCalendar)?;
    let ended_ms = midnight_ms(district, next_day)?;
    let limits = Limits {
        quarantined_since_ms: midnight_ms(district, period.from)?,
        heard_since_ms: if ended_ms <= now_ms { ended_ms } else { now_ms - SILENT_MS },
    };
    let standing = standing(engine, transaction, district, limits).await?;
    let lines = lines_of(&rows);
    Ok(Source {
        frame: Frame {
            district: district.name.clone(),
            code: district.code.clone(),
            number: None,
            period,
            before,
            time_zone: district.time_zone.clone(),
            cut_off_change,
            cut_off_ms: now_ms,
            cut_off: Calendar::of(district).minute(now_ms),
        },
        line_names: facts::line_names(transaction, district.key, lines).await?,
        rows,
        before: rows_before,
        standing,
        limits,
        late: late_notes(transaction, district).await?,
    })
}

fn lines_of(rows: &Rows) -> BTreeSet<uuid::Uuid> {
    let of_hazards = rows.hazards.iter().filter_map(|hazards| hazards.line);
    of_hazards.chain(rows.stretches.iter().map(|stretch| stretch.line)).collect()
}

/// What stands against the claim beside the hazards themselves.
async fn standing(
    engine: &Arc<Engine>,
    transaction: &mut Transaction,
    district: &District,
    limits: Limits,
) -> Result<Standing, StoreError> {
    let own = engine.own_device(district);
    let ids = transaction.device_ids(district.key).await?;
    let devices = transaction.devices(district.key, &ids).await?;
    let count = |filter: DeviceFilter| {
        let taken = devices.values().filter(|row| row.device.id != own && filter.takes(row)).count();
        i64::try_from(taken).unwrap_or(i64::MAX)
    };
    Ok(Standing {
        quarantined: transaction.quarantine_waiting_since(district.key, limits.quarantined_since_ms).await?,
        devices_unsent: count(DeviceFilter { unsent: true, silent_before_ms: None }),
        devices_silent: count(DeviceFilter { unsent: false, silent_before_ms: Some(limits.heard_since_ms) }),
        ..Standing::default()
    })
}

/// Records of an issued report's days that it does not count, or of which it does not count all (a patrol whose pieces
/// came late), ascending.
async fn late_records(
    transaction: &mut Transaction,
    district: &District,
    report: &ReportRow,
) -> Result<Vec<RecordId>, StoreError> {
    let mut records = transaction.report_records(district.key, report.days).await?;
    let counted = transaction.records_of_report(district.key, &report.number).await?;
    let changed = transaction.deeds_changed(district.key, report.days, report.cut_off_change).await?;
    records.retain(|record| counted.binary_search(record).is_err() || changed.contains(record));
    Ok(records)
}

/// What came late for the last issued reports, each set of days by its newest report.
async fn late_notes(transaction: &mut Transaction, district: &District) -> Result<Vec<Late>, StoreError> {
    let mut seen = BTreeSet::new();
    let mut notes = Vec::new();
    for report in transaction.reports(district.key, NEWEST, LATE_REPORTS).await? {
        if seen.insert(report.days) {
            let late = late_records(transaction, district, &report).await?;
            if !late.is_empty() {
                let count = i64::try_from(late.len()).unwrap_or(i64::MAX);
                notes.push(Late { number: report.number, count });
            }
        }
    }
    Ok(notes)
}

/// Before this lies every report.
const NEWEST: (i64, i64) = (i64::MAX, i64::MAX);

/// A page of issued reports, newest first.
///
/// # Errors
/// The cursor's, the store's.
pub async fn list(
    engine: &Arc<Engine>,
    district: &District,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Issued>, SyncError> {
    followed(engine, district).await?;
    let before = from.map(read_cursor).transpose()?.unwrap_or(NEWEST);
    let mut transaction = engine.store.read().await?;
    let mut reports = transaction.reports(district.key, before, limit.saturating_add(1)).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = reports.len() > wanted;
    reports.truncate(wanted);
    let next = reports.last().filter(|_| has_more).map(|last| cursor(&(last.year, last.ordinal)));
    let mut rows = Vec::with_capacity(reports.len());
    for report in reports {
        let late = late_records(&mut transaction, district, &report).await?.len();
        let redacted = transaction.redacted_files(district.key, &report.number).await?;
        rows.push(Issued::of(&report, late, redacted));
    }
    Ok(Page { rows, next })
}

fn unknown(number: &str) -> SyncError {
    SyncError::RefusedFor(Code::NotFound, format!("report {number}"))
}

/// Issued reports that are looked through at a time.
const LOOKED_THROUGH: u32 = 100;

/// Blanks a text that an operation on a record said, in every issued report that counts the record and repeats the text:
/// its forms are made anew, and the hashes of what they were stay. Figures do not change.
pub(super) async fn blank(
    batch: &mut Batch<'_>,
    (record, field, text): (RecordId, &str, &str),
    author: PersonId,
) -> Result<(), SyncError> {
    let key = batch.district.key;
    let mut before = NEWEST;
    loop {
        let reports = batch.transaction.reports(key, before, LOOKED_THROUGH).await?;
        let Some(last) = reports.last() else { return Ok(()) };
        before = (last.year, last.ordinal);
        for report in &reports {
            let counted = batch.transaction.records_of_report(key, &report.number).await?;
            if counted.binary_search(&record).is_ok() {
                blank_one(batch, &report.number, (field, text), author).await?;
            }
        }
    }
}

async fn blank_one(
    batch: &mut Batch<'_>,
    number: &str,
    (field, text): (&str, &str),
    author: PersonId,
) -> Result<(), SyncError> {
    let (key, now_ms) = (batch.district.key, batch.now_ms);
    let json = batch.transaction.report_file(key, number, Format::Json.as_str()).await?;
    let json = json.ok_or(StoreError::Damaged("a report without its JSON"))?;
    let report: Result<Report, _> = serde_json::from_slice(&json);
    let mut report = report.map_err(|_source| StoreError::Damaged("the JSON of a report"))?;
    if !report.blank(field, text, fold::BLANK) {
        return Ok(());
    }
    let mut originals = BTreeMap::new();
    for format in Format::ALL {
        let kept = batch.transaction.report_file(key, number, format.as_str()).await?.unwrap_or_default();
        let (bytes, original) = (render(&report, format)?, sha256(&kept));
        let file = (number, format.as_str());
        batch.transaction.redact_report_file(key, file, &bytes, (original, now_ms)).await?;
        originals.insert(format.as_str(), hex::encode(original));
    }
    let detail = serde_json::json!({ "field": field, "sha256_before": originals });
    let entry = Entry::of(author, "report.redact", number, detail);
    batch.engine.audit(batch.transaction, batch.district, entry).await
}

/// The bytes of an issued report, as they were when it was issued, but for texts that were redacted since.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn file(
    engine: &Engine,
    district: &District,
    number: &str,
    format: Format,
) -> Result<Vec<u8>, SyncError> {
    let mut transaction = engine.store.read().await?;
    let file = transaction.report_file(district.key, number, format.as_str()).await?;
    file.ok_or_else(|| unknown(number))
}

/// 报告后补传 of an issued report: a page of the records that came for its days since, by id, and how many there are.
///
/// # Errors
/// [`Code::NotFound`], the cursor's, the store's.
pub async fn late(
    engine: &Arc<Engine>,
    district: &District,
    number: &str,
    from: Option<&str>,
    limit: u32,
) -> Result<(usize, Page<Fact>), SyncError> {
    followed(engine, district).await?;
    let after: Option<RecordId> = from.map(read_cursor).transpose()?;
    let mut transaction = engine.store.read().await?;
    let report = transaction.report(district.key, number).await?.ok_or_else(|| unknown(number))?;
    let mut records = late_records(&mut transaction, district, &report).await?;
    let count = records.len();
    records.retain(|record| after.is_none_or(|after| *record > after));
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = records.len() > wanted;
    records.truncate(wanted);
    let next = records.last().filter(|_| has_more).map(cursor);
    let found = transaction.facts_of(district.key, &records).await?;
    let rows = facts::told(&mut transaction, district.key, found).await?;
    Ok((count, Page { rows, next }))
}
