//! The fields of records: names, types, ranges, rules and labels.
//!
//! The catalogue is data. A field that it does not know is kept and folded as any other: equal values agree,
//! different concurrent values wait as a conflict. Sources of labels: the ledger columns of the office.

use std::sync::LazyLock;

/// How concurrent values of a field settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The worse severity shows; an unknown value ranks as critical, null as nothing.
    Worse,
    /// The position with the smaller known accuracy shows.
    SmallerAccuracy,
    /// Equal values agree; different ones are a conflict, and the SHA-256 of the operation decides what shows.
    Agree,
}

/// The type and range of a field's value. `null` is allowed for every field: asserted empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text of at most [`crate::limits::TEXT_BYTES`] bytes.
    Text,
    /// Text from a list; a value outside it is kept as unknown.
    Term(&'static [&'static str]),
    /// An integer in this closed range.
    Integer(i64, i64),
    /// `true` or `false`.
    Bool,
    /// A record, person or operation id: 16 bytes.
    Id,
    /// A hash: 32 bytes.
    Hash,
    /// An operation by its head: 16 bytes.
    Head,
    /// A position map.
    Position,
    /// An array of track points.
    Track,
    /// An array of latitude and longitude pairs: something drawn on a map.
    Path,
    /// Any value: the field carries another's value.
    Any,
}

/// One field of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// Type and range.
    pub value: FieldType,
    /// How concurrent values settle.
    pub rule: Rule,
    /// Chinese label, as in the ledger.
    pub zh: &'static str,
    /// English label.
    pub en: &'static str,
}

/// The severities, worst first (domain: 危急, 严重, 一般).
pub const SEVERITIES: &[&str] = &["critical", "serious", "general"];
/// Hazard categories: 本体, 通道, 森林火险隐患, 火情.
pub const CATEGORIES: &[&str] = &["line_body", "corridor", "forest_fire", "fire_sighting"];
/// Hazard types of all categories.
pub const TYPES: &[&str] = &[
    "foundation", "tower", "conductor", "insulator", "fitting", "grounding", "guy", "crossarm",
    "pole_equipment", "signage", "tree", "bamboo", "flammables", "illegal_building", "construction",
    "stacked_material", "straw_burning", "crossing", "foreign_object", "ritual_fire", "landslide",
    "open_fire", "smoking", "fuel_build_up", "blocked_firebreak", "smoke", "flame",
];

const fn field(name: &'static str, value: FieldType, zh: &'static str, en: &'static str) -> Field {
    Field { name, value, rule: Rule::Agree, zh, en }
}

const fn ruled(
    name: &'static str,
    value: FieldType,
    rule: Rule,
    zh: &'static str,
    en: &'static str,
) -> Field {
    Field { name, value, rule, zh, en }
}

/// Milliseconds since 1970, from year −1 to 9999: any clock a phone can show.
const TIME: FieldType = FieldType::Integer(-62_198_755_200_000, 253_402_300_799_999);
/// Decimetres up to 10 km.
const DECIMETRES: FieldType = FieldType::Integer(0, 100_000);
const COUNT: FieldType = FieldType::Integer(0, 1_000_000_000);
/// 分, up to 10 万亿元.
const FEN: FieldType = FieldType::Integer(0, 1_000_000_000_000_000);

