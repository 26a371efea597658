//! The counting rules by table; the sentence word for word; the forms of one report.

use std::collections::BTreeMap;

use jiff::civil::date;
use sync_protocol::view::State;
use uuid::Uuid;

use super::catalogue::Figure;
use super::claim::{Limits, Standing};
use super::document::{Frame, Late, Report, Source};
use super::figures::Figures;
use super::period::Period;
use super::render::{Format, render};
use super::rows::{Category, Deed, Hazards, Rows, Stretch, StretchKind};

const FIRST: Uuid = Uuid::from_u128(1);
const SECOND: Uuid = Uuid::from_u128(2);

fn hazards(category: Category, state: State, count: i64) -> Hazards {
    Hazards {
        category,
        state,
        is_provisional: false,
        is_supervised: false,
        township: "青杠镇".to_owned(),
        line: Some(FIRST),
        count,
    }
}

fn stretch(line: Uuid, kind: StretchKind, from_mm: i64, to_mm: i64) -> Stretch {
    Stretch { line, kind, from_mm, to_mm }
}

fn deed(subtype: &str, amounts: &[(&str, i64)]) -> Deed {
    let amounts = amounts.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect();
    Deed { subtype: subtype.to_owned(), amounts, ..Deed::default() }
}

fn of_project(work: Deed, project: &str) -> Deed {
    Deed { project: Some(project.to_owned()), ..work }
}

/// A period in which everything happens.
fn rows() -> Rows {
    Rows {
        hazards: vec![
            hazards(Category::LineBody, State::Closed, 3),
            hazards(Category::Corridor, State::Closed, 4),
            Hazards {
                is_supervised: true,
                township: "白果镇".to_owned(),
                ..hazards(Category::Corridor, State::Closed, 2)
            },
            hazards(Category::Corridor, State::Void, 7),
            hazards(Category::LineBody, State::Duplicate, 9),
            Hazards { is_supervised: true, line: None, ..hazards(Category::ForestFire, State::Closed, 1) },
            Hazards { line: None, ..hazards(Category::FireSighting, State::Closed, 2) },
        ],
        works: vec![
            deed("corridor_felling", &[("length_dm", 5_000)]),
            of_project(
                Deed { is_placed: true, ..deed("covered_conversion", &[("length_dm", 9_000)]) },
                "青杠线改造",
            ),
            of_project(deed("covered_conversion", &[("length_dm", 2_500)]), "青杠线改造 "),
            deed("covered_conversion", &[]),
            deed("selection_set", &[("quantity", 4)]),
            deed("selection_set", &[]),
            deed("pole_breaker", &[("quantity", 6)]),
            deed("relocation_power", &[("quantity", 2)]),
            deed("relocation_telecom", &[]),
            deed("relocation_gas", &[("quantity", 3)]),
            of_project(deed("grid_upgrade", &[("funds_fen", 123_456_789)]), "农网一期"),
            of_project(deed("grid_upgrade", &[("funds_fen", 50_000)]), "农网二期"),
            Deed { voltage: Some("110 kV".to_owned()), ..deed("substation", &[]) },
            Deed { voltage: Some("35kV".to_owned()), ..deed("substation", &[]) },
        ],
        inspections: vec![deed("", &[("findings", 5)]), deed("", &[])],
        activities: vec![
            deed("宣传", &[("sessions", 2), ("people", 300), ("material", 500)]),
            deed("调解", &[("cases", 1), ("amount_fen", 1_234_500)]),
        ],
        stretches: vec![
            // Two people walked the same kilometre, a third a part of the next one.
            stretch(FIRST, StretchKind::Patrol, 0, 1_000_000),
            stretch(FIRST, StretchKind::Patrol, 0, 1_000_000),
            stretch(FIRST, StretchKind::Patrol, 900_000, 1_500_000),
            // 99.999 m: walked, and no line.
            stretch(SECOND, StretchKind::Patrol, 50_000, 149_999),
            stretch(FIRST, StretchKind::Felling, 100_000, 400_000),
            stretch(FIRST, StretchKind::Felling, 300_000, 600_000),
            stretch(FIRST, StretchKind::Clearance, 0, 250_000),
            stretch(FIRST, StretchKind::Conversion, 0, 900_000),
        ],
    }
}

