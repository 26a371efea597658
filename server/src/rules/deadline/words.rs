//! Reasons of a deadline in words, Chinese and English. Days are the district's.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Count, Deadline, DeadlineReason};
use crate::rules::Network;
use crate::rules::season::Risk;

impl Count {
    fn zh(self) -> String {
        match self {
            Self::Hours(hours) => format!("{hours} 小时"),
            Self::Days(days) => format!("{days} 日"),
        }
    }

    fn en(self) -> String {
        match self {
            Self::Hours(hours) => format!("{hours} h"),
            Self::Days(days) => format!("{days} d"),
        }
    }
}

const fn risk_zh(risk: Risk) -> &'static str {
    match risk {
        Risk::Season => "防火期",
        Risk::High => "高火险期",
    }
}

const fn risk_en(risk: Risk) -> &'static str {
    match risk {
        Risk::Season => "fire season",
        Risk::High => "high-risk season",
    }
}

/// The last minute before an instant: 24:00 of a day reads as that day.
fn minute(at_ms: i64, zone: &TimeZone) -> String {
    let Ok(at) = Timestamp::from_millisecond(at_ms) else { return "—".to_owned() };
    let at = at.to_zoned_datetime(zone.clone());
    match (at.hour(), at.minute(), at.yesterday()) {
        (0, 0, Ok(before)) => format!("{} 24:00", before.strftime("%Y-%m-%d")),
        _ => at.strftime("%Y-%m-%d %H:%M").to_string(),
    }
}

impl DeadlineReason {
    /// In Chinese.
    pub fn zh(&self, zone: &TimeZone) -> String {
        match self {
            Self::NetworkAssumed { network } => format!(
                "电压等级未知，按{}线路的期限",
                match network {
                    Network::Distribution => "配电",
                    Network::Transmission => "输电",
                }
            ),
            Self::ForestAssumed => "未记录是否林区，按林区".to_owned(),
            Self::Severity { severity, term, at_ms } => {
                format!("{}：{}，至 {}", severity.zh(), term.zh(), minute(*at_ms, zone))
            }
            Self::Major { term, at_ms } => {
                format!("重大事故隐患：{}，至 {}", term.zh(), minute(*at_ms, zone))
            }
            Self::Season { risk, from, term, at_ms } => {
                format!("林区{}，自 {from} 起 {}，至 {}", risk_zh(*risk), term.zh(), minute(*at_ms, zone))
            }
            Self::Danger { level, from, term, at_ms } => {
                format!("林区火险 {level} 级，自 {from} 起 {}，至 {}", term.zh(), minute(*at_ms, zone))
            }
            Self::Notified { at_ms } => format!("已通知的期限 {} 不延长", minute(*at_ms, zone)),
        }
    }

    /// In English.
    pub fn en(&self, zone: &TimeZone) -> String {
        match self {
            Self::NetworkAssumed { network } => format!(
                "the voltage is unknown: the term of {} lines",
                match network {
                    Network::Distribution => "distribution",
                    Network::Transmission => "transmission",
                }
            ),
            Self::ForestAssumed => "not recorded whether in forest: forest is assumed".to_owned(),
            Self::Severity { severity, term, at_ms } => {
                format!("{}: {}, until {}", severity.as_str(), term.en(), minute(*at_ms, zone))
            }
            Self::Major { term, at_ms } => {
                format!("major hazard: {}, until {}", term.en(), minute(*at_ms, zone))
            }
            Self::Season { risk, from, term, at_ms } => {
                let until = minute(*at_ms, zone);
                format!("{} in forest, from {from}: {}, until {until}", risk_en(*risk), term.en())
            }
            Self::Danger { level, from, term, at_ms } => {
                let until = minute(*at_ms, zone);
                format!("fire danger {level} in forest, from {from}: {}, until {until}", term.en())
            }
            Self::Notified { at_ms } => {
                format!("the notified deadline {} is not lengthened", minute(*at_ms, zone))
            }
        }
    }
}

impl Deadline {
    /// Its reasons in Chinese, one line.
    pub fn zh(&self, zone: &TimeZone) -> String {
        self.reasons.iter().map(|reason| reason.zh(zone)).collect::<Vec<_>>().join("；")
    }

    /// Its reasons in English, one line.
    pub fn en(&self, zone: &TimeZone) -> String {
        self.reasons.iter().map(|reason| reason.en(zone)).collect::<Vec<_>>().join("; ")
    }
}