/// Every known field.
pub const FIELDS: &[Field] = &[
    // What and where.
    field("category", FieldType::Term(CATEGORIES), "隐患类别", "category"),
    field("type", FieldType::Term(TYPES), "隐患类型", "type"),
    ruled("position", FieldType::Position, Rule::SmallerAccuracy, "位置", "position"),
    ruled("severity", FieldType::Term(SEVERITIES), Rule::Worse, "隐患等级", "severity"),
    ruled("graded_severity", FieldType::Term(SEVERITIES), Rule::Worse, "定级", "graded severity"),
    field("major", FieldType::Bool, "重大事故隐患", "major hazard"),
    field("description", FieldType::Text, "描述", "description"),
    field("found_at_ms", TIME, "发现时间", "found at"),
    field("source", FieldType::Text, "来源", "source"),
    field("county", FieldType::Text, "区县", "county"),
    field("township", FieldType::Text, "乡镇", "township"),
    field("village", FieldType::Text, "村组", "village"),
    field("elevation_dm", FieldType::Integer(-5_000, 100_000), "海拔", "elevation"),
    field("forest", FieldType::Bool, "林区", "forest"),
    field("recurs", FieldType::Id, "再次出现自", "recurs"),
    field("inspection", FieldType::Id, "督导检查", "found by inspection"),
    field("external_id", FieldType::Text, "外部编号", "external id"),
    // The line.
    field("owner_unit", FieldType::Text, "产权单位", "owner"),
    field("operator_unit", FieldType::Text, "运维单位", "operator"),
    field("line_name", FieldType::Text, "线路名称", "line"),
    field("line_id", FieldType::Text, "线路编号", "line number"),
    field("voltage", FieldType::Text, "电压等级", "voltage"),
    field("structure_from", FieldType::Text, "起始杆号", "from structure"),
    field("structure_to", FieldType::Text, "终止杆号", "to structure"),
    field("span_length_dm", DECIMETRES, "档距", "span length"),
    field("conductor", FieldType::Term(&["bare", "covered", "cable"]), "导线类型", "conductor"),
    // The tree or object.
    field("species", FieldType::Text, "树种", "species"),
    field("count", COUNT, "数量", "count"),
    field("tree_height_dm", DECIMETRES, "树高", "tree height"),
    field("trunk_diameter_mm", FieldType::Integer(0, 20_000), "胸径", "trunk diameter"),
    field("vertical_dm", DECIMETRES, "垂直距离", "vertical distance"),
    field("horizontal_dm", DECIMETRES, "水平距离", "horizontal distance"),
    // Rectification.
    field("remedy", FieldType::Term(&["immediate", "by_deadline", "outage"]), "整改类型", "remedy class"),
    field("measures", FieldType::Text, "整改措施", "measures"),
    field("responsible_unit", FieldType::Text, "责任单位", "responsible unit"),
    field("responsible_unit_id", FieldType::Id, "责任单位编号", "responsible unit id"),
    field("responsible_person", FieldType::Text, "责任人", "responsible person"),
    field("phone", FieldType::Text, "联系电话", "telephone"),
    field("funds_fen", FEN, "资金", "funds"),
    field("deadline_ms", TIME, "整改期限", "deadline"),
    field("felling_permit", FieldType::Text, "采伐许可", "felling permit"),
    field("order_number", FieldType::Text, "整改通知书编号", "order number"),
    field("ordered_at_ms", TIME, "签发时间", "issued at"),
    field("supervision_level", FieldType::Text, "督办级别", "supervision level"),
    field("completed_at_ms", TIME, "完成时间", "completed at"),
    field("verified_at_ms", TIME, "验收时间", "verified at"),
    field("verdict", FieldType::Text, "验收结论", "verdict"),
    field("measured_dm", DECIMETRES, "复测距离", "measured distance"),
    field("closed_at_ms", TIME, "销号时间", "closed at"),
    field("plan", FieldType::Text, "监控方案", "monitoring plan"),
    field("review_at_ms", TIME, "复核日期", "review date"),
    field("rule_version", FieldType::Text, "规则版本", "rule version"),
    // The five commitments (五落实) of a major hazard.
    field("responsibility_text", FieldType::Text, "落实责任", "commitment: responsibility"),
    field("responsibility_at_ms", TIME, "责任落实日期", "commitment: responsibility, date"),
    field("measures_text", FieldType::Text, "落实措施", "commitment: measures"),
    field("measures_at_ms", TIME, "措施落实日期", "commitment: measures, date"),
    field("funds_text", FieldType::Text, "落实资金", "commitment: funds"),
    field("funds_at_ms", TIME, "资金落实日期", "commitment: funds, date"),
    field("time_limit_text", FieldType::Text, "落实时限", "commitment: time limit"),
    field("time_limit_at_ms", TIME, "时限落实日期", "commitment: time limit, date"),
    field("contingency_text", FieldType::Text, "落实预案", "commitment: contingency plan"),
    field("contingency_at_ms", TIME, "预案落实日期", "commitment: contingency plan, date"),
    field("remarks", FieldType::Text, "备注", "remarks"),
    // Works, patrols, inspections, activities.
    field(
        "work_type",
        FieldType::Term(&[
            "corridor_felling", "fuel_clearance", "covered_conversion", "selection_set", "pole_breaker",
            "relocation_power", "relocation_telecom", "relocation_gas", "grid_upgrade", "substation",
        ]),
        "作业类型",
        "work type",
    ),
    field("length_dm", FieldType::Integer(0, 100_000_000), "长度", "length"),
    field("chainage_from_dm", FieldType::Integer(0, 100_000_000), "起点里程", "from chainage"),
    field("chainage_to_dm", FieldType::Integer(0, 100_000_000), "终点里程", "to chainage"),
    field("drawing", FieldType::Path, "图上绘制", "drawing"),
    field("project", FieldType::Text, "项目", "project"),
    field("quantity", COUNT, "工程量", "quantity"),
    field("unit", FieldType::Text, "受检单位", "inspected unit"),
    field("findings", COUNT, "发现问题数", "findings"),
    field("activity_type", FieldType::Text, "活动类型", "activity type"),
    field("sessions", COUNT, "场次", "sessions"),
    field("people", COUNT, "人次", "people reached"),
    field("material", COUNT, "份数", "material handed out"),
    field("households", COUNT, "户数", "households visited"),
    field("enterprises", COUNT, "企业数", "enterprises visited"),
    field("cases", COUNT, "件数", "cases settled"),
    field("amount_fen", FEN, "涉及金额", "amount"),
    field("started_at_ms", TIME, "开始时间", "started at"),
    field("finished_at_ms", TIME, "结束时间", "finished at"),
];

