//! A report as a value: everything that its renderings say, and nothing that they must decide.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::catalogue::{Figure, Unit};
use super::claim::{Against, Limits, Standing};
use super::figures::Figures;
use super::period::Period;
use super::rows::Rows;
use super::sentence;
use super::tables::{ActivityRow, LineRow, TownshipRow, by_activity, by_line, by_township};

/// What a report is about and when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Frame {
    /// The district's name.
    pub district: String,
    /// The district's code.
    pub code: String,
    /// Its number; none: a draft.
    pub number: Option<String>,
    /// Its days.
    pub period: Period,
    /// The days that it is compared with.
    pub before: Period,
    /// IANA name of the zone whose days they are.
    pub time_zone: String,
    /// The last change of the ledger that it counts.
    pub cut_off_change: u64,
    /// When it was counted, milliseconds since 1970.
    pub cut_off_ms: i64,
    /// The same, local, to the minute.
    pub cut_off: String,
}

/// 报告后补传: what arrived for the period of a report after that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Late {
    /// The number of that report.
    pub number: String,
    /// How many records.
    pub count: i64,
}

/// What a report is made from.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is about.
    pub frame: Frame,
    /// Rows of its period.
    pub rows: Rows,
    /// Rows of the period before.
    pub before: Rows,
    /// Operations in quarantine, and devices, that stand against the claim.
    pub standing: Standing,
    /// From when on these were looked for.
    pub limits: Limits,
    /// Names of lines.
    pub line_names: BTreeMap<Uuid, String>,
    /// What came late for earlier reports.
    pub late: Vec<Late>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct FigureLine {
    /// Its name.
    pub key: Cow<'static, str>,
    /// Its Chinese label.
    pub zh: Cow<'static, str>,
    /// Its English label.
    pub en: Cow<'static, str>,
    /// The value: a count, millimetres or 分.
    pub value: i64,
    /// Which of these.
    pub unit: Unit,
    /// The value as it is printed.
    pub printed: String,
    /// The unit that follows it in Chinese.
    pub unit_zh: Cow<'static, str>,
    /// The value in the period before.
    pub before: i64,
    /// The same as it is printed.
    pub before_printed: String,
    /// Where its rows are listed.
    pub query: String,
    /// How it follows from them.
    pub measure: String,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Report {
    /// What it is about.
    #[serde(flatten)]
    pub frame: Frame,
    /// The sentence in Chinese.
    pub sentence_zh: String,
    /// The sentence in English.
    pub sentence_en: String,
    /// Whether everything found in the period is eliminated.
    pub eliminated: bool,
    /// What stands against that.
    pub against: Vec<Against>,
    /// Every figure.
    pub figures: Vec<FigureLine>,
    /// By township.
    pub townships: Vec<TownshipRow>,
    /// By line.
    pub lines: Vec<LineRow>,
    /// By type of activity.
    pub activities: Vec<ActivityRow>,
    /// 报告后补传 of earlier reports.
    pub late: Vec<Late>,
}

impl Report {
    /// Counts and says.
    pub fn of(source: Source) -> Self {
        let Source { frame, rows, before, standing, limits, line_names, late } = source;
        let figures = Figures::of(&rows);
        let figures_before = Figures::of(&before);
        let standing = Standing {
            quarantined: standing.quarantined,
            devices_unsent: standing.devices_unsent,
            devices_silent: standing.devices_silent,
            ..Standing::of(&rows.hazards)
        };
        let line = |figure: &Figure| {
            let (value, before) = (figures.get(*figure), figures_before.get(*figure));
            let unit = figure.unit();
            FigureLine {
                key: figure.key().into(),
                zh: figure.zh().into(),
                en: figure.en().into(),
                value,
                unit,
                printed: unit.printed(value),
                unit_zh: figure.unit_zh().into(),
                before,
                before_printed: unit.printed(before),
                query: figure.query(&frame.period),
                measure: figure.measure().to_text(),
            }
        };
        Self {
            sentence_zh: sentence::zh(&figures, &standing),
            sentence_en: sentence::en(&figures, &standing),
            eliminated: standing.is_eliminated(),
            against: standing.counts(&frame.period, limits).to_vec(),
            figures: Figure::ALL.iter().map(line).collect(),
            townships: by_township(&rows),
            lines: by_line(&rows, &line_names),
            activities: by_activity(&rows.activities),
            late,
            frame,
        }
    }

    /// Blanks a text that was written into this field wherever the report repeats it; false where it does not. Figures
    /// stay as they were counted.
    pub fn blank(&mut self, field: &str, text: &str, blank: &str) -> bool {
        let cells: Vec<&mut String> = match field {
            "township" => self.townships.iter_mut().map(|row| &mut row.township).collect(),
            "activity_type" => self.activities.iter_mut().map(|row| &mut row.activity_type).collect(),
            _ => Vec::new(),
        };
        let mut is_blanked = false;
        for cell in cells.into_iter().filter(|cell| cell.trim() == text.trim()) {
            blank.clone_into(cell);
            is_blanked = true;
        }
        is_blanked
    }

    /// Its title in Chinese.
    pub fn title(&self) -> String {
        format!("{}电力线路森林防灭火工作报告", self.frame.district)
    }

    /// Its number, or that it is a draft.
    pub fn standing_line(&self) -> String {
        match &self.frame.number {
            Some(number) => format!("编号 {number}"),
            None => "草稿（未签发）".to_owned(),
        }
    }

    /// Its days and its cut-off in Chinese.
    pub fn period_line(&self) -> String {
        let Frame { period, time_zone, cut_off, cut_off_change, .. } = &self.frame;
        format!(
            "统计期 {} 至 {}（含首尾两日，{time_zone}）；数据截止 {cut_off}，变更号 {cut_off_change}",
            period.from, period.to
        )
    }
}
