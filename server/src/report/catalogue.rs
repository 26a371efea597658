//! Every figure of a report: its name, its words, its unit, and the list of our own API that shows its rows.

use serde::{Deserialize, Serialize};

use super::period::Period;
use super::units::{kilometres, ten_thousand_yuan};

/// Of what a figure is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Things.
    Count,
    /// Millimetres, printed as kilometres.
    Mm,
    /// 分, printed as 万元.
    Fen,
}

impl Unit {
    /// A value as it is printed.
    pub fn printed(self, value: i64) -> String {
        match self {
            Self::Count => value.to_string(),
            Self::Mm => kilometres(value),
            Self::Fen => ten_thousand_yuan(value),
        }
    }
}

/// How a figure follows from the rows that its query lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// It is their number.
    Rows,
    /// It is the sum of this amount; a row that does not state it counts as the second value.
    Sum(&'static str, i64),
    /// It is the number of their projects; a row that names none is a project of its own.
    Projects,
}

impl Measure {
    /// As the API says it.
    pub fn to_text(self) -> String {
        match self {
            Self::Rows => "rows".to_owned(),
            Self::Sum(amount, absent) => format!("sum {amount}, {absent} where absent"),
            Self::Projects => "distinct project, or the row itself".to_owned(),
        }
    }
}

macro_rules! figures {
    ($($(#[$doc:meta])* $variant:ident = $key:literal, $unit:ident, $zh:literal, $unit_zh:literal, $en:literal, $path:literal, $measure:expr;)*) => {
        /// A figure of the report.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Figure {
            $(#[doc = $zh] $(#[$doc])* $variant,)*
        }

        impl Figure {
            /// Every figure, in the order in which they are printed.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in JSON. Never changed, never reused.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }

            /// Of what it is a number.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit,)* }
            }

            /// Its Chinese label.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)* }
            }

            /// The Chinese unit that follows its printed value.
            pub const fn unit_zh(self) -> &'static str {
                match self { $(Self::$variant => $unit_zh,)* }
            }

            /// Its English label.
            pub const fn en(self) -> &'static str {
                match self { $(Self::$variant => $en,)* }
            }

            /// How it follows from the rows of its query.
            pub const fn measure(self) -> Measure {
                match self { $(Self::$variant => $measure,)* }
            }

            const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)* }
            }
        }
    };
}

