//! CSV: UTF-8 with a byte order mark, so that a spreadsheet reads Chinese; the geometry as well-known text.
//!
//! A text that a spreadsheet would compute is written behind an apostrophe. What the file is of travels with every row, in
//! the columns before the last: the ledger's change, the rules, what is not sent, the coordinates. All of it, with the filters
//! and the counting rules, is the heading of the last column, which is empty: a table has no other place that comes through
//! every program, and a row would be a feature to whoever counts them.

use std::io::{BufWriter, Write};

use geo::Geometry;

use super::{FeatureWriter, Outline, Output, WriteError, text};
use crate::layers::{Column, Feature, Value, Words, guarded};

/// A table.
pub(super) struct Csv {
    outline: Outline,
    out: ::csv::Writer<BufWriter<Box<dyn Output>>>,
    /// The last cells of every row.
    about: Vec<String>,
}

/// How much of what a file is of stands in its heading, but for how many devices it leaves out: a spreadsheet's cell has
/// 32,767 characters.
const ABOUT_BYTES: usize = 31_900;
/// How much of one line of it: filters can be long.
const LINE_BYTES: usize = 8_000;

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
        let mut writer = ::csv::WriterBuilder::new();
        writer.terminator(::csv::Terminator::CRLF);
        let rules = guarded(outline.about.rules.clone());
        let mut about = vec![outline.about.change.to_string(), rules, outline.unsent_line()];
        // The ledger has a column of its own for it.
        if !outline.schema.tells_place() {
            about.push(outline.reference.to_string());
        }
        // Quoted, so that programs which guess what parts the cells see it.
        let mut first = writer.quote_style(::csv::QuoteStyle::Always).from_writer(&mut out);
        first.write_record(headings(outline, about.len())).map_err(refused)?;
        first.flush()?;
        drop(first);
        about.push(String::new());
        let out = writer.quote_style(::csv::QuoteStyle::Necessary).from_writer(out);
        Ok(Self { outline: outline.clone(), out, about })
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

/// The first row: what stands before the columns, the columns, as many of what stands behind them as have cells, and
/// everything that the file is of.
fn headings(outline: &Outline, cells_behind: usize) -> Vec<String> {
    let around = AROUND.map(|(zh, en)| outline.says(Words { zh, en }));
    let (before, behind) = around.split_at(2);
    let before = if outline.schema.tells_place() { &[] } else { before };
    let columns = outline.schema.columns.iter().map(|column| outline.heading(column));
    let behind = behind.iter().copied().take(cells_behind);
    let row = before.iter().copied().chain(columns).chain(behind).map(str::to_owned);
    row.chain([about(outline)]).collect()
}

/// What the file is of, on one line, without what readers take for the end of a cell. Devices for which a spreadsheet's
/// cell has no room are counted.
fn about(outline: &Outline) -> String {
    let mut text = outline.says(Words { zh: "说明", en: "About" }).to_owned();
    for (name, value) in outline.about_lines() {
        let cut = value.floor_char_boundary(LINE_BYTES);
        let more = if cut < value.len() { "…" } else { "" };
        text.extend([" · ", name, ": ", value.get(..cut).unwrap_or_default(), more]);
    }
    let mut left_out = 0_usize;
    for (name, value) in outline.device_lines() {
        if text.len() + name.len() + value.len() > ABOUT_BYTES {
            left_out += 1;
        } else {
            text.extend([" · ", name, ": ", &value]);
        }
    }
    if left_out > 0 {
        let more = outline.says(Words { zh: "另有手机", en: "More devices" });
        text.extend([" · ", more, ": ", &left_out.to_string()]);
    }
    // Where a program has taken the quotes away, these would part cells.
    text.replace(';', "/").replace(['\t', '\r', '\n'], " ")
}

fn well_known(geometry: &Geometry<f64>) -> Result<String, WriteError> {
    let mut text = String::new();
    wkt::to_wkt::write_geometry(&mut text, geometry)
        .map_err(|error| WriteError::Library(error.to_string()))?;
    Ok(text)
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
