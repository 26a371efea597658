//! Reference data as phones hold it: lines with their structures, structures that stand alone, districts and townships.
//!
//! They travel as items of the collections `grid` and `areas`, by the feed of everything else, but no operation makes
//! them and nothing folds them: an import writes them whole. A view is a deterministic CBOR map without floats; parts
//! that are empty are absent. How a phone names the span of a position is on the protocol's page. Start at [`Reference`].

use serde::de::DeserializeOwned;

use crate::cbor::{self, MapWriter};
use crate::prepass;

/// A position: latitude and longitude, degrees × 1e7, WGS-84.
pub type Vertex = (i64, i64);

/// What an item of `grid` or `areas` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A line.
    Line(LineView),
    /// A structure that is on no line.
    Structure(StructureView),
    /// A district or a township.
    Region(RegionView),
}

impl Reference {
    /// Decodes an item's view; `None` where it is of another shape.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let entries = prepass::entries(bytes)?;
        let (_, record_type) = entries.iter().find(|(key, _)| *key == "record_type")?;
        match prepass::text(record_type)? {
            LineView::RECORD_TYPE => LineView::decode(bytes).map(Self::Line),
            StructureView::RECORD_TYPE => StructureView::decode(bytes).map(Self::Structure),
            RegionView::RECORD_TYPE => RegionView::decode(bytes).map(Self::Region),
            _ => None,
        }
    }

    /// Encodes the view.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Line(line) => line.encode(),
            Self::Structure(structure) => structure.encode(),
            Self::Region(region) => region.encode(),
        }
    }

    /// Whether the last import no longer named it.
    pub const fn is_retired(&self) -> bool {
        match self {
            Self::Line(line) => line.is_retired,
            Self::Structure(structure) => structure.is_retired,
            Self::Region(region) => region.is_retired,
        }
    }

    /// The same, said to be retired or not, by the import of this version.
    #[must_use]
    pub fn standing(mut self, is_retired: bool, version: [u8; 32]) -> Self {
        let (retired, by) = match &mut self {
            Self::Line(line) => (&mut line.is_retired, &mut line.version),
            Self::Structure(structure) => (&mut structure.is_retired, &mut structure.version),
            Self::Region(region) => (&mut region.is_retired, &mut region.version),
        };
        *retired = is_retired;
        *by = version;
        self
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of this name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

named! {
    /// What a line is.
    LineKind {
        /// A transmission line, or one of which nothing else is known.
        Line = "line";
        /// A distribution line.
        MinorLine = "minor_line";
        /// A cable.
        Cable = "cable";
    }
}

named! {
    /// What a region is.
    RegionLevel {
        /// 区县
        District = "district";
        /// 乡镇
        Township = "township";
    }
}

/// A structure on a line: where a span ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineStructure {
    /// The vertex at which it stands.
    pub vertex: u32,
    /// Metres along the line from its first vertex, × 1,000.
    pub chainage_mm: u64,
    /// 杆号, where it has one.
    pub number: Option<String>,
    /// Its id where it came from, where it has one.
    pub external_id: Option<String>,
    /// `tower`, `pole`, or as it was given.
    pub kind: String,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineView {
    /// Its id where it came from.
    pub external_id: String,
    /// Its name.
    pub name: Option<String>,
    /// What it is.
    pub kind: LineKind,
    /// The voltage as it was given.
    pub voltage: Option<String>,
    /// The voltages that were read of it, volts.
    pub volts: Vec<u32>,
    /// The class of voltage that rules go by; none where it is not known.
    pub class: Option<String>,
    /// Codes of what was assumed to read the voltage.
    pub assumptions: Vec<String>,
    /// 产权单位
    pub owner: Option<String>,
    /// 运维单位
    pub operator: Option<String>,
    /// The datum in which its positions were given.
    pub datum: String,
    /// Its geodesic length, metres × 1,000.
    pub length_mm: u64,
    /// The longest of its spans, metres × 1,000.
    pub longest_span_mm: u64,
    /// A span is too long to be one: structures between are missing.
    pub is_untraced: bool,
    /// Its vertices, by ascending chainage.
    pub vertices: Vec<Vertex>,
    /// Its structures, by ascending vertex.
    pub structures: Vec<LineStructure>,
    /// The last import no longer named it.
    pub is_retired: bool,
    /// The version of the grid by which it became what it is.
    pub version: [u8; 32],
}

/// As a structure travels: vertex, chainage, number, external id, kind.
type EncodedStructure<'a> = (u32, u64, Option<&'a str>, Option<&'a str>, &'a str);
type DecodedStructure = (u32, u64, Option<String>, Option<String>, String);

