//! CSV: UTF-8 with a byte order mark, so that a spreadsheet reads Chinese; the geometry as well-known text.
//!
//! A text that a spreadsheet would compute is written behind an apostrophe. What the file is of stands in three columns of
//! every row: a table has no other place that travels with it through every program.

use std::io::{BufWriter, Write};

use geo::Geometry;

use super::{FeatureWriter, Headings, Outline, Output, WriteError, text};
use crate::layers::{Column, Feature, Value};

/// What makes a spreadsheet take the rest of a cell for a formula.
const STARTS: &[char] = &['=', '+', '-', '@', '\t', '\r'];

/// A table.
pub(super) struct Csv {
    outline: Outline,
    out: ::csv::Writer<BufWriter<Box<dyn Output>>>,
    /// The last cells of every row.
    about: [String; 3],
}

/// Headings of what stands around the columns: before them the id and the geometry, behind them what the file is of.
const AROUND: [(&str, &str); 5] = [
    ("序号", "id"),
    ("WKT", "WKT"),
    ("台账变更号", "ledger_change"),
    ("规则版本", "rules"),
    ("尚有未上传数据", "unsent"),
];

fn refused(error: ::csv::Error) -> WriteError {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => WriteError::Io(error),
        other => WriteError::Library(format!("{other:?}")),
    }
}

impl Csv {
    pub(super) fn new(outline: &Outline, out: Box<dyn Output>) -> Result<Self, WriteError> {
        let mut out = BufWriter::new(out);
        out.write_all("\u{feff}".as_bytes())?;
        let mut out = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out);
        let around = AROUND.map(|(zh, en)| if outline.headings == Headings::Zh { zh } else { en });
        let (before, behind) = around.split_at(2);
        let before = if outline.schema.tells_place() { &[] } else { before };
        let columns = outline.schema.columns.iter().map(|column| outline.heading(column));
        out.write_record(before.iter().copied().chain(columns).chain(behind.iter().copied()))
            .map_err(refused)?;
        let rules = harmless(outline.about.rules.clone());
        let about = [outline.about.change.to_string(), rules, outline.unsent_line()];
        Ok(Self { outline: outline.clone(), out, about })
    }

    fn cell(&self, column: &Column, value: &Value) -> String {
        let shown = text::shown(&self.outline, column, value).unwrap_or_default();
        match value {
            Value::Text(_) => harmless(shown),
            // A number may begin with a minus.
            Value::Null
            | Value::Integer(_)
            | Value::Real(_)
            | Value::Boolean(_)
            | Value::Time(_)
            | Value::Day(_) => shown,
        }
    }
}

fn well_known(geometry: &Geometry<f64>) -> Result<String, WriteError> {
    let mut text = String::new();
    wkt::to_wkt::write_geometry(&mut text, geometry)
        .map_err(|error| WriteError::Library(error.to_string()))?;
    Ok(text)
}

/// A text that no spreadsheet computes.
fn harmless(text: String) -> String {
    if text.starts_with(STARTS) { format!("'{text}") } else { text }
}

impl FeatureWriter for Csv {
    fn feature(&mut self, feature: &Feature) -> Result<(), WriteError> {
        let mut row: Vec<String> = Vec::with_capacity(self.outline.schema.columns.len() + AROUND.len());
        if !self.outline.schema.tells_place() {
            row.push(feature.id.to_string());
            row.push(feature.geometry.as_ref().map(well_known).transpose()?.unwrap_or_default());
        }
        row.extend(self.outline.columns(&feature.values).map(|(column, value)| self.cell(column, value)));
        self.out.write_record(row.iter().chain(&self.about)).map_err(refused)
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_compute_is_written_behind_an_apostrophe() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+86", "'+86"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("树 = 高", "树 = 高"),
            ("", ""),
        ] {
            assert_eq!(harmless(text.to_owned()), expected, "{text:?}");
        }
    }
}
