//! Chinese words for the terms of fields and states, as the office's ledger has them.

use sync_protocol::view::State;

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
    ("inspector", "巡查员"),
    ("unit", "责任单位"),
    ("reviewer", "审核员"),
    ("clerk", "办事员"),
    ("reinspector", "复查员"),
    ("leader", "领导"),
    ("planner", "规划员"),
    ("admin", "管理员"),
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

/// The word for a term or a state; what is neither stays as it is.
pub fn term(name: &str) -> &str {
    let known = TERMS.iter().find(|(known, _)| *known == name).map(|(_, zh)| *zh);
    known.or_else(|| State::parse(name).map(State::zh)).unwrap_or(name)
}

/// The term of a word; what is none stays as it is.
pub fn unterm(word: &str) -> &str {
    TERMS.iter().find(|(_, zh)| *zh == word).map_or(word, |(known, _)| *known)
}
