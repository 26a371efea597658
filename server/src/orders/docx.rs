//! An order as an Office Open XML document.

use std::io::Cursor;

use docx_rs::{
    AlignmentType, Docx, LineSpacing, Paragraph, Pic, Run, RunFonts, Table, TableCell, TableRow, WidthType,
};

use super::{PrintError, Sheet, code};

/// 宋体 where the reader has it, else what its office suite puts in its place.
const FONT_ZH: &str = "SimSun";
const FONT_LATIN: &str = "Times New Roman";
/// Half points: 12 pt.
const TEXT: usize = 24;
/// Half points: 20 pt.
const TITLE: usize = 40;
/// Half points: 14 pt.
const HEADING: usize = 28;
/// Twentieths of a point that a page of A4 leaves between margins of 25.4 mm; its two columns.
const WIDTH: usize = 9_026;
const COLUMNS: [usize; 2] = [2_400, WIDTH - 2_400];

fn run(text: &str) -> Run {
    let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
    Run::new().add_text(text).size(TEXT)
}

fn body(text: &str) -> Paragraph {
    Paragraph::new().add_run(run(text)).line_spacing(LineSpacing::new().line(360)).first_line_chars(200)
}

fn table<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) -> Table {
    let cell = |text: &str, width: usize| {
        TableCell::new().width(width, WidthType::Dxa).add_paragraph(Paragraph::new().add_run(run(text)))
    };
    let [left, right] = COLUMNS;
    let rows = rows.map(|(label, value)| TableRow::new(vec![cell(label, left), cell(value, right)]));
    Table::new(rows.collect()).set_grid(COLUMNS.to_vec()).width(WIDTH, WidthType::Dxa)
}

pub(super) fn docx(sheet: &Sheet) -> Result<Vec<u8>, PrintError> {
    let (picture, side) = code::png(&sheet.address)?;
    let picture = Pic::new_with_dimensions(picture, side, side).size(1_080_000, 1_080_000);
    let fonts = RunFonts::new().ascii(FONT_LATIN).hi_ansi(FONT_LATIN).east_asia(FONT_ZH);
    let centred =
        |text: &str, size: usize| Paragraph::new().add_run(run(text).size(size)).align(AlignmentType::Center);
    let right = |text: &str| Paragraph::new().add_run(run(text)).align(AlignmentType::Right);
    let hazard = sheet.hazard.iter().map(|(label, value)| (*label, value.as_str()));
    let demanded = [("整改措施", sheet.measures.as_str()), ("整改期限", sheet.deadline.as_str())];
    let slip = [
        ("责任单位", sheet.unit.as_str()),
        ("签收人（签字、盖章）", ""),
        ("签收时间", "　　年　　月　　日　　时"),
        ("异议（权属等）", ""),
    ];
    let mut document = Docx::new().default_fonts(fonts).default_size(TEXT);
    if let Some(void) = &sheet.void {
        document = document.add_paragraph(centred(void, TITLE).bold());
    }
    document = document
        .add_paragraph(Paragraph::new().add_run(Run::new().add_image(picture)).align(AlignmentType::Right))
        .add_paragraph(centred("整改通知书", TITLE).bold())
        .add_paragraph(centred(&sheet.number, TEXT))
        .add_paragraph(Paragraph::new().add_run(run(&format!("{}：", sheet.unit)).bold()))
        .add_paragraph(body(&sheet.demand()));
    if let Some(instead) = sheet.instead() {
        document = document.add_paragraph(body(&instead));
    }
    let document = document
        .add_table(table(hazard.chain(demanded)))
        .add_paragraph(right(&sheet.bureau))
        .add_paragraph(right(&format!("经办人：{}", sheet.issued_by)))
        .add_paragraph(right(&sheet.dated()))
        .add_paragraph(centred("- - - - - - - - - - - - - - - - - - - - - - - - - - - - - -", TEXT))
        .add_paragraph(centred("整改通知书送达回执", HEADING).bold())
        .add_paragraph(body(&sheet.received()))
        .add_table(table(slip.into_iter()));
    let mut bytes = Cursor::new(Vec::new());
    document.build().pack(&mut bytes).map_err(|error| PrintError::Docx(error.to_string()))?;
    Ok(bytes.into_inner())
}
