//! Chinese words for the terms of fields, as the office's ledger has them. A term that is not known stays as it is.

use serde_json::Value;

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
    value.map(|value| value.as_str().map_or_else(|| plain(value), |name| term(name).to_owned())).unwrap_or_default()
}

/// A value as text: texts as they are, everything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "（空）".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
