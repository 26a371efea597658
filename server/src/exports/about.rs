//! What a file says about itself: which state of the ledger it is of, by which rules that counts, and what is still
//! missing because phones hold it. Every format has a place for it; which one is in docs/maps.md.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Headings, Outline, text};
use crate::layers::Words;

/// A device that still holds what it has not sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsent {
    /// The device, as the office calls it.
    pub device: String,
    /// Who works with it.
    pub people: String,
    /// Operations that it is known to hold; none where only its silence is known.
    pub operations: Option<i64>,
    /// Boxes of the area it works in: least longitude and latitude, greatest longitude and latitude, WGS-84 degrees.
    pub boxes: Vec<[f64; 4]>,
}

/// What a file is of.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// The district's name.
    pub district: String,
    /// Its code.
    pub code: String,
    /// Whose days and hours local times are.
    pub zone: TimeZone,
    /// The last change of the ledger that is in the file.
    pub change: u64,
    /// The moment of that change, milliseconds since 1970 UTC.
    pub change_ms: i64,
    /// The version of the bureau's rules.
    pub rules: String,
    /// The version of lines, structures and regions.
    pub grid: String,
    /// The filters, as in a query string.
    pub filters: String,
    /// What is not in the ledger yet.
    pub unsent: Vec<Unsent>,
}

/// How hazards are counted (domain §1).
pub const COUNTING: Words = Words {
    zh: "作废与重复的隐患不计入总数；存疑、报告缺失的隐患按未销号计；隐患等级取未被后续复核替代的最严重值；同一线段同一时期内只计一次；\
         日期为本区县当地日期，起止日均含；逾期按打开文件时的时间判断，不写入文件。",
    en: "void and duplicate hazards are outside every total; disputed and provisional ones count as open; the severity is \
         the worst that nothing later has replaced; a stretch of a line counts once in a period; days are local to the district, both \
         ends included; overdue depends on when a file is read and is not written into it.",
};

impl Outline {
    /// Everything as JSON.
    pub fn about_json(&self) -> Value {
        let about = &self.about;
        let unsent: Vec<Value> = about
            .unsent
            .iter()
            .map(|it| {
                json!({ "device": it.device, "people": it.people, "operations": it.operations, "boxes": it.boxes })
            })
            .collect();
        json!({
            "layer": self.schema.name,
            "title": { "zh": self.schema.title.zh, "en": self.schema.title.en },
            "district": { "code": about.code, "name": about.district },
            "time_zone": about.zone.iana_name().unwrap_or("UTC"),
            "datum": self.reference.to_string(),
            "epsg": self.reference.epsg(),
            "change": about.change,
            "change_time": text::utc(about.change_ms),
            "rules": about.rules,
            "grid": about.grid,
            "filters": about.filters,
            "counting_rules": { "zh": COUNTING.zh, "en": COUNTING.en },
            "unsent": unsent,
        })
    }

    /// Everything but the devices in lines of a name and a value, for people.
    pub fn about_lines(&self) -> Vec<(&'static str, String)> {
        let about = &self.about;
        let name = |zh, en| self.says(Words { zh, en });
        let unnamed = name(
            "无对应的 EPSG 坐标系，不可与 WGS-84 图层叠加",
            "no EPSG system: not to be laid over WGS-84",
        );
        let system = self.reference.epsg().map_or_else(|| unnamed.to_owned(), |code| format!("EPSG:{code}"));
        let datum = format!("{} ({system})", self.reference.title());
        vec![
            (name("图层", "Layer"), self.says(self.schema.title).to_owned()),
            (name("区县", "District"), format!("{} {}", about.code, about.district)),
            (name("坐标系", "Coordinates"), datum),
            (name("台账变更号", "Ledger change"), about.change.to_string()),
            (name("变更时间", "Time of that change"), text::local(&about.zone, about.change_ms)),
            (name("规则版本", "Rules"), about.rules.clone()),
            (name("线路台账版本", "Grid"), about.grid.clone()),
            (
                name("筛选条件", "Filters"),
                if about.filters.is_empty() { "-".to_owned() } else { about.filters.clone() },
            ),
            (name("统计规则", "Counting rules"), self.says(COUNTING).to_owned()),
            (name("尚有未上传数据", "Not sent yet"), self.unsent_line()),
        ]
    }

    /// Devices that hold what is not sent, each a line of a name and a value. Of those that are told without a name, whose
    /// they are and where, how much it is stands among [`Self::about_lines`].
    pub fn device_lines(&self) -> Vec<(&'static str, String)> {
        let name = self.says(Words { zh: "手机", en: "Device" });
        let is_told = |it: &&Unsent| !(it.device.is_empty() && it.people.is_empty() && it.boxes.is_empty());
        let told = self.about.unsent.iter().filter(is_told);
        told.map(|it| {
            let boxes: Vec<String> =
                it.boxes.iter().map(|[w, s, e, n]| format!("[{w}, {s}, {e}, {n}]")).collect();
            let operations = it.operations.map_or_else(|| "?".to_owned(), |count| count.to_string());
            (name, format!("{}; {}; {operations}; {}", it.device, it.people, boxes.join(" ")))
        })
        .collect()
    }

    /// All of it as one text.
    pub fn about_text(&self) -> String {
        let lines = self
            .about_lines()
            .into_iter()
            .chain(self.device_lines())
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        lines.collect::<Vec<_>>().concat()
    }

    /// How much is known to be missing, in a few words.
    pub fn unsent_line(&self) -> String {
        let devices = self.about.unsent.len();
        let known: Vec<i64> = self.about.unsent.iter().filter_map(|it| it.operations).collect();
        let (operations, unknown) = (known.iter().sum::<i64>(), devices - known.len());
        match self.headings {
            Headings::Zh if devices == 0 => "无".to_owned(),
            Headings::Zh if known.is_empty() => format!("{devices} 部手机，条数不明"),
            Headings::Zh if unknown > 0 => {
                format!("{devices} 部手机，至少 {operations} 条记录，其中 {unknown} 部条数不明")
            }
            Headings::Zh => format!("{devices} 部手机，{operations} 条记录"),
            Headings::En if devices == 0 => "none".to_owned(),
            Headings::En if known.is_empty() => format!("{devices} devices, operations unknown"),
            Headings::En if unknown > 0 => {
                format!("{devices} devices, at least {operations} operations, those of {unknown} unknown")
            }
            Headings::En => format!("{devices} devices, {operations} operations"),
        }
    }
}
