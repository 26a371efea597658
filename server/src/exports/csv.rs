//! CSV: UTF-8 with a byte order mark, so that a spreadsheet reads Chinese; the geometry as well-known text.
//!
//! A text that a spreadsheet would compute is written behind an apostrophe. What the file is of stands in the last columns
//! of every row: a table has no other place that travels with it through every program. A table without rows has it in
//! further headings, each a name and a value: a row would be a feature to whoever counts them.

use std::io::{BufWriter, Write};

use geo::Geometry;

use super::{FeatureWriter, Headings, Outline, Output, WriteError, text};
use crate::layers::{Column, Feature, Value, guarded};

/// A table.
pub(super) struct Csv {
    outline: Outline,
    out: ::csv::Writer<BufWriter<Box<dyn Output>>>,
    /// The last cells of every row.
    about: Vec<String>,
    /// Nothing is written yet, the headings neither.
    is_empty: bool,
}

/// Headings of what stands around the columns: before them the id and the geometry, behind them what the file is of.
const AROUND: [(&str, &str); 6] = [
    ("序号", "id"),
    ("WKT", "WKT"),
    ("台账变更号", "ledger_change"),
    ("规则版本", "rules"),
    ("尚有未上传数据", "unsent"),
    ("坐标系", "datum"),
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
        let out = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out);
        let rules = guarded(outline.about.rules.clone());
        let mut about = vec![outline.about.change.to_string(), rules, outline.unsent_line()];
        // The ledger has a column of its own for it.
        if !outline.schema.tells_place() {
            about.push(outline.reference.to_string());
        }
        Ok(Self { outline: outline.clone(), out, about, is_empty: true })
    }

    /// The first row; of a table that stays empty what it is of too.
    fn write_headings(&mut self, is_all: bool) -> Result<(), WriteError> {
        self.is_empty = false;
        let outline = &self.outline;
        let around = AROUND.map(|(zh, en)| if outline.headings == Headings::Zh { zh } else { en });
        let (before, behind) = around.split_at(2);
        let before = if outline.schema.tells_place() { &[] } else { before };
        let columns = outline.schema.columns.iter().map(|column| outline.heading(column));
        let mut row: Vec<String> = before.iter().copied().chain(columns).map(str::to_owned).collect();
        let behind = || behind.iter().zip(&self.about);
        row.extend(behind().map(|(name, _)| (*name).to_owned()));
        if is_all {
            row.extend(behind().map(|(name, value)| format!("{name}: {value}")));
        }
        self.out.write_record(row).map_err(refused)
    }

    fn cell(&self, column: &Column, value: &Value) -> String {
        let shown = text::shown(&self.outline, column, value).unwrap_or_default();
        match value {
            Value::Text(_) => guarded(shown),
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

impl FeatureWriter for Csv {
    fn feature(&mut self, feature: &Feature) -> Result<(), WriteError> {
        if self.is_empty {
            self.write_headings(false)?;
        }
        let mut row: Vec<String> = Vec::with_capacity(self.outline.schema.columns.len() + AROUND.len());
        if !self.outline.schema.tells_place() {
            row.push(feature.id.to_string());
            row.push(feature.geometry.as_ref().map(well_known).transpose()?.unwrap_or_default());
        }
        row.extend(self.outline.columns(&feature.values).map(|(column, value)| self.cell(column, value)));
        self.out.write_record(row.iter().chain(&self.about)).map_err(refused)
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        if self.is_empty {
            self.write_headings(true)?;
        }
        Ok(self.out.flush()?)
    }
}