fn report(rows: Rows, standing: Standing) -> Report {
    let period = Period::new(date(2026, 11, 1), date(2026, 11, 30)).unwrap();
    Report::of(Source {
        frame: Frame {
            district: "测试林区".to_owned(),
            code: "test".to_owned(),
            number: Some("test-2026-001".to_owned()),
            period,
            before: period.before().unwrap(),
            time_zone: "Asia/Shanghai".to_owned(),
            cut_off_change: 42,
            cut_off_ms: 1_795_000_000_000,
            cut_off: "2026-11-18 20:26".to_owned(),
        },
        rows,
        before: Rows { hazards: vec![hazards(Category::Corridor, State::Reported, 5)], ..Rows::default() },
        standing,
        limits: Limits::default(),
        line_names: BTreeMap::from([(FIRST, "10kV 青杠线".to_owned()), (SECOND, "<二线> & 支线".to_owned())]),
        late: vec![Late { number: "test-2026-000".to_owned(), count: 3 }],
    })
}

#[test]
fn the_chinese_sentence_says_every_figure_by_the_counting_rules() {
    let report = report(rows(), Standing::default());
    assert_eq!(
        report.sentence_zh,
        "共排查出隐患 9 处，其中 3 处本体隐患、6 处通道隐患，累计排查线路 1 条共 1.60 公里、累计完成通道砍伐 0.50 公里、\
         通道易燃物清理 0.25 公里，已完成全部隐患消缺。实施森林防灭火绝缘化改造项目 2 个，更换绝缘线路 1.15 公里，\
         安装小电流接地选线系统 5 套，安装一二次融合柱上断路器 6 套。对森林防灭火督导检查共计 2 次，发现和督促整改隐患 3 个。\
         开展了 2 处电力线路迁改、1 处通讯线路迁改、3 处天然气迁改。农网升级改造项目 2 个 123.51 万元。新建 110 kV 变电站 1 个。"
    );
    assert!(report.eliminated);
}

#[test]
fn the_english_sentence_says_the_same() {
    let report = report(rows(), Standing::default());
    assert_eq!(
        report.sentence_en,
        "9 hazards were found, 3 on the lines themselves and 6 in their corridors; 1 lines were patrolled over 1.60 km, \
         0.50 km of corridor were felled and 0.25 km cleared of fuel; all hazards are eliminated. 2 covered-conductor \
         projects replaced 1.15 km of line; 5 faulted-feeder selection sets and 6 integrated pole-mounted breakers were \
         installed. 2 supervisory inspections found 3 hazards. 2 power lines, 1 telecom lines and 3 gas lines were \
         relocated. 2 rural grid upgrades at CNY 1235067.89. 1 new 110 kV substations."
    );
}

#[test]
fn nothing_recorded_is_said_with_zeros() {
    let report = report(Rows::default(), Standing::default());
    assert_eq!(
        report.sentence_zh,
        "共排查出隐患 0 处，其中 0 处本体隐患、0 处通道隐患，累计排查线路 0 条共 0.00 公里、累计完成通道砍伐 0.00 公里、\
         通道易燃物清理 0.00 公里，已完成全部隐患消缺。实施森林防灭火绝缘化改造项目 0 个，更换绝缘线路 0.00 公里，\
         安装小电流接地选线系统 0 套，安装一二次融合柱上断路器 0 套。对森林防灭火督导检查共计 0 次，发现和督促整改隐患 0 个。\
         开展了 0 处电力线路迁改、0 处通讯线路迁改、0 处天然气迁改。农网升级改造项目 0 个 0.00 万元。新建 110 kV 变电站 0 个。"
    );
}

