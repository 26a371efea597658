//! The layers of a district's map: which there are, what columns each has, and one feature of them.
//!
//! Pure. OGC API, tiles and files all give the same layers with the same columns; how a layer is read is in
//! `sync::layers`, how a format is written in `exports`. Start at [`Layer`].

mod areas;
mod columns;
pub mod cql;
pub mod crs;
pub mod geojson;
mod guarded;
pub mod predicate;
mod terms;

use geo::Geometry;
use sync_protocol::ids::sha256;
use uuid::Uuid;

pub use columns::{Column, ColumnKind};
pub use guarded::{guarded, unguarded};
pub use terms::{term, unterm};

/// A text in the two languages of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

/// What the geometry of every feature of a layer is; a feature may be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One position.
    Point,
    /// One chain of positions.
    LineString,
    /// Chains of positions.
    MultiLineString,
    /// Areas.
    MultiPolygon,
}

macro_rules! layers {
    ($($(#[$doc:meta])* $layer:ident = $name:literal, $shape:ident, $columns:ident, $zh:literal, $en:literal;)*) => {
        /// A layer of the map.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Layer {
            $($(#[$doc])* $layer,)*
        }

        impl Layer {
            /// Every layer, in the order in which they are listed.
            pub const ALL: &'static [Self] = &[$(Self::$layer,)*];

            /// Its name in paths, files and tiles.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$layer => $name,)* }
            }

            /// What it is called.
            pub const fn title(self) -> Words {
                match self { $(Self::$layer => Words { zh: $zh, en: $en },)* }
            }

            /// What its geometries are.
            pub const fn shape(self) -> Shape {
                match self { $(Self::$layer => Shape::$shape,)* }
            }

            /// Its columns, in the order in which they are written.
            pub const fn columns(self) -> &'static [Column] {
                match self { $(Self::$layer => columns::$columns,)* }
            }

            /// The layer of a name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$layer),)* _ => None }
            }
        }
    };
}

layers! {
    /// Hazards as they are now.
    Hazards = "hazards", Point, HAZARDS, "隐患", "Hazards";
    /// One feature a state that a hazard was in, with the time it was in it.
    HazardStates = "hazard_states", Point, HAZARD_STATES, "隐患历史状态", "Hazard history";
    /// Power lines.
    Lines = "lines", LineString, LINES, "线路", "Lines";
    /// Towers and poles.
    Structures = "structures", Point, STRUCTURES, "杆塔", "Structures";
    /// Stretches of lines that were walked, with the day.
    Patrolled = "patrolled", LineString, PATROLLED, "已巡线段", "Patrolled stretches";
    /// Stretches of lines that nobody walked since a day.
    NotPatrolled = "not_patrolled", LineString, NOT_PATROLLED, "未巡线段", "Stretches not patrolled";
    /// Works along lines.
    Works = "works", MultiLineString, WORKS, "施工作业", "Works";
    /// Districts and townships.
    Regions = "regions", MultiPolygon, REGIONS, "区县与乡镇", "Districts and townships";
    /// Areas whose devices still hold what they have not sent.
    Unsent = "unsent", MultiPolygon, UNSENT, "尚有未上传数据的区域", "Areas with unsent data";
}

/// An id for what has no number of its own: 52 bits of a hash of what names it, so that a program that reads numbers as
/// JSON has them reads it exactly, with room for the next ones where two things have one hash.
pub fn id(name: &[u8]) -> i64 {
    let first = sha256(name).first_chunk::<8>().copied().map_or(0, u64::from_be_bytes);
    i64::try_from(first >> 12).unwrap_or_default()
}

/// Gives each thing an id of its own: of those of one id all but the first the next that is free, by their order.
/// Ascending by id.
pub fn apart<T>(things: impl IntoIterator<Item = (i64, T)>) -> Vec<(i64, T)> {
    let mut things: Vec<(i64, T)> = things.into_iter().collect();
    // Stable: what has one id stays in its order.
    things.sort_by_key(|(id, _)| *id);
    let mut last = i64::MIN;
    for (id, _) in &mut things {
        *id = (*id).max(last.saturating_add(1));
        last = *id;
    }
    things
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not known.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number, in the unit of its column.
    Real(f64),
    /// Yes or no.
    Boolean(bool),
    /// A moment, milliseconds since 1970 UTC.
    Time(i64),
    /// A local day, counted from 1970-01-01.
    Day(i64),
}

/// A feature of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Its number within the layer of a district: never changes, never names another.
    pub id: i64,
    /// The record that it is of, where it is of one.
    pub record: Option<Uuid>,
    /// Degrees, longitude before latitude, WGS-84; none where no place is known.
    pub geometry: Option<Geometry<f64>>,
    /// One value a column of its layer, in their order.
    pub values: Vec<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_has_one_name_and_each_column_of_it_another() {
        for layer in Layer::ALL {
            assert_eq!(Layer::parse(layer.name()), Some(*layer));
            let mut names: Vec<&str> = layer.columns().iter().map(|column| column.name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", layer.name());
            assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        }
    }

    #[test]
    fn what_has_one_id_is_told_apart_in_its_order() {
        let ids = apart([(7, 'a'), (3, 'b'), (7, 'c'), (8, 'd'), (7, 'e')]);
        assert_eq!(ids, [(3, 'b'), (7, 'a'), (8, 'c'), (9, 'e'), (10, 'd')]);
    }
}