figures! {
    Hazards = "hazards", Count, "排查出隐患", "处", "hazards found",
        "/v1/hazards?counted=true&category=line_body,corridor&found", Measure::Rows;
    LineBody = "hazards_line_body", Count, "其中本体隐患", "处", "of them on the line itself",
        "/v1/hazards?counted=true&category=line_body&found", Measure::Rows;
    Corridor = "hazards_corridor", Count, "其中通道隐患", "处", "of them in the corridor",
        "/v1/hazards?counted=true&category=corridor&found", Measure::Rows;
    SupervisedOnLines = "hazards_supervised", Count, "其中督导检查发现", "处", "of them found by supervisory inspections",
        "/v1/hazards?counted=true&category=line_body,corridor&supervised=true&found", Measure::Rows;
    ForestFire = "forest_fire_hazards", Count, "森林火险隐患", "处", "fire hazards away from lines",
        "/v1/hazards?counted=true&category=forest_fire&found", Measure::Rows;
    FireSighting = "fire_sightings", Count, "火情", "起", "fire sightings",
        "/v1/hazards?counted=true&category=fire_sighting&found", Measure::Rows;
    Unsorted = "hazards_unsorted", Count, "类别未填的隐患", "处", "hazards of no known category",
        "/v1/hazards?counted=true&category=none&found", Measure::Rows;
    LinesWalked = "lines_walked", Count, "累计排查线路", "条", "lines patrolled",
        "/v1/stretches?kind=patrol&at_least_m=100&", Measure::Rows;
    Walked = "walked_mm", Mm, "累计排查线路长度", "公里", "line patrolled",
        "/v1/stretches?kind=patrol&", Measure::Sum("length_mm", 0);
    Felled = "felled_mm", Mm, "累计完成通道砍伐", "公里", "corridor felled",
        "/v1/stretches?kind=corridor_felling&", Measure::Sum("length_mm", 0);
    Cleared = "cleared_mm", Mm, "通道易燃物清理", "公里", "fuel cleared",
        "/v1/stretches?kind=fuel_clearance&", Measure::Sum("length_mm", 0);
    ConversionProjects = "conversion_projects", Count, "绝缘化改造项目", "个", "covered-conductor projects",
        "/v1/works?type=covered_conversion&", Measure::Projects;
    Converted = "converted_mm", Mm, "更换绝缘线路", "公里", "line converted to covered conductor",
        "/v1/stretches?kind=covered_conversion&unplaced=true&", Measure::Sum("length_mm", 0);
    SelectionSets = "selection_sets", Count, "小电流接地选线系统", "套", "faulted-feeder selection sets",
        "/v1/works?type=selection_set&", Measure::Sum("quantity", 1);
    PoleBreakers = "pole_breakers", Count, "一二次融合柱上断路器", "套", "integrated pole-mounted breakers",
        "/v1/works?type=pole_breaker&", Measure::Sum("quantity", 1);
    Inspections = "inspections", Count, "督导检查", "次", "supervisory inspections",
        "/v1/inspections?", Measure::Rows;
    Supervised = "inspection_hazards", Count, "督导发现和督促整改隐患", "个", "hazards found by them",
        "/v1/hazards?counted=true&supervised=true&found", Measure::Rows;
    Findings = "inspection_findings", Count, "督导记录自填问题数", "个", "findings as the inspections state them",
        "/v1/inspections?", Measure::Sum("findings", 0);
    RelocationsPower = "relocations_power", Count, "电力线路迁改", "处", "power lines relocated",
        "/v1/works?type=relocation_power&", Measure::Sum("quantity", 1);
    RelocationsTelecom = "relocations_telecom", Count, "通讯线路迁改", "处", "telecom lines relocated",
        "/v1/works?type=relocation_telecom&", Measure::Sum("quantity", 1);
    RelocationsGas = "relocations_gas", Count, "天然气迁改", "处", "gas lines relocated",
        "/v1/works?type=relocation_gas&", Measure::Sum("quantity", 1);
    GridProjects = "grid_projects", Count, "农网升级改造项目", "个", "rural grid upgrades",
        "/v1/works?type=grid_upgrade&", Measure::Projects;
    GridFunds = "grid_funds_fen", Fen, "农网升级改造资金", "万元", "funds of rural grid upgrades",
        "/v1/works?type=grid_upgrade&", Measure::Sum("funds_fen", 0);
    Substations = "substations", Count, "新建 110 kV 变电站", "个", "new 110 kV substations",
        "/v1/works?type=substation&voltage=110&", Measure::Sum("quantity", 1);
    OtherSubstations = "substations_other", Count, "新建其他变电站", "个", "new substations of another voltage",
        "/v1/works?type=substation&voltage=other&", Measure::Sum("quantity", 1);
    Activities = "activities", Count, "宣传培训等活动", "项", "activities",
        "/v1/activities?", Measure::Rows;
    Sessions = "sessions", Count, "场次", "场次", "sessions",
        "/v1/activities?", Measure::Sum("sessions", 0);
    People = "people", Count, "受众", "人次", "people reached",
        "/v1/activities?", Measure::Sum("people", 0);
    Material = "material", Count, "发放资料", "份", "material handed out",
        "/v1/activities?", Measure::Sum("material", 0);
    Households = "households", Count, "走访农户", "户", "households visited",
        "/v1/activities?", Measure::Sum("households", 0);
    Enterprises = "enterprises", Count, "走访企业", "家", "enterprises visited",
        "/v1/activities?", Measure::Sum("enterprises", 0);
    Cases = "cases", Count, "化解投诉纠纷", "件", "cases settled",
        "/v1/activities?", Measure::Sum("cases", 0);
    CasesAmount = "cases_amount_fen", Fen, "涉及金额", "万元", "amount of those cases",
        "/v1/activities?", Measure::Sum("amount_fen", 0);
    UnplacedFelling = "felling_unplaced", Count, "未落到线路的通道砍伐（未计公里）", "处", "felling on no known stretch (no km counted)",
        "/v1/works?type=corridor_felling&placed=false&", Measure::Rows;
    UnplacedClearance = "clearance_unplaced", Count, "未落到线路的易燃物清理（未计公里）", "处", "clearance on no known stretch (no km counted)",
        "/v1/works?type=fuel_clearance&placed=false&", Measure::Rows;
}

impl Figure {
    /// Where its rows are listed: a path of our API.
    pub fn query(self, period: &Period) -> String {
        let path = self.path();
        match path.strip_suffix("found") {
            Some(path) => format!("{path}found_from={}&found_to={}", period.from, period.to),
            None => format!("{path}from={}&to={}", period.from, period.to),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_and_labels_are_distinct() {
        let distinct = |name: fn(Figure) -> &'static str| {
            Figure::ALL.iter().map(|figure| name(*figure)).collect::<BTreeSet<_>>().len()
        };
        assert_eq!(distinct(Figure::key), Figure::ALL.len());
        assert_eq!(distinct(Figure::zh), Figure::ALL.len());
        assert_eq!(distinct(Figure::en), Figure::ALL.len());
    }

    #[test]
    fn a_query_names_the_days_of_its_period() {
        let day = jiff::civil::date(2026, 11, 1);
        let period = Period::new(day, day).unwrap();
        assert_eq!(Figure::Inspections.query(&period), "/v1/inspections?from=2026-11-01&to=2026-11-01");
        assert_eq!(
            Figure::LineBody.query(&period),
            "/v1/hazards?counted=true&category=line_body&found_from=2026-11-01&found_to=2026-11-01"
        );
    }
}
