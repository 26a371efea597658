//! Reasons in words, Chinese and English: every figure with its unit.

use super::{Distance, Reason, Suggestion};
use crate::rules::{Conductor, Cover, Severity};

/// Decimetres as metres with one decimal.
fn metres(dm: u32) -> String {
    format!("{}.{} m", dm / 10, dm % 10)
}

fn volts(volts: &[u32]) -> String {
    let one = |volts: &u32| {
        if *volts < 1_000 {
            format!("{volts} V")
        } else {
            format!("{}.{:03} kV", volts / 1_000, volts % 1_000)
        }
    };
    let all: Vec<String> = volts.iter().map(one).collect();
    all.join(" / ").replace(".000 kV", " kV")
}

impl Distance {
    const fn zh(self) -> &'static str {
        match self {
            Self::Vertical => "垂直距离",
            Self::Horizontal => "水平距离",
            Self::Net => "净空距离",
        }
    }

    const fn en(self) -> &'static str {
        match self {
            Self::Vertical => "vertical distance",
            Self::Horizontal => "horizontal distance",
            Self::Net => "net distance",
        }
    }
}

impl Cover {
    const fn zh(self) -> &'static str {
        match self {
            Self::Forest => "林区",
            Self::Street => "非林区",
            Self::Fruit => "果树或经济作物",
        }
    }

    const fn en(self) -> &'static str {
        match self {
            Self::Forest => "forest",
            Self::Street => "no forest",
            Self::Fruit => "fruit trees or crops",
        }
    }
}

impl Conductor {
    const fn zh(self) -> &'static str {
        match self {
            Self::Bare => "裸导线",
            Self::Covered => "绝缘导线",
        }
    }

    const fn en(self) -> &'static str {
        match self {
            Self::Bare => "a bare conductor",
            Self::Covered => "a covered conductor",
        }
    }
}

impl Reason {
    /// In Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::Voltage { assumption, volts: read, class } => {
                let read = if read.is_empty() { String::new() } else { format!("（{}）", volts(read)) };
                format!("电压{read}：{}，按 {class} kV 级", assumption.zh())
                    .replace("below-1 kV 级", "1 kV 以下")
            }
            Self::ClassAssumed { class } => {
                format!("电压等级未知，按 {class} kV 级").replace("below-1 kV 级", "1 kV 以下")
            }
            Self::CoverAssumed { cover } => format!("未记录是否林区，按{}", cover.zh()),
            Self::ConductorAssumed { conductor } => format!("未记录导线类型，按{}", conductor.zh()),
            Self::ZoneAssumed => "未知是否在保护区内，按在保护区内".to_owned(),
            Self::Clearance { distance, found_dm, minimum_dm, band_dm, severity, .. } => {
                let (name, found) = (distance.zh(), metres(*found_dm));
                let (minimum, band) = (metres(*minimum_dm), metres(minimum_dm.saturating_add(*band_dm)));
                match severity {
                    Some(Severity::Critical) => format!("{name} {found}，不大于最小值 {minimum}：危急"),
                    Some(Severity::Serious) => {
                        format!("{name} {found}，大于最小值 {minimum}、不大于 {band}：严重")
                    }
                    Some(Severity::General) => format!("{name} {found}，大于 {band}，在保护区内：一般"),
                    None => format!("{name} {found}，大于 {band}，不在保护区内"),
                }
            }
            Self::FallIn { tree_height_dm, horizontal_dm, conductor_height_dm, clearance_dm, severity } => {
                let up = conductor_height_dm
                    .map_or_else(|| "导线高度未测".to_owned(), |up| format!("导线高于树根 {}", metres(up)));
                format!(
                    "树高 {}，水平距离 {}，{up}：倒树可进入 {} 的最小距离：{}",
                    metres(*tree_height_dm),
                    metres(*horizontal_dm),
                    metres(*clearance_dm),
                    severity.zh()
                )
            }
        }
    }

    /// In English.
    pub fn en(&self) -> String {
        match self {
            Self::Voltage { assumption, volts: read, class } => {
                let read = if read.is_empty() { String::new() } else { format!(" ({})", volts(read)) };
                format!("voltage{read}: {}; graded as {class} kV", assumption.en())
                    .replace("below-1 kV", "below 1 kV")
            }
            Self::ClassAssumed { class } => {
                format!("the voltage is unknown: {class} kV is assumed").replace("below-1 kV", "below 1 kV")
            }
            Self::CoverAssumed { cover } => format!("land cover not recorded: {} is assumed", cover.en()),
            Self::ConductorAssumed { conductor } => {
                format!("conductor not recorded: {} is assumed", conductor.en())
            }
            Self::ZoneAssumed => "not known to be inside the protection zone: inside is assumed".to_owned(),
            Self::Clearance { distance, found_dm, minimum_dm, band_dm, severity, .. } => {
                let (name, found) = (distance.en(), metres(*found_dm));
                let (minimum, band) = (metres(*minimum_dm), metres(minimum_dm.saturating_add(*band_dm)));
                match severity {
                    Some(Severity::Critical) => {
                        format!("{name} {found}, not above the minimum of {minimum}: critical")
                    }
                    Some(Severity::Serious) => {
                        format!("{name} {found}, above the minimum of {minimum}, not above {band}: serious")
                    }
                    Some(Severity::General) => {
                        format!("{name} {found}, above {band}, inside the protection zone: general")
                    }
                    None => format!("{name} {found}, above {band}, outside the protection zone"),
                }
            }
            Self::FallIn { tree_height_dm, horizontal_dm, conductor_height_dm, clearance_dm, severity } => {
                let up = conductor_height_dm.map_or_else(
                    || "at an unmeasured height".to_owned(),
                    |up| format!("{} above its base", metres(up)),
                );
                format!(
                    "a tree of {} at {} from a conductor {up} falls into the clearance of {}: {}",
                    metres(*tree_height_dm),
                    metres(*horizontal_dm),
                    metres(*clearance_dm),
                    severity.as_str()
                )
            }
        }
    }
}

impl Suggestion {
    /// Its reasons in Chinese, one line.
    pub fn zh(&self) -> String {
        self.reasons.iter().map(Reason::zh).collect::<Vec<_>>().join("；")
    }

    /// Its reasons in English, one line.
    pub fn en(&self) -> String {
        self.reasons.iter().map(Reason::en).collect::<Vec<_>>().join("; ")
    }
}
