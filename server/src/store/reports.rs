//! Issued reports: their numbers, the records they count, the bytes of their forms.

use sync_protocol::ids::{PersonId, RecordId, sha256};
use uuid::Uuid;

use super::{NumberGap, StoreError, Transaction, execute, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::DistrictKey;

/// An issued report without its records and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// The local year in which it was issued.
    pub year: i64,
    /// Its number within the year, from 1.
    pub ordinal: i64,
    /// `code-year-ordinal`.
    pub number: String,
    /// Its first and last day, counted from 1970-01-01.
    pub days: (i64, i64),
    /// The last change that it counts.
    pub cut_off_change: u64,
    /// When it was issued.
    pub issued_ms: i64,
    /// By whom; none: by the command line.
    pub issued_by: Option<PersonId>,
}

type ReportTuple = (i64, i64, String, i64, i64, i64, i64, Option<Uuid>);

const SELECT_LAST: &str = "SELECT CAST(coalesce(max(number), 0) AS BIGINT) FROM ( \
     SELECT ordinal AS number FROM reports WHERE district = $1 AND year = $2 \
     UNION ALL SELECT last_ordinal FROM report_gaps WHERE district = $1 AND year = $2) AS numbers";
const SELECT_COUNTS: &str =
    "SELECT year, count(*), max(ordinal) FROM reports WHERE district = $1 GROUP BY year ORDER BY year";
const INSERT_GAP: &str = "INSERT INTO report_gaps (district, year, first_ordinal, last_ordinal, reason, at_ms) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const SELECT_GAPS: &str = "SELECT year, first_ordinal, last_ordinal, reason, at_ms FROM report_gaps \
     WHERE district = $1 ORDER BY year, first_ordinal";
const INSERT_REPORT: &str = "INSERT INTO reports (district, year, ordinal, number, from_day, to_day, cut_off_change, \
     issued_ms, issued_by, records) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const INSERT_FILE: &str =
    "INSERT INTO report_files (district, number, format, bytes) VALUES ($1, $2, $3, $4)";
const SELECT_REPORT: &str = "SELECT year, ordinal, number, from_day, to_day, cut_off_change, issued_ms, issued_by \
     FROM reports WHERE district = $1 AND number = $2";
const SELECT_OF_DAYS: &str = "SELECT year, ordinal, number, from_day, to_day, cut_off_change, issued_ms, issued_by \
     FROM reports WHERE district = $1 AND from_day = $2 AND to_day = $3 ORDER BY year DESC, ordinal DESC LIMIT 1";
const SELECT_REPORTS: &str = "SELECT year, ordinal, number, from_day, to_day, cut_off_change, issued_ms, issued_by \
     FROM reports WHERE district = $1 AND (year, ordinal) < ($2, $3) ORDER BY year DESC, ordinal DESC LIMIT $4 + 0";
const SELECT_REPORT_RECORDS: &str = "SELECT records FROM reports WHERE district = $1 AND number = $2";
const SELECT_FILE: &str =
    "SELECT bytes FROM report_files WHERE district = $1 AND number = $2 AND format = $3";

const UPDATE_FILE: &str = "UPDATE report_files SET bytes = $4, sha256 = $5, redacted_ms = $6, \
     original_sha256 = coalesce(original_sha256, $7) WHERE district = $1 AND number = $2 AND format = $3";
const SELECT_REDACTED: &str = "SELECT format, sha256, original_sha256, redacted_ms FROM report_files \
     WHERE district = $1 AND number = $2 AND redacted_ms IS NOT NULL ORDER BY format";

/// A file of an issued report in which a text was blanked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactedFile {
    /// Its form.
    pub format: String,
    /// SHA-256 of it now.
    pub sha256: Vec<u8>,
    /// SHA-256 of it as it was issued.
    pub original_sha256: Vec<u8>,
    /// When it was blanked last.
    pub redacted_ms: i64,
}

/// Bytes of one id.
const ID_BYTES: usize = 16;

fn report_row(row: ReportTuple) -> ReportRow {
    let (year, ordinal, number, from_day, to_day, cut_off_change, issued_ms, issued_by) = row;
    ReportRow {
        year,
        ordinal,
        number,
        days: (from_day, to_day),
        cut_off_change: unsigned(cut_off_change),
        issued_ms,
        issued_by: issued_by.map(PersonId),
    }
}

impl Transaction {
    /// Leaves numbers out.
    pub async fn add_report_gap(&mut self, district: DistrictKey, gap: &NumberGap) -> Result<(), StoreError> {
        let reason = gap.reason.as_str();
        execute!(self, INSERT_GAP, district.0, gap.year, gap.first, gap.last, reason, gap.at_ms);
        Ok(())
    }

    /// Every number that was left out.
    pub async fn report_gaps(&mut self, district: DistrictKey) -> Result<Vec<NumberGap>, StoreError> {
        let rows = fetch_all!(self, (i64, i64, i64, String, i64), SELECT_GAPS, district.0);
        let gap = |(year, first, last, reason, at_ms)| NumberGap { year, first, last, reason, at_ms };
        Ok(rows.into_iter().map(gap).collect())
    }

