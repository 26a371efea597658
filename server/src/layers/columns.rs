//! The columns of each layer.
//!
//! Names are lower-case ASCII, for queries and files; the Chinese heading is the ledger's (domain §7) where the ledger
//! has the column.

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Real,
    /// Yes or no.
    Boolean,
    /// Moments, milliseconds since 1970 UTC.
    Time,
    /// Local days, counted from 1970-01-01.
    Day,
}

/// A column of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in queries and files.
    pub name: &'static str,
    /// Its heading in Chinese.
    pub zh: &'static str,
    /// Its heading in English.
    pub en: &'static str,
    /// What its values are.
    pub kind: ColumnKind,
}

const fn column(name: &'static str, kind: ColumnKind, zh: &'static str, en: &'static str) -> Column {
    Column { name, zh, en, kind }
}

use ColumnKind::{Boolean, Day, Integer, Real, Text, Time};

/// Of [`super::Layer::Hazards`].
#[rustfmt::skip]
pub(super) const HAZARDS: &[Column] = &[
    column("uuid", Text, "记录标识", "Record"),
    column("number", Text, "编号", "Number"),
    column("found", Time, "发现时间", "Found"),
    column("county", Text, "区县", "County"),
    column("township", Text, "乡镇", "Township"),
    column("line_name", Text, "线路名称", "Line"),
    column("line", Text, "线路标识", "Line record"),
    column("voltage_kv", Real, "电压等级", "Voltage (kV)"),
    column("structure_from", Text, "起始杆号", "From structure"),
    column("structure_to", Text, "终止杆号", "To structure"),
    column("chainage_m", Real, "里程（米）", "Chainage (m)"),
    column("offset_m", Real, "距线路（米）", "Offset (m)"),
    column("in_zone", Boolean, "在保护区内", "In protection zone"),
    column("accuracy_m", Real, "定位精度（米）", "Accuracy (m)"),
    column("category", Text, "隐患类别", "Category"),
    column("kind", Text, "隐患类型", "Type"),
    column("description", Text, "描述", "Description"),
    column("severity", Text, "隐患等级", "Severity"),
    column("major", Boolean, "重大事故隐患", "Major hazard"),
    column("state", Text, "状态", "State"),
    column("open", Boolean, "未销号", "Open"),
    column("conflict", Boolean, "有冲突", "In conflict"),
    column("provisional", Boolean, "报告缺失", "Provisional"),
    column("unit", Text, "责任单位", "Responsible unit"),
    column("order_number", Text, "整改通知书编号", "Order"),
    column("due", Time, "整改期限", "Deadline"),
    column("turn", Text, "待处理人员", "Whose turn"),
    column("updated", Time, "更新时间", "Updated"),
];

/// Of [`super::Layer::HazardStates`].
#[rustfmt::skip]
pub(super) const HAZARD_STATES: &[Column] = &[
    column("uuid", Text, "记录标识", "Record"),
    column("number", Text, "编号", "Number"),
    column("category", Text, "隐患类别", "Category"),
    column("kind", Text, "隐患类型", "Type"),
    column("state", Text, "状态", "State"),
    column("open", Boolean, "未销号", "Open"),
    column("valid_from", Time, "状态起始", "Valid from"),
    column("valid_to", Time, "状态终止", "Valid to"),
];

/// Of [`super::Layer::Lines`].
#[rustfmt::skip]
pub(super) const LINES: &[Column] = &[
    column("uuid", Text, "记录标识", "Record"),
    column("external_id", Text, "线路编号", "External id"),
    column("name", Text, "线路名称", "Name"),
    column("voltage_kv", Real, "电压等级", "Voltage (kV)"),
    column("voltage_assumed", Text, "电压说明", "Voltage note"),
    column("length_m", Real, "长度（米）", "Length (m)"),
    column("structures", Integer, "杆塔数", "Structures"),
    column("kind", Text, "线路类型", "Kind"),
    column("voltage", Text, "电压（原文）", "Voltage as given"),
    column("owner", Text, "产权单位", "Owner"),
    column("operator", Text, "运维单位", "Operator"),
];

/// Of [`super::Layer::Structures`].
#[rustfmt::skip]
pub(super) const STRUCTURES: &[Column] = &[
    column("line", Text, "线路标识", "Line record"),
    column("line_name", Text, "线路名称", "Line"),
    column("structure", Text, "杆号", "Structure number"),
    column("chainage_m", Real, "里程（米）", "Chainage (m)"),
    column("external_id", Text, "杆塔编码", "External id"),
    column("number", Text, "杆号（原文）", "Number as given"),
    column("kind", Text, "杆塔类型", "Kind"),
];

/// Of [`super::Layer::Patrolled`].
#[rustfmt::skip]
pub(super) const PATROLLED: &[Column] = &[
    column("line", Text, "线路标识", "Line record"),
    column("line_name", Text, "线路名称", "Line"),
    column("day", Day, "日期", "Day"),
    column("from_m", Real, "起点里程（米）", "From (m)"),
    column("to_m", Real, "终点里程（米）", "To (m)"),
    column("length_m", Real, "长度（米）", "Length (m)"),
];

/// Of [`super::Layer::NotPatrolled`].
#[rustfmt::skip]
pub(super) const NOT_PATROLLED: &[Column] = &[
    column("line", Text, "线路标识", "Line record"),
    column("line_name", Text, "线路名称", "Line"),
    column("since", Day, "自何日起", "Since"),
    column("from_m", Real, "起点里程（米）", "From (m)"),
    column("to_m", Real, "终点里程（米）", "To (m)"),
    column("length_m", Real, "长度（米）", "Length (m)"),
];

/// Of [`super::Layer::Works`].
#[rustfmt::skip]
pub(super) const WORKS: &[Column] = &[
    column("uuid", Text, "记录标识", "Record"),
    column("number", Text, "编号", "Number"),
    column("kind", Text, "作业类型", "Type"),
    column("day", Day, "日期", "Day"),
    column("township", Text, "乡镇", "Township"),
    column("line_name", Text, "线路名称", "Line"),
    column("length_m", Real, "长度（米）", "Length (m)"),
];

/// Of [`super::Layer::Regions`].
#[rustfmt::skip]
pub(super) const REGIONS: &[Column] = &[
    column("uuid", Text, "记录标识", "Record"),
    column("name", Text, "名称", "Name"),
    column("level", Text, "级别", "Level"),
    column("external_id", Text, "区划代码", "External id"),
];

/// Of [`super::Layer::Unsent`].
#[rustfmt::skip]
pub(super) const UNSENT: &[Column] = &[
    column("device", Text, "手机", "Device"),
    column("people", Text, "人员", "People"),
    column("operations", Integer, "未上传条数", "Operations not sent"),
    column("contact", Time, "最近联系", "Last contact"),
];