impl LineView {
    /// What `record_type` says of it.
    pub const RECORD_TYPE: &'static str = "line";

    /// Encodes the view.
    pub fn encode(&self) -> Vec<u8> {
        let mut map = begun(Self::RECORD_TYPE, self.is_retired, &self.version);
        map.value("external_id", &self.external_id).value("kind", self.kind.as_str());
        map.value("datum", &self.datum).value("length_mm", &self.length_mm);
        map.value("longest_span_mm", &self.longest_span_mm).value("vertices", &differences(&self.vertices));
        let texts = [
            ("name", &self.name),
            ("voltage", &self.voltage),
            ("class", &self.class),
            ("owner", &self.owner),
            ("operator", &self.operator),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                map.value(key, text);
            }
        }
        if !self.volts.is_empty() {
            map.value("volts", &self.volts);
        }
        if !self.assumptions.is_empty() {
            map.value("assumptions", &self.assumptions);
        }
        if self.is_untraced {
            map.value("untraced", &true);
        }
        if !self.structures.is_empty() {
            let structures: Vec<EncodedStructure<'_>> =
                self.structures.iter().map(encoded_structure).collect();
            map.value("structures", &structures);
        }
        map.finish()
    }

    /// Decodes a view that [`LineView::encode`] wrote, or a later one with more keys.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let keys = Keys::of(bytes, Self::RECORD_TYPE)?;
        let structures: Vec<DecodedStructure> = keys.or_default("structures")?;
        Some(Self {
            external_id: keys.needed("external_id")?,
            name: keys.or_default("name")?,
            kind: LineKind::parse(&keys.needed::<String>("kind")?)?,
            voltage: keys.or_default("voltage")?,
            volts: keys.or_default("volts")?,
            class: keys.or_default("class")?,
            assumptions: keys.or_default("assumptions")?,
            owner: keys.or_default("owner")?,
            operator: keys.or_default("operator")?,
            datum: keys.needed("datum")?,
            length_mm: keys.needed("length_mm")?,
            longest_span_mm: keys.needed("longest_span_mm")?,
            is_untraced: keys.or_default("untraced")?,
            vertices: sums(&keys.needed::<Vec<i64>>("vertices")?)?,
            structures: structures.into_iter().map(decoded_structure).collect(),
            is_retired: keys.or_default("retired")?,
            version: keys.version()?,
        })
    }
}

fn encoded_structure(it: &LineStructure) -> EncodedStructure<'_> {
    (it.vertex, it.chainage_mm, it.number.as_deref(), it.external_id.as_deref(), &it.kind)
}

fn decoded_structure((vertex, chainage_mm, number, external_id, kind): DecodedStructure) -> LineStructure {
    LineStructure { vertex, chainage_mm, number, external_id, kind }
}

/// A structure that is on no line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructureView {
    /// Its id where it came from.
    pub external_id: String,
    /// 杆号, where it has one.
    pub number: Option<String>,
    /// `tower`, `pole`, or as it was given.
    pub kind: String,
    /// The datum in which its position was given.
    pub datum: String,
    /// Where it stands.
    pub position: Vertex,
    /// The last import no longer named it, or it is on a line now.
    pub is_retired: bool,
    /// The version of the grid by which it became what it is.
    pub version: [u8; 32],
}

impl StructureView {
    /// What `record_type` says of it.
    pub const RECORD_TYPE: &'static str = "structure";

    /// Encodes the view.
    pub fn encode(&self) -> Vec<u8> {
        let mut map = begun(Self::RECORD_TYPE, self.is_retired, &self.version);
        map.value("external_id", &self.external_id).value("kind", &self.kind);
        map.value("datum", &self.datum).value("position", &self.position);
        if let Some(number) = &self.number {
            map.value("number", number);
        }
        map.finish()
    }

    /// Decodes a view that [`StructureView::encode`] wrote, or a later one with more keys.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let keys = Keys::of(bytes, Self::RECORD_TYPE)?;
        Some(Self {
            external_id: keys.needed("external_id")?,
            number: keys.or_default("number")?,
            kind: keys.needed("kind")?,
            datum: keys.needed("datum")?,
            position: keys.needed("position")?,
            is_retired: keys.or_default("retired")?,
            version: keys.version()?,
        })
    }
}

