//! A report as an Office Open XML document.
//!
//! Paragraph ids and times are fixed, so that the same report gives the same bytes.

use std::io::Cursor;

use docx_rs::{
    AlignmentType, Docx, LineSpacing, Paragraph, Run, RunFonts, Table, TableCell, TableRow, WidthType,
};

use super::RenderError;
use super::grids::{Grid, grids};
use crate::report::document::Report;

/// 宋体 where the reader has it, else what its office suite puts in its place.
const FONT_ZH: &str = "SimSun";
const FONT_LATIN: &str = "Times New Roman";
/// Half points: 12 pt.
const TEXT: usize = 24;
/// Half points: 10.5 pt.
const TABLE: usize = 21;
/// Half points: 18 pt.
const TITLE: usize = 36;
/// Half points: 14 pt.
const HEADING: usize = 28;
/// Twentieths of a point that a page of A4 leaves between margins of 25.4 mm.
const WIDTH: usize = 9_026;
/// The time that the document says it was made at: of an issued report it must never change.
const TIME: &str = "1970-01-01T00:00:00Z";

/// Paragraphs with ids of their own: the library would count them across all the documents of a thread.
#[derive(Debug, Default)]
struct Pen {
    paragraphs: u32,
}

impl Pen {
    fn paragraph(&mut self, run: Run) -> Paragraph {
        self.paragraphs += 1;
        Paragraph::new().id(format!("{:08x}", self.paragraphs)).add_run(run)
    }

    fn centred(&mut self, text: &str, size: usize) -> Paragraph {
        self.paragraph(run(text, size)).align(AlignmentType::Center)
    }

    fn body(&mut self, text: &str) -> Paragraph {
        self.paragraph(run(text, TEXT)).line_spacing(LineSpacing::new().line(360))
    }

    fn row(&mut self, texts: &[String], widths: &[usize], weight: Weight) -> TableRow {
        let mut cells = Vec::with_capacity(texts.len());
        for (column, (text, width)) in texts.iter().zip(widths).enumerate() {
            let run = match weight {
                Weight::Bold => run(text, TABLE).bold(),
                Weight::Plain => run(text, TABLE),
            };
            let side = if column == 0 { AlignmentType::Left } else { AlignmentType::Right };
            let paragraph = self.paragraph(run).align(side);
            cells.push(TableCell::new().width(*width, WidthType::Dxa).add_paragraph(paragraph));
        }
        TableRow::new(cells)
    }

    fn table(&mut self, grid: &Grid) -> Table {
        let columns = grid.heading.len();
        // The first column holds names.
        let unit = WIDTH / (columns + 2);
        let widths: Vec<usize> =
            (0..columns).map(|column| if column == 0 { unit * 3 } else { unit }).collect();
        let heading: Vec<String> = grid.heading.iter().map(|cell| (*cell).to_owned()).collect();
        let mut rows = vec![self.row(&heading, &widths, Weight::Bold)];
        for row in &grid.rows {
            rows.push(self.row(row, &widths, Weight::Plain));
        }
        Table::new(rows).set_grid(widths).width(WIDTH, WidthType::Dxa)
    }
}

#[derive(Clone, Copy, Debug)]
enum Weight {
    Bold,
    Plain,
}

pub(super) fn docx(report: &Report) -> Result<Vec<u8>, RenderError> {
    let mut pen = Pen::default();
    let fonts = RunFonts::new().ascii(FONT_LATIN).hi_ansi(FONT_LATIN).east_asia(FONT_ZH);
    let mut document = Docx::new()
        .default_fonts(fonts)
        .default_size(TEXT)
        .created_at(TIME)
        .updated_at(TIME)
        .add_paragraph(pen.centred(&report.title(), TITLE).bold())
        .add_paragraph(pen.centred(&report.standing_line(), TEXT))
        .add_paragraph(pen.centred(&report.period_line(), TABLE))
        .add_paragraph(pen.body(&report.sentence_zh).first_line_chars(200))
        .add_paragraph(pen.body(&report.sentence_en));
    for grid in grids(report) {
        let heading = format!("{} {}", grid.title, grid.title_en);
        document = document
            .add_paragraph(pen.paragraph(run(&heading, HEADING).bold()).keep_next(true))
            .add_table(pen.table(&grid));
    }
    let mut bytes = Cursor::new(Vec::new());
    document.build().pack(&mut bytes).map_err(|error| RenderError::Docx(error.to_string()))?;
    Ok(bytes.into_inner())
}

/// Characters that XML cannot hold are left out: a description may have them.
fn run(text: &str, size: usize) -> Run {
    let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
    Run::new().add_text(text).size(size)
}
