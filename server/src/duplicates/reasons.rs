//! Why two records are proposed as one: figures, and the words for them.

use serde::{Deserialize, Serialize};

/// One reason. Rendered by [`Reason::zh`] and [`Reason::en`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// Both are of one category and type.
    SameType {
        /// The category.
        category: String,
        /// The type.
        kind: String,
    },
    /// Both are of one category; the type of one is not known.
    TypeUnknown {
        /// The category.
        category: String,
    },
    /// How far apart they are.
    Near {
        /// Straight, millimetres.
        distance_mm: u64,
        /// What both accuracies let expect, millimetres.
        error_mm: u64,
    },
    /// They stand on one line.
    AlongLine {
        /// So far apart along it, millimetres.
        along_mm: u64,
    },
    /// They stand on two lines.
    OtherLine,
    /// They were found so long after one another.
    Found {
        /// Milliseconds.
        apart_ms: u64,
    },
    /// The same words.
    SameText,
    /// The same photo.
    SamePhoto,
}

/// Millimetres as metres with one decimal.
fn metres(mm: u64) -> String {
    let dm = mm.saturating_add(50) / 100;
    format!("{}.{} m", dm / 10, dm % 10)
}

/// A length of time in the largest unit that it has two of.
fn time(ms: u64, units: [&str; 3]) -> String {
    let [minutes, hours, days] = units;
    let whole = ms / 60_000;
    match whole {
        0..120 => format!("{whole} {minutes}"),
        120..2_880 => format!("{} {hours}", whole / 60),
        _ => format!("{} {days}", whole / 1_440),
    }
}

impl Reason {
    /// In Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::SameType { .. } => "类别和类型相同".to_owned(),
            Self::TypeUnknown { .. } => "类别相同，其中一处未填写类型".to_owned(),
            Self::Near { distance_mm, error_mm } => {
                format!("相距 {}（两次定位误差合计约 {}）", metres(*distance_mm), metres(*error_mm))
            }
            Self::AlongLine { along_mm } => format!("在同一条线路上，沿线相距 {}", metres(*along_mm)),
            Self::OtherLine => "在两条不同的线路上".to_owned(),
            Self::Found { apart_ms } => {
                format!("发现时间相隔 {}", time(*apart_ms, ["分钟", "小时", "天"]))
            }
            Self::SameText => "描述相同".to_owned(),
            Self::SamePhoto => "有同一张照片".to_owned(),
        }
    }

    /// In English.
    pub fn en(&self) -> String {
        match self {
            Self::SameType { .. } => "the same category and type".to_owned(),
            Self::TypeUnknown { .. } => "the same category; the type of one is not known".to_owned(),
            Self::Near { distance_mm, error_mm } => {
                format!("{} apart (expected error of both fixes {})", metres(*distance_mm), metres(*error_mm))
            }
            Self::AlongLine { along_mm } => format!("on one line, {} apart along it", metres(*along_mm)),
            Self::OtherLine => "on two different lines".to_owned(),
            Self::Found { apart_ms } => {
                format!("found {} apart", time(*apart_ms, ["minutes", "hours", "days"]))
            }
            Self::SameText => "the same description".to_owned(),
            Self::SamePhoto => "the same photo".to_owned(),
        }
    }
}
