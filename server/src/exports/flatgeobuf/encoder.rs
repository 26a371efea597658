//! One feature in the bytes of the format: its geometry and its properties, its length before it. Start at [`Encoder`].

use ::flatgeobuf::packed_r_tree::NodeItem;
use ::flatgeobuf::{self as fgb, FeatureArgs, GeometryArgs, GeometryType};
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use geo::{BoundingRect as _, Coord, Geometry, LineString, Polygon};

use super::super::WriteError;

/// Puts features together, one after the other, in memory that it keeps.
#[derive(Default)]
pub(super) struct Encoder {
    builder: FlatBufferBuilder<'static>,
    properties: Vec<u8>,
    /// Of the part at hand: x and y in turn, and behind how many positions each ring or chain ends.
    positions: Vec<f64>,
    ends: Vec<u32>,
}

type Part = WIPOffset<fgb::Geometry<'static>>;

impl Encoder {
    /// Takes a value of the feature at hand: the number of its column and its bytes.
    pub(super) fn fixed(&mut self, column: u16, value: &[u8]) {
        self.properties.extend_from_slice(&column.to_le_bytes());
        self.properties.extend_from_slice(value);
    }

    /// The same of a text, whose length stands before it.
    ///
    /// # Errors
    /// It is longer than the format can say.
    pub(super) fn text(&mut self, column: u16, text: &str) -> Result<(), WriteError> {
        let bytes = u32::try_from(text.len()).map_err(|_source| refused("a text of 4 GiB"))?;
        self.fixed(column, &bytes.to_le_bytes());
        self.properties.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// The feature of a geometry and of the values that were taken since the last one, with its bounds. It names its type
    /// where the layer does not; none: the geometry is empty.
    ///
    /// # Errors
    /// No layer has this type of geometry.
    pub(super) fn finish(
        &mut self,
        geometry: &Geometry<f64>,
        names_type: bool,
    ) -> Result<Option<(&[u8], NodeItem)>, WriteError> {
        self.builder.reset();
        let made = self.geometry(geometry, names_type)?;
        let properties = self.builder.create_vector(&self.properties);
        self.properties.clear();
        let Some(bounds) = geometry.bounding_rect() else { return Ok(None) };
        let arguments =
            FeatureArgs { geometry: Some(made), properties: Some(properties), ..FeatureArgs::default() };
        let feature = fgb::Feature::create(&mut self.builder, &arguments);
        self.builder.finish_size_prefixed(feature, None);
        let (min, max) = (bounds.min(), bounds.max());
        Ok(Some((self.builder.finished_data(), NodeItem::bounds(min.x, min.y, max.x, max.y))))
    }

    fn geometry(&mut self, geometry: &Geometry<f64>, names_type: bool) -> Result<Part, WriteError> {
        let named = |kind| if names_type { kind } else { GeometryType::Unknown };
        match geometry {
            Geometry::Point(point) => {
                self.positions.extend([point.x(), point.y()]);
                Ok(self.part(named(GeometryType::Point)))
            }
            Geometry::LineString(line) => {
                self.chain(line)?;
                Ok(self.part(named(GeometryType::LineString)))
            }
            Geometry::MultiLineString(lines) => {
                lines.iter().try_for_each(|line| self.chain(line))?;
                // GDAL before 3.7 reads no chains of one: it is written as that one.
                let is_one = names_type && lines.0.len() == 1;
                let kind = if is_one { GeometryType::LineString } else { GeometryType::MultiLineString };
                Ok(self.part(named(kind)))
            }
            Geometry::Polygon(polygon) => self.polygon(polygon, named(GeometryType::Polygon)),
            Geometry::MultiPolygon(polygons) => {
                let polygons = polygons.iter().map(|it| self.polygon(it, GeometryType::Unknown));
                let parts: Vec<Part> = polygons.collect::<Result<_, _>>()?;
                let parts = Some(self.builder.create_vector(&parts));
                let type_ = named(GeometryType::MultiPolygon);
                let arguments = GeometryArgs { parts, type_, ..GeometryArgs::default() };
                Ok(fgb::Geometry::create(&mut self.builder, &arguments))
            }
            Geometry::Line(_)
            | Geometry::MultiPoint(_)
            | Geometry::GeometryCollection(_)
            | Geometry::Rect(_)
            | Geometry::Triangle(_) => Err(refused("no layer has this type of geometry")),
        }
    }

    fn polygon(&mut self, polygon: &Polygon<f64>, kind: GeometryType) -> Result<Part, WriteError> {
        self.chain(polygon.exterior())?;
        polygon.interiors().iter().try_for_each(|ring| self.chain(ring))?;
        Ok(self.part(kind))
    }

    fn chain(&mut self, line: &LineString<f64>) -> Result<(), WriteError> {
        self.positions.extend(line.coords().flat_map(|Coord { x, y }| [*x, *y]));
        let end = u32::try_from(self.positions.len() / 2);
        self.ends.push(end.map_err(|_source| refused("too many positions"))?);
        Ok(())
    }

    /// What was gathered, as one part; a single ring or chain needs no end.
    fn part(&mut self, type_: GeometryType) -> Part {
        let xy = Some(self.builder.create_vector(&self.positions));
        let ends = (self.ends.len() > 1).then(|| self.builder.create_vector(&self.ends));
        self.positions.clear();
        self.ends.clear();
        fgb::Geometry::create(&mut self.builder, &GeometryArgs { xy, ends, type_, ..GeometryArgs::default() })
    }
}

fn refused(what: &str) -> WriteError {
    WriteError::Library(what.to_owned())
}
