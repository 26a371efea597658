//! The tables that every printed form has, as rows of text.

use crate::report::document::Report;
use crate::report::tables::{ActivityRow, LineRow, TownshipRow};
use crate::report::units::{kilometres, ten_thousand_yuan};

/// A table: a heading and rows of as many cells.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) title: &'static str,
    pub(super) title_en: &'static str,
    pub(super) heading: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// Every table that has rows. That of the figures always has.
pub(super) fn grids(report: &Report) -> Vec<Grid> {
    let all = [
        figures(report),
        against(report),
        townships(report),
        lines(report),
        activities(report),
        late(report),
    ];
    all.into_iter().filter(|grid| !grid.rows.is_empty()).collect()
}

fn figures(report: &Report) -> Grid {
    let before = &report.frame.before;
    let row = |line: &crate::report::document::FigureLine| {
        vec![
            line.zh.to_string(),
            line.printed.clone(),
            line.unit_zh.to_string(),
            line.before_printed.clone(),
            line.unit.printed(line.value.saturating_sub(line.before)),
        ]
    };
    let mut rows: Vec<_> = report.figures.iter().map(row).collect();
    rows.push(vec![
        "上期".to_owned(),
        String::new(),
        String::new(),
        format!("{} 至 {}", before.from, before.to),
        String::new(),
    ]);
    Grid {
        title: "统计指标",
        title_en: "Figures",
        heading: vec!["指标", "本期", "单位", "上期", "增减"],
        rows,
    }
}

fn against(report: &Report) -> Grid {
    let row = |against: &crate::report::claim::Against| {
        vec![against.zh.to_string(), against.value.to_string(), against.unit_zh.to_string()]
    };
    Grid {
        title: "消缺核对",
        title_en: "What stands against \"all eliminated\"",
        heading: vec!["核对项", "数量", "单位"],
        rows: report.against.iter().map(row).collect(),
    }
}

fn townships(report: &Report) -> Grid {
    let row = |row: &TownshipRow| {
        let found = &row.found;
        let name = if row.township.is_empty() { "（乡镇未填）" } else { &row.township };
        let mut cells = vec![name.to_owned()];
        cells.extend(
            [
                found.on_lines(),
                found.line_body,
                found.corridor,
                found.forest_fire,
                found.fire_sighting,
                found.unsorted,
                found.open,
            ]
            .map(|count| count.to_string()),
        );
        cells
    };
    Grid {
        title: "按乡镇",
        title_en: "By township",
        heading: vec!["乡镇", "隐患", "本体", "通道", "森林火险", "火情", "类别未填", "未销号"],
        rows: report.townships.iter().map(row).collect(),
    }
}

fn lines(report: &Report) -> Grid {
    let row = |row: &LineRow| {
        let name = if row.line.is_none() { "（不在已知线路上）" } else { &row.name };
        let mut cells = vec![name.to_owned()];
        cells
            .extend([row.found.line_body, row.found.corridor, row.found.open].map(|count| count.to_string()));
        cells.extend([row.walked_mm, row.felled_mm, row.cleared_mm, row.converted_mm].map(kilometres));
        cells
    };
    Grid {
        title: "按线路",
        title_en: "By line",
        heading: vec!["线路", "本体", "通道", "未销号", "排查公里", "砍伐公里", "清理公里", "绝缘化公里"],
        rows: report.lines.iter().map(row).collect(),
    }
}

fn activities(report: &Report) -> Grid {
    let row = |row: &ActivityRow| {
        let name = if row.activity_type.is_empty() { "（类型未填）" } else { &row.activity_type };
        let mut cells = vec![name.to_owned()];
        let counts =
            [row.count, row.sessions, row.people, row.material, row.households, row.enterprises, row.cases];
        cells.extend(counts.map(|count| count.to_string()));
        cells.push(ten_thousand_yuan(row.amount_fen));
        cells
    };
    Grid {
        title: "宣传培训等活动",
        title_en: "Activities",
        heading: vec!["类型", "项", "场次", "人次", "资料份数", "农户", "企业", "件", "金额万元"],
        rows: report.activities.iter().map(row).collect(),
    }
}

fn late(report: &Report) -> Grid {
    let row = |late: &crate::report::document::Late| vec![late.number.clone(), late.count.to_string()];
    Grid {
        title: "报告后补传",
        title_en: "Arrived after earlier reports",
        heading: vec!["报告编号", "条"],
        rows: report.late.iter().map(row).collect(),
    }
}
