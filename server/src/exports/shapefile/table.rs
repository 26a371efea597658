//! The bytes of `.dbf` (dBASE III): columns of a fixed width, found while the rows are put aside.
//!
//! A name has ten bytes: longer ones are cut, and told apart. A text has 254: a longer one is cut between characters. What
//! was cut is told by [`Table::explained`].

use std::io::Write;

use encoding_rs::GBK;
use jiff::civil::Date;

use super::Encoding;
use crate::exports::{Headings, Outline, WriteError, text};
use crate::layers::{Column, ColumnKind, Feature, Value};

/// Bytes of a name.
const NAME_BYTES: usize = 10;
/// Bytes of a text.
const TEXT_BYTES: usize = 254;
/// Digits of a whole number, its sign included.
const INTEGER_BYTES: usize = 18;
/// Digits of a number, its sign, its point and its decimals included.
const REAL_BYTES: usize = 24;
/// Decimals of a number: micrometres, microvolts.
const DECIMALS: usize = 6;
/// A moment: `2026-11-26T12:30:00+08:00`.
const TIME_BYTES: usize = 25;
/// A day: `20261126`.
const DAY_BYTES: usize = 8;
/// Behind the last row.
pub(super) const END: &[u8] = b"\x1a";
/// The mark of GBK in the head; 0: see the `.cpg`.
const GBK_MARK: u8 = 0x4d;

/// A cell of a row that is put aside.
pub(super) struct Cell {
    pub(super) bytes: Vec<u8>,
    /// Something of the text is not in it.
    is_cut: bool,
}

struct Field {
    /// None: the id of features.
    column: Option<&'static Column>,
    name: Vec<u8>,
    letter: u8,
    width: usize,
    cut: u64,
}

/// The columns of a table, and how wide they are so far.
pub(super) struct Table {
    encoding: Encoding,
    fields: Vec<Field>,
}

impl Table {
    pub(super) fn new(outline: &Outline) -> Self {
        let mut fields =
            vec![Field { column: None, name: b"id".to_vec(), letter: b'N', width: INTEGER_BYTES, cut: 0 }];
        for column in outline.schema.columns {
            let (letter, width) = match column.kind {
                ColumnKind::Text => (b'C', 1),
                ColumnKind::Integer => (b'N', INTEGER_BYTES),
                ColumnKind::Real => (b'N', REAL_BYTES),
                ColumnKind::Boolean => (b'L', 1),
                ColumnKind::Time => (b'C', TIME_BYTES),
                ColumnKind::Day => (b'D', DAY_BYTES),
            };
            let name = short_name(outline.field(column), outline.encoding, &fields);
            fields.push(Field { column: Some(column), name, letter, width, cut: 0 });
        }
        Self { encoding: outline.encoding, fields }
    }

    /// Cells of a row.
    pub(super) fn width(&self) -> usize {
        self.fields.len()
    }

    /// A row as it is put aside.
    pub(super) fn cells(&self, outline: &Outline, feature: &Feature) -> Vec<Cell> {
        let plain = |text: String| Cell { bytes: text.into_bytes(), is_cut: false };
        let mut cells = vec![plain(integer(feature.id))];
        cells.extend(outline.columns(&feature.values).map(|(column, value)| match value {
            Value::Null => plain(String::new()),
            Value::Text(it) => encoded(outline.text(column, it), self.encoding, TEXT_BYTES),
            Value::Integer(number) => plain(integer(*number)),
            Value::Real(number) => plain(real(*number)),
            Value::Boolean(truth) => plain(if *truth { "T" } else { "F" }.to_owned()),
            Value::Time(at_ms) => plain(text::local(&outline.about.zone, *at_ms)),
            Value::Day(day) => plain(text::day(*day).replace('-', "")),
        }));
        cells
    }

    /// Bytes of the table with a row more.
    pub(super) fn bytes_with(&self, cells: &[Cell], rows: u64) -> u64 {
        let wide = |(field, cell): (&Field, &Cell)| field.width.max(cell.bytes.len());
        let row: usize = 1 + self.fields.iter().zip(cells).map(wide).sum::<usize>();
        let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        bytes(self.head_bytes()) + rows.saturating_mul(bytes(row)) + 1
    }

    /// Makes room for a row, and counts what was cut of it.
    pub(super) fn widen(&mut self, cells: &[Cell]) {
        for (field, cell) in self.fields.iter_mut().zip(cells) {
            if field.letter == b'C' {
                field.width = field.width.max(cell.bytes.len());
            }
            field.cut += u64::from(cell.is_cut);
        }
    }

    fn head_bytes(&self) -> usize {
        32 + 32 * self.fields.len() + 1
    }

    fn row_bytes(&self) -> usize {
        1 + self.fields.iter().map(|field| field.width).sum::<usize>()
    }

    /// The head of a table of so many rows, last changed on a day.
    pub(super) fn head(&self, rows: u32, day: Option<Date>) -> Vec<u8> {
        let small = |number: usize| u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes();
        let [year, month, day] = day.map_or([0, 1, 1], |day| {
            let year = u8::try_from(day.year() - 1900).unwrap_or(0);
            [year, day.month().unsigned_abs(), day.day().unsigned_abs()]
        });
        let mut head = vec![3, year, month, day];
        head.extend(rows.to_le_bytes());
        head.extend(small(self.head_bytes()));
        head.extend(small(self.row_bytes()));
        head.extend([0; 17]);
        head.push(match self.encoding {
            Encoding::Utf8 => 0,
            Encoding::Gbk => GBK_MARK,
        });
        head.extend([0; 2]);
        for field in &self.fields {
            let mut name = field.name.clone();
            name.resize(11, 0);
            head.extend(name);
            head.extend([field.letter, 0, 0, 0, 0]);
            head.push(u8::try_from(field.width).unwrap_or(u8::MAX));
            head.push(if field.decimals() { 6 } else { 0 });
            head.extend([0; 14]);
        }
        head.push(b'\r');
        head
    }