    /// How many reports each year has, and their highest number.
    pub async fn report_counts(&mut self, district: DistrictKey) -> Result<Vec<(i64, i64, i64)>, StoreError> {
        Ok(fetch_all!(self, (i64, i64, i64), SELECT_COUNTS, district.0))
    }

    /// The last number given or left out in a year; 0 where none was.
    pub async fn last_report(&mut self, district: DistrictKey, year: i64) -> Result<i64, StoreError> {
        Ok(fetch_optional!(self, (i64,), SELECT_LAST, district.0, year).map_or(0, |(last,)| last))
    }

    /// Keeps an issued report with the records that it counts.
    pub async fn add_report(
        &mut self,
        district: DistrictKey,
        report: &ReportRow,
        records: &[RecordId],
    ) -> Result<(), StoreError> {
        let records: Vec<u8> = records.iter().flat_map(|record| record.0.into_bytes()).collect();
        execute!(
            self,
            INSERT_REPORT,
            district.0,
            report.year,
            report.ordinal,
            report.number.as_str(),
            report.days.0,
            report.days.1,
            signed(report.cut_off_change),
            report.issued_ms,
            report.issued_by.map(|person| person.0),
            records.as_slice()
        );
        Ok(())
    }

    /// Keeps a form of an issued report.
    pub async fn add_report_file(
        &mut self,
        district: DistrictKey,
        number: &str,
        format: &str,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        execute!(self, INSERT_FILE, district.0, number, format, bytes);
        Ok(())
    }

    /// Puts a form of an issued report in the place of the one that holds a redacted text. Of the first, as it was issued,
    /// the hash stays.
    pub async fn redact_report_file(
        &mut self,
        district: DistrictKey,
        (number, format): (&str, &str),
        bytes: &[u8],
        (original_sha256, now_ms): ([u8; 32], i64),
    ) -> Result<(), StoreError> {
        let (own, original) = (sha256(bytes).to_vec(), original_sha256.to_vec());
        execute!(self, UPDATE_FILE, district.0, number, format, bytes, own, now_ms, original);
        Ok(())
    }

    /// Files of an issued report in which something was blanked.
    pub async fn redacted_files(
        &mut self,
        district: DistrictKey,
        number: &str,
    ) -> Result<Vec<RedactedFile>, StoreError> {
        type Row = (String, Vec<u8>, Vec<u8>, i64);
        let rows = fetch_all!(self, Row, SELECT_REDACTED, district.0, number);
        let file = |(format, sha256, original_sha256, redacted_ms): Row| RedactedFile {
            format,
            sha256,
            original_sha256,
            redacted_ms,
        };
        Ok(rows.into_iter().map(file).collect())
    }

    /// An issued report.
    pub async fn report(
        &mut self,
        district: DistrictKey,
        number: &str,
    ) -> Result<Option<ReportRow>, StoreError> {
        Ok(fetch_optional!(self, ReportTuple, SELECT_REPORT, district.0, number).map(report_row))
    }

    /// The last report of exactly these days.
    pub async fn report_of_days(
        &mut self,
        district: DistrictKey,
        (from_day, to_day): (i64, i64),
    ) -> Result<Option<ReportRow>, StoreError> {
        let row = fetch_optional!(self, ReportTuple, SELECT_OF_DAYS, district.0, from_day, to_day);
        Ok(row.map(report_row))
    }

    /// Issued reports before this year and ordinal, newest first.
    pub async fn reports(
        &mut self,
        district: DistrictKey,
        before: (i64, i64),
        limit: u32,
    ) -> Result<Vec<ReportRow>, StoreError> {
        let limit = i64::from(limit);
        let rows = fetch_all!(self, ReportTuple, SELECT_REPORTS, district.0, before.0, before.1, limit);
        Ok(rows.into_iter().map(report_row).collect())
    }

    /// The records that an issued report counts, ascending.
    pub async fn records_of_report(
        &mut self,
        district: DistrictKey,
        number: &str,
    ) -> Result<Vec<RecordId>, StoreError> {
        let row = fetch_optional!(self, (Vec<u8>,), SELECT_REPORT_RECORDS, district.0, number);
        let bytes = row.map(|(bytes,)| bytes).unwrap_or_default();
        let (ids, rest) = bytes.as_chunks::<ID_BYTES>();
        if !rest.is_empty() {
            return Err(StoreError::Damaged("records of a report"));
        }
        Ok(ids.iter().map(|id| RecordId(Uuid::from_bytes(*id))).collect())
    }

    /// The bytes of a form of an issued report.
    pub async fn report_file(
        &mut self,
        district: DistrictKey,
        number: &str,
        format: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let row = fetch_optional!(self, (Vec<u8>,), SELECT_FILE, district.0, number, format);
        Ok(row.map(|(bytes,)| bytes))
    }
}
