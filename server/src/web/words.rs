//! Chinese words for the terms of fields, as the office's ledger has them. A term that is not known stays as it is.

use serde_json::Value;

pub(super) use crate::layers::term;
use crate::sync::listing::Calendar;

/// The word for a term that a field holds.
pub(super) fn term_of(value: Option<&Value>) -> String {
    value
        .map(|value| value.as_str().map_or_else(|| plain(value), |name| term(name).to_owned()))
        .unwrap_or_default()
}

/// A field's value as people read it: local time, metres, 元, 是 or 否.
pub(super) fn shown(field: &str, value: &Value, calendar: &Calendar) -> String {
    if let Some(truth) = value.as_bool() {
        return if truth { "是" } else { "否" }.to_owned();
    }
    if let (Some(lat), Some(lon)) = (e7(value, "lat_e7"), e7(value, "lon_e7")) {
        return format!("北纬 {lat}，东经 {lon}");
    }
    let Some(number) = value.as_i64() else { return term_of(Some(value)) };
    match field.rsplit_once('_').map(|(_, unit)| unit) {
        Some("ms") => calendar.minute(number),
        Some("dm") => format!("{}.{} 米", number / 10, (number % 10).abs()),
        Some("mm") => format!("{number} 毫米"),
        Some("fen") => format!("{}.{:02} 元", number / 100, (number % 100).abs()),
        _ => number.to_string(),
    }
}

fn e7(position: &Value, key: &str) -> Option<f64> {
    let e7 = i32::try_from(position.get(key)?.as_i64()?).ok()?;
    Some(f64::from(e7) / 1e7)
}

/// A value as text: texts as they are, everything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "（空）".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_shown_as_people_read_them() {
        let calendar = Calendar::default();
        for (field, value, expected) in [
            ("found_at_ms", json!(0), "1970-01-01 00:00"),
            ("tree_height_dm", json!(192), "19.2 米"),
            ("funds_fen", json!(320_005), "3200.05 元"),
            ("forest", json!(true), "是"),
            ("count", json!(3), "3"),
            ("type", json!("tree"), "树障"),
            ("type", json!("later-term"), "later-term"),
            ("position", json!({"lat_e7": 300_000_000, "lon_e7": 1_030_000_000}), "北纬 30，东经 103"),
            ("county", Value::Null, "（空）"),
        ] {
            assert_eq!(shown(field, &value, &calendar), expected, "{field}");
        }
    }
}