/// Arguments of single kinds: they say what the operation does and are not fields of the record.
pub const ARGUMENTS: &[Field] = &[
    field("text", FieldType::Text, "内容", "text"),
    field("reason", FieldType::Text, "原因", "reason"),
    field("points", FieldType::Track, "轨迹点", "track points"),
    field("piece", COUNT, "轨迹段号", "piece number"),
    field("duplicate_of", FieldType::Id, "重复于", "duplicate of"),
    field("withdraws", FieldType::Hash, "撤回的操作", "withdrawn operation"),
    field("field", FieldType::Text, "字段", "field"),
    field("value", FieldType::Any, "值", "value"),
    field("operation", FieldType::Hash, "操作", "operation"),
    field("effective_kind", FieldType::Text, "放行后的类型", "effective kind"),
    field("effective_fields", FieldType::Any, "放行后的字段", "effective fields"),
    field("effective_author", FieldType::Id, "原作者", "original author"),
    field("photo", FieldType::Hash, "照片", "photo"),
    field("device", FieldType::Id, "设备", "device"),
    field("sequence", FieldType::Integer(0, i64::MAX), "序号", "sequence"),
    field("chain", FieldType::Hash, "链", "chain"),
    field("predecessor", FieldType::Head, "前序操作", "predecessor"),
    field("version", FieldType::Text, "版本", "version"),
];

/// Where a name stands in the catalogue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) field: &'static Field,
    pub(crate) is_argument: bool,
}

/// The catalogue by name. Every field of every operation is looked up, several times on its way, in a table of our own
/// names: it needs no hash that strangers cannot foresee.
static BY_NAME: LazyLock<foldhash::HashMap<&'static [u8], Entry>> = LazyLock::new(|| {
    let entries = |fields: &'static [Field], is_argument| {
        fields.iter().map(move |field| (field.name.as_bytes(), Entry { field, is_argument }))
    };
    entries(ARGUMENTS, true).chain(entries(FIELDS, false)).collect()
});

/// Where the name that these bytes are stands.
pub(crate) fn entry(name: &[u8]) -> Option<&'static Entry> {
    BY_NAME.get(name)
}

/// The field or argument of this name.
pub fn find(name: &str) -> Option<&'static Field> {
    entry(name.as_bytes()).map(|entry| entry.field)
}

/// Whether a name is an argument of its operation, not a field of the record.
pub fn is_argument(name: &str) -> bool {
    entry(name.as_bytes()).is_some_and(|entry| entry.is_argument)
}

/// The rule of a field; a field that the catalogue does not know has [`Rule::Agree`].
pub fn rule(name: &str) -> Rule {
    entry(name.as_bytes()).filter(|entry| !entry.is_argument).map_or(Rule::Agree, |entry| entry.field.rule)
}

/// How bad a severity is: 3 critical (and any unknown term), 2 serious, 1 general, 0 none.
pub fn severity_rank(term: Option<&str>) -> u8 {
    match term {
        None => 0,
        Some("general") => 1,
        Some("serious") => 2,
        Some(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_once_and_as_what_it_is() {
        assert_eq!(BY_NAME.len(), FIELDS.len() + ARGUMENTS.len(), "no name stands twice in the catalogue");
        for (fields, argument) in [(FIELDS, false), (ARGUMENTS, true)] {
            for field in fields {
                assert_eq!(find(field.name).map(|found| found.zh), Some(field.zh));
                assert_eq!(is_argument(field.name), argument, "{}", field.name);
                assert_eq!(rule(field.name), field.rule, "{}", field.name);
            }
        }
        assert!(find("of tomorrow").is_none() && !is_argument("of tomorrow"));
        assert_eq!(rule("of tomorrow"), Rule::Agree);
    }
}
