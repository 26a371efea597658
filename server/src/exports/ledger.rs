//! The ledger (台账) as offices keep it: one row a hazard, the columns of domain §7 in their order.
//!
//! Its rows are features like those of the map's layers, so that every format writes it. Three of its columns say the
//! place in the coordinates of the file; `PlaceColumns` fills them once a feature has them.

use geo::Geometry;

use super::{Outline, Schema};
use crate::layers::{Column, ColumnKind, Feature, Shape, Value, Words};

const fn column(name: &'static str, kind: ColumnKind, zh: &'static str, en: &'static str) -> Column {
    Column { name, zh, en, kind }
}

use ColumnKind::{Boolean, Integer, Real, Text, Time};

/// The columns of the ledger.
#[rustfmt::skip]
pub const COLUMNS: &[Column] = &[
    column("number", Text, "编号", "Number"),
    column("found", Time, "发现时间", "Found"),
    column("finder", Text, "发现人", "Found by"),
    column("source", Text, "来源", "Source"),
    column("county", Text, "区县", "County"),
    column("township", Text, "乡镇", "Township"),
    column("village", Text, "村组", "Village"),
    column("owner_unit", Text, "产权单位", "Owner"),
    column("operator_unit", Text, "运维单位", "Operator"),
    column("line_name", Text, "线路名称", "Line"),
    column("voltage", Text, "电压等级", "Voltage"),
    column("structure_from", Text, "起始杆号", "From structure"),
    column("structure_to", Text, "终止杆号", "To structure"),
    column("span_length_m", Real, "档距", "Span length (m)"),
    column("longitude", Real, "经度", "Longitude or easting"),
    column("latitude", Real, "纬度", "Latitude or northing"),
    column("datum", Text, "坐标系", "Coordinates"),
    column("elevation_m", Real, "海拔", "Elevation (m)"),
    column("category", Text, "隐患类别", "Category"),
    column("kind", Text, "隐患类型", "Type"),
    column("description", Text, "描述", "Description"),
    column("species", Text, "树种", "Species"),
    column("count", Integer, "数量", "Count"),
    column("tree_height_m", Real, "树高", "Tree height (m)"),
    column("trunk_diameter_mm", Integer, "胸径", "Trunk diameter (mm)"),
    column("vertical_m", Real, "垂直距离", "Vertical distance (m)"),
    column("horizontal_m", Real, "水平距离", "Horizontal distance (m)"),
    column("conductor", Text, "导线类型", "Conductor"),
    column("forest", Boolean, "林区", "Forest"),
    column("severity", Text, "隐患等级", "Severity"),
    column("remedy", Text, "整改类型", "Remedy"),
    column("measures", Text, "整改措施", "Measures"),
    column("responsible_unit", Text, "责任单位", "Responsible unit"),
    column("responsible_person", Text, "责任人", "Responsible person"),
    column("phone", Text, "联系电话", "Telephone"),
    column("funds_yuan", Real, "资金", "Funds (yuan)"),
    column("due", Time, "整改期限", "Deadline"),
    column("felling_permit", Text, "采伐许可", "Felling permit"),
    column("photos_before", Integer, "整改前照片", "Photos before"),
    column("photos_after", Integer, "整改后照片", "Photos after"),
    column("completed", Time, "完成时间", "Completed"),
    column("verifier", Text, "验收人", "Verified by"),
    column("verified", Time, "验收时间", "Verified"),
    column("verdict", Text, "验收结论", "Verdict"),
    column("closed", Time, "销号时间", "Closed"),
    column("supervision_level", Text, "督办级别", "Supervision level"),
    column("extensions", Integer, "延期次数", "Extensions"),
    column("remarks", Text, "备注", "Remarks"),
];

/// The ledger as a file has it.
pub const SCHEMA: Schema = Schema {
    name: "ledger",
    title: Words { zh: "隐患台账", en: "Hazard ledger" },
    shape: Shape::Point,
    columns: COLUMNS,
};

impl Schema {
    /// Whether columns of its own say the place, so that a table needs no others.
    pub fn tells_place(&self) -> bool {
        self.columns.iter().any(|column| column.name == "longitude")
    }
}

/// Where the columns of the place stand.
#[derive(Debug)]
pub(super) struct PlaceColumns {
    x: usize,
    y: usize,
    datum: usize,
    title: String,
}

impl PlaceColumns {
    pub(super) fn of(outline: &Outline) -> Option<Self> {
        let at = |name: &str| outline.schema.columns.iter().position(|column| column.name == name);
        let (x, y, datum) = (at("longitude")?, at("latitude")?, at("datum")?);
        Some(Self { x, y, datum, title: outline.reference.title() })
    }

    /// Says the place of a feature in its columns.
    pub(super) fn fill(&self, feature: &mut Feature) {
        let Some(Geometry::Point(point)) = &feature.geometry else { return };
        let values = [
            (self.x, Value::Real(point.x())),
            (self.y, Value::Real(point.y())),
            (self.datum, Value::Text(self.title.clone())),
        ];
        for (at, value) in values {
            if let Some(cell) = feature.values.get_mut(at) {
                *cell = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Domain §7, word for word.
    const ORDER: &str = "编号, 发现时间, 发现人, 来源, 区县, 乡镇, 村组, 产权单位, 运维单位, 线路名称, 电压等级, 起始杆号, 终止杆号, 档距, \
        经度, 纬度, 坐标系, 海拔, 隐患类别, 隐患类型, 描述, 树种, 数量, 树高, 胸径, 垂直距离, 水平距离, 导线类型, 林区, 隐患等级, 整改类型, \
        整改措施, 责任单位, 责任人, 联系电话, 资金, 整改期限, 采伐许可, 整改前照片, 整改后照片, 完成时间, 验收人, 验收时间, 验收结论, 销号时间, \
        督办级别, 延期次数, 备注";

    #[test]
    fn the_columns_stand_in_the_order_in_which_offices_keep_them() {
        let order: Vec<&str> = ORDER.split(", ").map(str::trim).collect();
        let columns: Vec<&str> = COLUMNS.iter().map(|column| column.zh).collect();
        assert_eq!(columns, order);
    }
}