#[test]
fn the_other_figures_follow_their_rules() {
    let figures = Figures::of(&rows());
    for (figure, expected) in [
        (Figure::SupervisedOnLines, 2),
        (Figure::ForestFire, 1),
        (Figure::FireSighting, 2),
        (Figure::Unsorted, 0),
        (Figure::Findings, 5),
        (Figure::OtherSubstations, 1),
        (Figure::Activities, 2),
        (Figure::Sessions, 2),
        (Figure::People, 300),
        (Figure::Material, 500),
        (Figure::Households, 0),
        (Figure::Cases, 1),
        (Figure::CasesAmount, 1_234_500),
        (Figure::UnplacedFelling, 1),
        (Figure::UnplacedClearance, 0),
    ] {
        assert_eq!(figures.get(figure), expected, "{}", figure.key());
    }
}

#[test]
fn each_thing_that_stands_against_the_claim_keeps_it_from_being_said() {
    let one = |change: fn(&mut Hazards)| {
        let mut found = hazards(Category::ForestFire, State::Closed, 1);
        change(&mut found);
        Rows { hazards: vec![found], ..Rows::default() }
    };
    let none = Standing::default();
    for (rows, standing, said) in [
        (one(|found| found.state = State::Ordered), none, "未销号 1 处"),
        (one(|found| found.state = State::Disputed), none, "销号存疑 1 处"),
        (one(|found| found.is_provisional = true), none, "报告缺失 1 处"),
        (one(|found| found.state = State::Held), none, "待补 1 处"),
        (Rows::default(), Standing { quarantined: 2, ..none }, "隔离待审记录 2 条"),
        (Rows::default(), Standing { devices_unsent: 3, ..none }, "有记录未上传的设备 3 台"),
        (Rows::default(), Standing { devices_silent: 4, ..none }, "期后尚未联系的设备 4 台"),
    ] {
        let report = report(rows, standing);
        assert!(report.sentence_zh.contains("尚未完成全部隐患消缺（"), "{said}");
        assert!(report.sentence_zh.contains(said), "{said}: {}", report.sentence_zh);
        assert!(!report.sentence_zh.contains("已完成") && !report.eliminated, "{said}");
        assert!(report.sentence_en.contains("not all hazards are eliminated"), "{said}");
    }
    let void = one(|found| found.state = State::Void);
    assert!(report(void, none).eliminated, "what is void is not open");
}

#[test]
fn tables_are_sorted_by_name_and_sum_to_the_figures() {
    let report = report(rows(), Standing::default());
    let townships: Vec<_> =
        report.townships.iter().map(|row| (row.township.as_str(), row.found.on_lines())).collect();
    assert_eq!(townships, [("白果镇", 2), ("青杠镇", 7)]);
    let lines: Vec<_> =
        report.lines.iter().map(|row| (row.name.as_str(), row.found.on_lines(), row.walked_mm)).collect();
    assert_eq!(lines, [("10kV 青杠线", 9, 1_500_000), ("<二线> & 支线", 0, 99_999), ("", 0, 0)]);
}

fn turn_by<T>(rows: &mut [T], turn: usize) {
    let places = turn % rows.len().max(1);
    rows.rotate_left(places);
}

#[test]
fn the_order_of_rows_says_nothing() {
    let expected = report(rows(), Standing::default());
    for turn in 0..rows().works.len() {
        let mut turned = rows();
        turn_by(&mut turned.hazards, turn);
        turn_by(&mut turned.works, turn);
        turned.activities.reverse();
        turn_by(&mut turned.stretches, turn);
        if turn % 2 == 1 {
            turned.stretches.reverse();
            turned.hazards.reverse();
        }
        assert_eq!(report(turned, Standing::default()), expected, "turned by {turn}");
    }
}

