//! 已完成全部隐患消缺 as a checked claim: what stands against it, count by count.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sync_protocol::view::State;

use super::figures::is_counted;
use super::period::Period;
use super::rows::Hazards;

/// What stands against "all eliminated". The claim holds where every count is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Hazards of the period in an open state, whatever their category; disputed and held ones too.
    pub open: i64,
    /// 销号存疑, of the open ones.
    pub disputed: i64,
    /// 报告缺失
    pub provisional: i64,
    /// 待补, of the open ones.
    pub held: i64,
    /// Operations in quarantine that came in or after the period and wait for a decision.
    pub quarantined: i64,
    /// Devices in use of which the ledger lacks what they say they have recorded.
    pub devices_unsent: i64,
    /// Devices in use that were not heard of since the period ended (or for a day, where it runs still).
    pub devices_silent: i64,
}

impl Standing {
    /// What hazards alone say.
    pub fn of(hazards: &[Hazards]) -> Self {
        let mut standing = Self::default();
        for hazards in hazards.iter().filter(|hazards| is_counted(hazards.state)) {
            let count_if = |condition: bool| if condition { hazards.count } else { 0 };
            standing.open += count_if(hazards.state.is_open());
            standing.disputed += count_if(hazards.state == State::Disputed);
            standing.provisional += count_if(hazards.is_provisional);
            standing.held += count_if(hazards.state == State::Held);
        }
        standing
    }

    /// Whether every hazard of the period is eliminated, as far as can be known.
    pub fn is_eliminated(&self) -> bool {
        *self == Self::default()
    }

    /// Every count with its words and the list that shows its rows.
    pub fn counts(&self, period: &Period, limits: Limits) -> [Against; 7] {
        let of_hazards = |filter: &str| {
            format!("/v1/hazards?counted=true&{filter}&found_from={}&found_to={}", period.from, period.to)
        };
        let against =
            |key: &'static str, zh: &'static str, unit_zh: &'static str, en: &'static str, value, query| {
                let (key, zh, unit_zh, en) = (key.into(), zh.into(), unit_zh.into(), en.into());
                Against { key, zh, unit_zh, en, value, query }
            };
        [
            against("open", "未销号隐患", "处", "open hazards", self.open, of_hazards("open=true")),
            against(
                "disputed",
                "其中销号存疑",
                "处",
                "of them disputed",
                self.disputed,
                of_hazards("state=disputed"),
            ),
            against(
                "provisional",
                "报告缺失",
                "处",
                "provisional",
                self.provisional,
                of_hazards("provisional=true"),
            ),
            against("held", "其中待补", "处", "of them held", self.held, of_hazards("state=held")),
            against(
                "quarantined",
                "隔离待审记录",
                "条",
                "operations in quarantine",
                self.quarantined,
                format!("/v1/quarantine?released=false&since_ms={}", limits.quarantined_since_ms),
            ),
            against(
                "devices_unsent",
                "有记录未上传的设备",
                "台",
                "devices with unsent work",
                self.devices_unsent,
                "/v1/devices?unsent=true".to_owned(),
            ),
            against(
                "devices_silent",
                "期后尚未联系的设备",
                "台",
                "devices not heard of since",
                self.devices_silent,
                format!("/v1/devices?silent_before_ms={}", limits.heard_since_ms),
            ),
        ]
    }
}

/// From when on things of the period may have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// What was received at or after this moment may be of the period: its first midnight.
    pub quarantined_since_ms: i64,
    /// A device that was heard of at or after this moment has handed in what it had of the period.
    pub heard_since_ms: i64,
}

/// A count that stands against the claim where it is not 0.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Against {
    /// Its name.
    pub key: Cow<'static, str>,
    /// Its Chinese label.
    pub zh: Cow<'static, str>,
    /// The unit that follows it in Chinese.
    pub unit_zh: Cow<'static, str>,
    /// Its English label.
    pub en: Cow<'static, str>,
    /// The count.
    pub value: i64,
    /// Where its rows are listed.
    pub query: String,
}
