//! A workbook: the features, then what the file is of. Cells are written as they come and kept in a temporary file.
//!
//! Texts are written as strings, which no spreadsheet computes. A sheet holds 1,048,576 rows: what is beyond goes on the
//! next one.

use std::io::{BufWriter, Write as _};

use geo::{BoundingRect as _, Geometry};
use jiff::Timestamp;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::{FeatureWriter, Headings, Outline, Output, Workspace, WriteError, text};
use crate::layers::{Feature, Value};

/// Rows of a sheet, its heading included.
const ROWS: u32 = 1_048_576;
/// Characters of a cell.
const CHARACTERS: usize = 32_767;
/// Width of a column, characters.
const WIDTH: f64 = 16.0;
/// Width of the columns of the sheet that says what the file is of.
const WIDTH_ABOUT: f64 = 100.0;

fn refused(error: XlsxError) -> WriteError {
    match error {
        XlsxError::IoError(error) | XlsxError::TempFileError(_, error) => WriteError::Io(error),
        other => WriteError::of(&other),
    }
}

/// A workbook that is put together at its end.
pub(super) struct Xlsx {
    outline: Outline,
    book: Workbook,
    out: Box<dyn Output>,
    /// Of the last sheet.
    sheet: usize,
    row: u32,
    styles: Styles,
}

struct Styles {
    heading: Format,
    time: Format,
    day: Format,
    wrapped: Format,
}

impl Xlsx {
    pub(super) fn new(
        outline: &Outline,
        out: Box<dyn Output>,
        workspace: &dyn Workspace,
    ) -> Result<Self, WriteError> {
        let mut book = Workbook::new();
        if let Some(folder) = workspace.folder() {
            book.set_tempdir(folder).map_err(refused)?;
        }
        // A file is of its cursor, not of the moment in which it is made.
        let made = excel_utc(outline.about.change_ms);
        let properties = DocProperties::new().set_title(outline.says(outline.schema.title));
        book.set_properties(&match made {
            Some(made) => properties.set_creation_datetime(&made),
            None => properties,
        });
        let styles = Styles {
            heading: Format::new().set_bold().set_text_wrap(),
            time: Format::new().set_num_format("yyyy-mm-dd hh:mm"),
            day: Format::new().set_num_format("yyyy-mm-dd"),
            wrapped: Format::new().set_text_wrap(),
        };
        let mut workbook = Self { outline: outline.clone(), book, out, sheet: 0, row: 0, styles };
        workbook.begin_sheet(0)?;
        Ok(workbook)
    }

    fn begin_sheet(&mut self, at: usize) -> Result<(), WriteError> {
        let title = self.outline.says(self.outline.schema.title);
        let name = if at == 0 { title.to_owned() } else { format!("{title} {}", at + 1) };
        let around: &[&str] = match self.outline.headings {
            _ if self.outline.schema.tells_place() => &[],
            Headings::Zh => &["序号", "经度", "纬度"],
            Headings::En => &["id", "x", "y"],
        };
        let headings: Vec<&str> = around
            .iter()
            .copied()
            .chain(self.outline.schema.columns.iter().map(|column| self.outline.heading(column)))
            .collect();
        let mut sheet = self.book.new_worksheet_with_constant_memory().map_err(refused)?;
        sheet.set_name(name).map_err(refused)?;
        sheet.set_freeze_panes(1, 0).map_err(refused)?;
        for (column, heading) in (0_u16..).zip(headings) {
            sheet.set_column_width(column, WIDTH).map_err(refused)?;
            sheet.write_string_with_format(0, column, heading, &self.styles.heading).map_err(refused)?;
        }
        self.book.push_worksheet(sheet);
        self.sheet = at;
        self.row = 1;
        Ok(())
    }

