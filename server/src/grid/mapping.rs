//! Which column means what: OpenStreetMap's power tags and common Chinese headings by themselves, anything else as told.

use std::collections::BTreeMap;

use super::{Feature, MAPPING_BYTES, own};

macro_rules! roles {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, [$($alias:literal),* $(,)?];)*) => {
        /// What a column is used for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role {
            $($(#[$doc])* $variant,)*
        }

        impl Role {
            /// Every role.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in a mapping.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Columns that have it where nothing else is said, the first that has a value counts.
            const fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($alias),*],)* }
            }
        }
    };
}

roles! {
    /// The id of a line where it comes from.
    LineId = "id", ["external_id", "osm_id", "line_id", "线路编号", "线路编码", "线路ID"];
    /// Its name.
    LineName = "name", ["name", "name:zh", "line_name", "线路名称", "线路名", "线路"];
    /// `line`, `minor_line`, `cable`.
    LineKind = "kind", ["power", "kind", "线路类型", "线路性质"];
    /// Its voltage.
    Voltage = "voltage", ["voltage", "电压等级", "电压", "额定电压", "voltage_kv", "Voltage (kV)"];
    /// 产权单位
    Owner = "owner", ["owner", "产权单位", "产权", "资产单位"];
    /// 运维单位
    Operator = "operator", ["operator", "运维单位", "运维", "运行单位", "管理单位"];
    /// The ids of the structures at its vertices, one a vertex.
    Nodes = "nodes", ["nodes"];
    /// The id of a structure where it comes from.
    StructureId = "structure_id", ["external_id", "osm_node_id", "osm_id", "structure_id", "tower_id", "杆塔ID", "设备编码"];
    /// 杆号
    Number = "number", ["ref", "number", "structure_number", "杆号", "杆塔号", "塔号", "杆塔编号"];
    /// `tower`, `pole`, or another word.
    StructureKind = "structure_kind", ["power", "kind", "杆塔类型", "杆塔性质"];
    /// The id or name of the line that a structure is on.
    LineOf = "line", ["line", "line_id", "line_name", "所属线路", "线路编号", "线路编码", "线路名称", "线路名", "线路"];
    /// The place of a structure on its line.
    Order = "order", ["order", "sequence", "序号", "顺序号"];
    /// Longitude or easting.
    X = "x", ["lon", "lng", "longitude", "x", "easting", "经度", "东坐标"];
    /// Latitude or northing.
    Y = "y", ["lat", "latitude", "y", "northing", "纬度", "北坐标"];
    /// A geometry as well-known text.
    Wkt = "wkt", ["wkt", "WKT", "geom", "geometry", "几何"];
    /// The code of a region.
    Code = "code", ["code", "adcode", "ref", "行政区划代码", "区划代码", "代码", "osm_id", "id"];
    /// The name of a region.
    RegionName = "region_name", ["name", "名称", "乡镇", "区县", "行政区名称"];
    /// `district` or `township`.
    Level = "level", ["level", "级别", "层级"];
    /// The code of the region that a region is part of.
    Parent = "parent", ["parent", "上级代码", "上级"];
    /// The first day of a region's version.
    From = "from", ["from", "valid_from", "start_date", "起始日期", "生效日期"];
    /// The first day after it.
    Until = "until", ["until", "valid_until", "end_date", "终止日期", "失效日期"];
}

/// Which columns have which role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    told: BTreeMap<Role, String>,
}

/// A mapping that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingFault {
    /// It is too long.
    #[error("a mapping has at most {MAPPING_BYTES} bytes")]
    TooLarge,
    /// It is neither TOML nor `role=column` pairs.
    #[error("a mapping is TOML, or role=column pairs parted by commas: {0}")]
    Unreadable(String),
    /// It names a role that there is not.
    #[error("there is no role `{0}`: {roles}", roles = role_names())]
    NoSuchRole(String),
}

fn role_names() -> String {
    Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

impl Mapping {
    /// Reads `role = "column"` lines of TOML, or `role=column` pairs parted by commas.
    ///
    /// # Errors
    /// Where it is neither or names an unknown role.
    pub fn parse(text: &str) -> Result<Self, MappingFault> {
        if text.len() > MAPPING_BYTES {
            return Err(MappingFault::TooLarge);
        }
        let table = match toml::from_str::<BTreeMap<String, String>>(text) {
            Ok(table) => table,
            Err(error) => pairs(text).ok_or_else(|| MappingFault::Unreadable(error.message().to_owned()))?,
        };
        let mut told = BTreeMap::new();
        for (name, column) in table {
            let role = Role::ALL.iter().find(|role| role.as_str() == name);
            told.insert(*role.ok_or(MappingFault::NoSuchRole(name))?, column);
        }
        Ok(Self { told })
    }

    /// What a feature says in the column of this role.
    pub fn value<'f>(&self, feature: &'f Feature, role: Role) -> Option<&'f str> {
        self.column(feature, role).map(|(_, value)| value)
    }

    /// Whether somebody said which column has this role.
    pub(super) fn is_told(&self, role: Role) -> bool {
        self.told.contains_key(&role)
    }

    /// The column of this role in a feature, and its value.
    pub fn column<'f>(&self, feature: &'f Feature, role: Role) -> Option<(&'f str, &'f str)> {
        let of = |column: &str| {
            feature.properties.get_key_value(column).map(|(name, value)| (name.as_str(), value.as_str()))
        };
        let is_told = self.told.get(&role);
        let own = feature.own.and_then(|layer| Some((layer, own::column_of(layer, role)?)));
        match (is_told, own) {
            (Some(column), _) => of(column),
            (None, Some((layer, name))) => own::value(feature, layer, name),
            (None, None) => role.aliases().iter().find_map(|alias| of(alias)),
        }
    }
}

fn pairs(text: &str) -> Option<BTreeMap<String, String>> {
    let parts = text.split([',', '\n']).map(str::trim).filter(|pair| !pair.is_empty());
    let pairs = parts.map(|pair| {
        let (role, column) = pair.split_once('=')?;
        Some((role.trim().to_owned(), column.trim().to_owned()))
    });
    pairs.collect()
}