/// A ring of a polygon: closed, the first vertex again at its end.
pub type Ring = Vec<Vertex>;

/// A version of a district or a township: what it was from one day to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionView {
    /// Its administrative code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub level: RegionLevel,
    /// The code of the region that it is part of.
    pub parent: Option<String>,
    /// The first local day of this version, counted from 1970-01-01; none: always.
    pub from_day: Option<i64>,
    /// The first local day after it; none: still.
    pub until_day: Option<i64>,
    /// Polygons: the outer ring, then its holes.
    pub polygons: Vec<Vec<Ring>>,
    /// The last import no longer named it.
    pub is_retired: bool,
    /// The version of the regions by which it became what it is.
    pub version: [u8; 32],
}

impl RegionView {
    /// What `record_type` says of it.
    pub const RECORD_TYPE: &'static str = "region";

    /// Encodes the view.
    pub fn encode(&self) -> Vec<u8> {
        let mut map = begun(Self::RECORD_TYPE, self.is_retired, &self.version);
        let polygons: Vec<Vec<Vec<i64>>> = self
            .polygons
            .iter()
            .map(|polygon| polygon.iter().map(|ring| differences(ring)).collect())
            .collect();
        map.value("code", &self.code).value("name", &self.name).value("level", self.level.as_str());
        map.value("polygons", &polygons);
        if let Some(parent) = &self.parent {
            map.value("parent", parent);
        }
        if let Some(day) = self.from_day {
            map.value("from_day", &day);
        }
        if let Some(day) = self.until_day {
            map.value("until_day", &day);
        }
        map.finish()
    }

    /// Decodes a view that [`RegionView::encode`] wrote, or a later one with more keys.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let keys = Keys::of(bytes, Self::RECORD_TYPE)?;
        let polygons: Vec<Vec<Vec<i64>>> = keys.needed("polygons")?;
        Some(Self {
            code: keys.needed("code")?,
            name: keys.needed("name")?,
            level: RegionLevel::parse(&keys.needed::<String>("level")?)?,
            parent: keys.or_default("parent")?,
            from_day: keys.or_default("from_day")?,
            until_day: keys.or_default("until_day")?,
            polygons: polygons
                .iter()
                .map(|polygon| polygon.iter().map(|ring| sums(ring)).collect())
                .collect::<Option<_>>()?,
            is_retired: keys.or_default("retired")?,
            version: keys.version()?,
        })
    }
}

fn begun(record_type: &str, is_retired: bool, version: &[u8; 32]) -> MapWriter {
    let mut map = MapWriter::new();
    map.value("record_type", record_type).value("version", serde_bytes::Bytes::new(version));
    if is_retired {
        map.value("retired", &true);
    }
    map
}

/// Latitude and longitude of the first vertex, then of each the difference to the one before: small numbers are short.
fn differences(vertices: &[Vertex]) -> Vec<i64> {
    let mut flat = Vec::with_capacity(vertices.len() * 2);
    let mut before = (0, 0);
    for (lat, lon) in vertices {
        flat.push(lat - before.0);
        flat.push(lon - before.1);
        before = (*lat, *lon);
    }
    flat
}

fn sums(flat: &[i64]) -> Option<Vec<Vertex>> {
    let (pairs, rest) = flat.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let mut vertices = Vec::with_capacity(pairs.len());
    let mut at: Vertex = (0, 0);
    for [lat, lon] in pairs {
        at = (at.0.checked_add(*lat)?, at.1.checked_add(*lon)?);
        vertices.push(at);
    }
    Some(vertices)
}

/// The entries of a view.
struct Keys<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> Keys<'a> {
    fn of(bytes: &'a [u8], record_type: &str) -> Option<Self> {
        let keys = Self(prepass::entries(bytes)?);
        (keys.needed::<String>("record_type")? == record_type).then_some(keys)
    }

    fn item(&self, key: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, item)| *item)
    }

    fn needed<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        cbor::decode(self.item(key)?).ok()
    }

    /// The default where the key is absent; none where it is of another shape.
    fn or_default<T: DeserializeOwned + Default>(&self, key: &str) -> Option<T> {
        self.item(key).map_or_else(|| Some(T::default()), |item| cbor::decode(item).ok())
    }

    fn version(&self) -> Option<[u8; 32]> {
        prepass::byte_string(self.item("version")?)?.try_into().ok()
    }
}