#[test]
fn a_report_has_the_same_bytes_however_often_it_is_rendered() {
    let report = report(rows(), Standing::default());
    for format in Format::ALL {
        let first = render(&report, format).unwrap();
        assert_eq!(render(&report, format).unwrap(), first, "{format:?}");
        let elsewhere = std::thread::spawn({
            let report = report.clone();
            move || render(&report, format).unwrap()
        });
        assert_eq!(elsewhere.join().unwrap(), first, "{format:?} on another thread");
    }
}

#[test]
fn every_printed_form_has_the_sentence_the_number_and_the_tables() {
    let report = report(rows(), Standing::default());
    let text = String::from_utf8(render(&report, Format::Text).unwrap()).unwrap();
    let html = String::from_utf8(render(&report, Format::Html).unwrap()).unwrap();
    for form in [&text, &html] {
        assert!(form.contains(&report.sentence_zh) && form.contains("编号 test-2026-001"));
        assert!(form.contains("报告后补传") && form.contains("test-2026-000") && form.contains("白果镇"));
    }
    assert!(text.contains("排查出隐患\t9\t处\t5\t4\n"), "{text}");
    assert!(html.contains("&lt;二线&gt; &amp; 支线") && !html.contains("<二线>"), "names are escaped");
    assert!(html.contains("<svg") && html.contains("1.50 公里"));
    let json: serde_json::Value = serde_json::from_slice(&render(&report, Format::Json).unwrap()).unwrap();
    assert_eq!(json["figures"].as_array().map(Vec::len), Some(Figure::ALL.len()));
    assert_eq!(
        json["figures"][0]["query"],
        "/v1/hazards?counted=true&category=line_body,corridor&found_from=2026-11-01&found_to=2026-11-30"
    );
}

#[test]
fn an_open_hazard_and_a_draft_say_so() {
    let mut open = rows();
    open.hazards.push(hazards(Category::Corridor, State::Rectifying, 1));
    let mut draft = report(open, Standing::default());
    draft.frame.number = None;
    assert!(!draft.eliminated && draft.sentence_zh.contains("未销号 1 处"));
    let text = String::from_utf8(render(&draft, Format::Text).unwrap()).unwrap();
    assert!(text.contains("草稿（未签发）") && !text.contains("编号 test-2026-001"));
}

#[test]
fn a_line_counts_from_its_hundredth_metre() {
    for (to_mm, lines) in [(99_999, 0), (100_000, 1)] {
        let line = uuid::Uuid::from_u128(1);
        let kind = crate::report::rows::StretchKind::Patrol;
        let walked = crate::report::rows::Stretch { line, kind, from_mm: 0, to_mm };
        let rows = crate::report::rows::Rows { stretches: vec![walked], ..Default::default() };
        let figures = crate::report::figures::Figures::of(&rows);
        assert_eq!(figures.get(crate::report::catalogue::Figure::LinesWalked), lines, "{to_mm}");
    }
}

#[test]
fn a_report_read_from_its_own_json_is_the_same_and_a_blanked_text_is_in_none_of_its_forms() {
    let original = report(rows(), Standing::default());
    let json = render(&original, Format::Json).unwrap();
    let mut read: Report = serde_json::from_slice(&json).unwrap();
    assert_eq!(read, original);
    let name =
        original.townships.iter().map(|row| row.township.clone()).find(|name| !name.is_empty()).unwrap();
    // Part of a name, another field, or a text that it does not repeat blank nothing.
    assert!(!read.blank("township", &name[..3], "×"));
    assert!(!read.blank("remarks", &name, "×"));
    assert!(!read.blank("township", "那边", "×"));
    assert_eq!(read, original);
    assert!(read.blank("township", &name, "×"));
    assert_eq!(read.figures, original.figures);
    for format in [Format::Text, Format::Json, Format::Html] {
        let text = String::from_utf8(render(&read, format).unwrap()).unwrap();
        assert!(text.contains('×') && !text.contains(&format!("{name}\"")), "{format:?}");
    }
}