    /// Writes a row that was put aside.
    pub(super) fn write_row(&self, out: &mut impl Write, cells: &[Vec<u8>]) -> Result<(), WriteError> {
        let mut row = Vec::with_capacity(self.row_bytes());
        row.push(b' ');
        for (field, cell) in self.fields.iter().zip(cells) {
            let room = field.width.saturating_sub(cell.len());
            let spaces = std::iter::repeat_n(b' ', room);
            match field.letter {
                // Numbers stand on the right.
                b'N' => row.extend(spaces.chain(cell.iter().copied().take(field.width))),
                b'L' if cell.is_empty() => row.push(b'?'),
                _ => row.extend(cell.iter().copied().take(field.width).chain(spaces)),
            }
        }
        Ok(out.write_all(&row)?)
    }

    /// The names of the table, what they stand for, and how many texts were cut.
    pub(super) fn explained(&self, outline: &Outline) -> String {
        let heading = match outline.headings {
            Headings::Zh => "字段\t列名\t中文\t英文\t被截断的值",
            Headings::En => "field\tcolumn\tChinese\tEnglish\tvalues cut",
        };
        let line = |field: &Field| {
            let name = match self.encoding {
                Encoding::Utf8 => String::from_utf8_lossy(&field.name).into_owned(),
                Encoding::Gbk => GBK.decode(&field.name).0.into_owned(),
            };
            let (column, zh, en) =
                field.column.map_or(("id", "序号", "Id"), |column| (column.name, column.zh, column.en));
            format!("{name}\t{column}\t{zh}\t{en}\t{}\r\n", field.cut)
        };
        let lines: Vec<String> = self.fields.iter().map(line).collect();
        format!("{heading}\r\n{}", lines.concat())
    }
}

impl Field {
    /// Whether its numbers have decimals.
    fn decimals(&self) -> bool {
        self.column.is_some_and(|column| column.kind == ColumnKind::Real)
    }
}

/// Nothing, where it is longer than readers take for a whole number.
fn integer(number: i64) -> String {
    let text = number.to_string();
    if text.len() <= INTEGER_BYTES { text } else { String::new() }
}

fn real(number: f64) -> String {
    let text = format!("{number:.DECIMALS$}");
    if number.is_finite() && text.len() <= REAL_BYTES { text } else { String::new() }
}

/// A text in the bytes of an encoding, cut between characters. What the encoding has not is a question mark.
fn encoded(text: &str, encoding: Encoding, most: usize) -> Cell {
    match encoding {
        Encoding::Utf8 => {
            let cut = text::cut(text, most);
            Cell { bytes: cut.as_bytes().to_vec(), is_cut: cut.len() < text.len() }
        }
        Encoding::Gbk => {
            let mut cell = Cell { bytes: Vec::with_capacity(text.len()), is_cut: false };
            let mut room = [0; 4];
            for character in text.chars() {
                let (bytes, _, is_lost) = GBK.encode(character.encode_utf8(&mut room));
                let bytes = if is_lost { b"?" } else { &*bytes };
                cell.is_cut |= is_lost;
                if cell.bytes.len() + bytes.len() > most {
                    cell.is_cut = true;
                    break;
                }
                cell.bytes.extend_from_slice(bytes);
            }
            cell
        }
    }
}

/// A name of at most ten bytes that no column before has.
fn short_name(name: &str, encoding: Encoding, before: &[Field]) -> Vec<u8> {
    let is_taken = |bytes: &[u8]| before.iter().any(|field| field.name.eq_ignore_ascii_case(bytes));
    let whole = encoded(name, encoding, NAME_BYTES).bytes;
    if !is_taken(&whole) {
        return whole;
    }
    (1..=before.len())
        .map(|number| {
            let suffix = number.to_string();
            let mut bytes = encoded(name, encoding, NAME_BYTES - suffix.len()).bytes;
            bytes.extend(suffix.into_bytes());
            bytes
        })
        .find(|bytes| !is_taken(bytes))
        .unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(encoding: Encoding, all: &[&str]) -> Vec<Vec<u8>> {
        let mut fields: Vec<Field> = Vec::new();
        for name in all {
            let name = short_name(name, encoding, &fields);
            fields.push(Field { column: None, name, letter: b'C', width: 1, cut: 0 });
        }
        fields.into_iter().map(|field| field.name).collect()
    }

    #[test]
    fn long_names_are_cut_between_characters_and_told_apart() {
        assert_eq!(
            names(Encoding::Utf8, &["structure_from", "structure_to", "隐患类别", "隐患类型"]),
            [&b"structure_"[..], b"structure1", "隐患类".as_bytes(), "隐患类1".as_bytes()]
        );
        let gbk = names(Encoding::Gbk, &["隐患类别", "整改通知书编号"]);
        assert_eq!(gbk.iter().map(Vec::len).collect::<Vec<_>>(), [8, 10]);
        assert_eq!(GBK.decode(&gbk[1]).0, "整改通知书");
    }

    #[test]
    fn what_an_encoding_has_not_is_a_question_mark_and_is_told() {
        let cell = encoded("树\u{1f525}高", Encoding::Gbk, 254);
        assert_eq!((GBK.decode(&cell.bytes).0.as_ref(), cell.is_cut), ("树?高", true));
        let cell = encoded("线路名称", Encoding::Utf8, 7);
        assert_eq!((cell.bytes.as_slice(), cell.is_cut), ("线路".as_bytes(), true));
        assert!(!encoded("线路", Encoding::Utf8, 6).is_cut);
    }
}
