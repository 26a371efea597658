//! What an order showed of its hazard when it was issued: kept with it, so that its print never changes. Redacting alone
//! blanks it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an order shows beside its number, unit, measures and deadline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// The bureau.
    pub bureau: String,
    /// The name of who issued it.
    pub issued_by: String,
    /// 编号 of the hazard.
    pub number: String,
    /// The severity, in Chinese.
    pub severity: String,
    /// A major hazard.
    pub is_major: bool,
    /// Texts of the hazard, by the name of the field: [`Self::FIELDS`].
    pub fields: BTreeMap<String, String>,
    /// What the deadline follows from, in Chinese.
    pub basis: String,
    /// Why it was issued, where it says so: that of one that takes another's place above all.
    pub reason: String,
    /// The number of the order before it on the same hazard, whose place it takes.
    pub replaces: Option<String>,
}

impl Shown {
    /// Fields of the hazard that an order shows.
    pub const FIELDS: [&str; 7] =
        ["county", "township", "village", "line_name", "structure_from", "structure_to", "description"];

    /// From what is stored. An order from before this was kept shows nothing of its hazard.
    pub fn decode(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As it is stored: JSON.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Label and value of what is shown of the hazard, in order.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let place = [self.text("county"), self.text("township"), self.text("village")].concat();
        let between = [self.text("structure_from"), self.text("structure_to")].join(" — ");
        let major = if self.is_major { "（重大事故隐患）" } else { "" };
        let rows = [
            ("隐患编号", self.number.clone()),
            ("隐患等级", format!("{}{major}", self.severity)),
            ("地点", place),
            ("线路名称", self.text("line_name").to_owned()),
            ("杆号", between.trim_matches([' ', '—']).to_owned()),
            ("隐患描述", self.text("description").to_owned()),
            ("期限依据", self.basis.clone()),
        ];
        rows.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// Blanks a text wherever it is shown; false where it is shown nowhere.
    pub fn blank(&mut self, secret: &str, blank: &str) -> bool {
        let mut is_blanked = false;
        for text in self.fields.values_mut().chain([&mut self.reason]).filter(|text| *text == secret) {
            blank.clone_into(text);
            is_blanked = true;
        }
        is_blanked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_kept_and_a_secret_is_blanked_wherever_it_stands() {
        let mut shown = Shown {
            severity: "严重".to_owned(),
            is_major: true,
            fields: BTreeMap::from([
                ("township".to_owned(), "云顶镇".to_owned()),
                ("village".to_owned(), "王五家".to_owned()),
                ("description".to_owned(), "王五家".to_owned()),
            ]),
            reason: "王五家".to_owned(),
            ..Shown::default()
        };
        assert!(shown.blank("王五家", "〔已脱敏〕") && !shown.blank("王五家", "〔已脱敏〕"));
        assert_eq!(Shown::decode(&shown.encode()), shown);
        assert_eq!(shown.reason, "〔已脱敏〕");
        let rows = [
            ("隐患等级", "严重（重大事故隐患）".to_owned()),
            ("地点", "云顶镇〔已脱敏〕".to_owned()),
            ("隐患描述", "〔已脱敏〕".to_owned()),
        ];
        assert_eq!(shown.rows(), rows);
        assert_eq!(Shown::decode("{}"), Shown::default());
    }
}
