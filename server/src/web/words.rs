//! Chinese words for the terms of fields, as the office's ledger has them. A term that is not known stays as it is.

use serde_json::Value;

use crate::sync::listing::Calendar;

const TERMS: &[(&str, &str)] = &[
    ("critical", "危急"),
    ("serious", "严重"),
    ("general", "一般"),
    ("other", "未定级"),
    ("line_body", "本体隐患"),
    ("corridor", "通道隐患"),
    ("forest_fire", "森林火险隐患"),
    ("fire_sighting", "火情"),
    ("foundation", "基础"),
    ("tower", "杆塔"),
    ("conductor", "导地线"),
    ("insulator", "绝缘子"),
    ("fitting", "金具"),
    ("grounding", "接地装置"),
    ("guy", "拉线"),
    ("crossarm", "横担"),
    ("pole_equipment", "柱上设备"),
    ("signage", "附属设施"),
    ("tree", "树障"),
    ("bamboo", "竹"),
    ("flammables", "易燃物"),
    ("illegal_building", "违建"),
    ("construction", "施工"),
    ("stacked_material", "堆物"),
    ("straw_burning", "秸秆烧荒"),
    ("crossing", "交叉跨越"),
    ("foreign_object", "异物"),
    ("ritual_fire", "祭祀用火"),
    ("landslide", "滑坡"),
    ("open_fire", "野外用火"),
    ("smoking", "吸烟"),
    ("fuel_build_up", "可燃物堆积"),
    ("blocked_firebreak", "防火通道堵塞"),
    ("smoke", "烟雾"),
    ("flame", "明火"),
    ("bare", "裸导线"),
    ("covered", "绝缘导线"),
    ("cable", "电缆"),
    ("immediate", "立即整改"),
    ("by_deadline", "限期整改"),
    ("outage", "停运整改"),
    ("corridor_felling", "通道砍伐"),
    ("fuel_clearance", "易燃物清理"),
    ("covered_conversion", "绝缘化改造"),
    ("selection_set", "小电流接地选线系统"),
    ("pole_breaker", "一二次融合柱上断路器"),
    ("relocation_power", "电力线路迁改"),
    ("relocation_telecom", "通讯线路迁改"),
    ("relocation_gas", "天然气迁改"),
    ("grid_upgrade", "农网升级改造"),
    ("substation", "变电站"),
    ("hazard", "隐患"),
    ("patrol", "巡线"),
    ("work", "工程作业"),
    ("inspection", "督导检查"),
    ("activity", "活动"),
    ("active", "在用"),
    ("lost", "遗失"),
    ("revoked", "已吊销"),
    ("pending", "待补证据"),
    ("final", "最终"),
    ("before", "整改前"),
    ("after", "整改后"),
    ("site", "现场"),
];

/// The word for a term.
pub(super) fn term(name: &str) -> &str {
    TERMS.iter().find(|(known, _)| *known == name).map_or(name, |(_, zh)| zh)
}

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