    /// The last sheet: what the file is of.
    fn write_about(&mut self) -> Result<(), WriteError> {
        let name = if self.outline.headings == Headings::Zh { "说明" } else { "About" };
        let lines = self.outline.about_lines().into_iter().chain(self.outline.device_lines());
        let wrapped = &self.styles.wrapped;
        let mut sheet = self.book.new_worksheet_with_constant_memory().map_err(refused)?;
        sheet.set_name(name).map_err(refused)?;
        sheet.set_column_width(0, WIDTH).map_err(refused)?;
        sheet.set_column_width(1, WIDTH_ABOUT).map_err(refused)?;
        for (row, (name, value)) in (0_u32..).zip(lines) {
            sheet.write_string(row, 0, name).map_err(refused)?;
            sheet.write_string_with_format(row, 1, clipped(&value), wrapped).map_err(refused)?;
        }
        self.book.push_worksheet(sheet);
        Ok(())
    }
}

fn clipped(text: &str) -> &str {
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

/// A moment without a zone, as a workbook has it.
fn excel_utc(at_ms: i64) -> Option<ExcelDateTime> {
    ExcelDateTime::from_timestamp(at_ms.div_euclid(1_000)).ok()
}

impl FeatureWriter for Xlsx {
    fn feature(&mut self, feature: &Feature) -> Result<(), WriteError> {
        if self.row >= ROWS {
            self.begin_sheet(self.sheet + 1)?;
        }
        let row = self.row;
        let (outline, styles) = (&self.outline, &self.styles);
        let sheet = self.book.worksheet_from_index(self.sheet).map_err(refused)?;
        let first: u16 = if outline.schema.tells_place() { 0 } else { 3 };
        if first > 0 {
            write_integer(sheet, row, 0, feature.id)?;
            if let Some((x, y)) = feature.geometry.as_ref().and_then(middle) {
                sheet.write_number(row, 1, x).map_err(refused)?;
                sheet.write_number(row, 2, y).map_err(refused)?;
            }
        }
        for (at, (column, value)) in (first..).zip(outline.columns(&feature.values)) {
            match value {
                Value::Null => {}
                Value::Text(it) => {
                    sheet.write_string(row, at, clipped(outline.text(column, it))).map_err(refused)?;
                }
                Value::Integer(number) => write_integer(sheet, row, at, *number)?,
                Value::Real(number) => {
                    sheet.write_number(row, at, *number).map_err(refused)?;
                }
                Value::Boolean(truth) => {
                    sheet.write_boolean(row, at, *truth).map_err(refused)?;
                }
                Value::Time(at_ms) => {
                    if let Some(local) = local(outline, *at_ms) {
                        sheet.write_datetime_with_format(row, at, &local, &styles.time).map_err(refused)?;
                    }
                }
                Value::Day(day) => {
                    if let Some(date) = day_of(*day) {
                        sheet.write_datetime_with_format(row, at, &date, &styles.day).map_err(refused)?;
                    }
                }
            }
        }
        self.row += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        self.write_about()?;
        let mut out = BufWriter::new(self.out);
        self.book.save_to_writer(&mut out).map_err(refused)?;
        Ok(out.flush()?)
    }
}

/// The place of a point, the middle of the box of anything else.
fn middle(geometry: &Geometry<f64>) -> Option<(f64, f64)> {
    geometry.bounding_rect().map(|bounds| bounds.center().x_y())
}

/// A whole number; a text where a spreadsheet's numbers have no room for it.
fn write_integer(sheet: &mut Worksheet, row: u32, column: u16, number: i64) -> Result<(), WriteError> {
    match i32::try_from(number) {
        Ok(number) => sheet.write_number(row, column, number).map_err(refused)?,
        Err(_beyond) => sheet.write_string(row, column, number.to_string()).map_err(refused)?,
    };
    Ok(())
}

/// A moment in local time, to the second.
fn local(outline: &Outline, at_ms: i64) -> Option<ExcelDateTime> {
    let at = Timestamp::from_millisecond(at_ms).ok()?;
    let offset_s = i64::from(outline.about.zone.to_offset(at).seconds());
    ExcelDateTime::from_timestamp(at.as_second() + offset_s).ok()
}

fn day_of(day: i64) -> Option<ExcelDateTime> {
    let date = text::date(day)?;
    let (year, month, day) =
        (u16::try_from(date.year()).ok()?, u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?);
    ExcelDateTime::from_ymd(year, month, day).ok()
}
