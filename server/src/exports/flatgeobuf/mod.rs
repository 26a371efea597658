//! FlatGeobuf, with its spatial index. Features stand in a scratch file until they are sorted, and 130 bytes of each in
//! memory.
//!
//! Types, header and index are the library's. Its own writer reads eight kilobytes for each feature that it copies out of
//! its scratch file, which took a third of the time of a file. A feature without a place cannot stand in an index, and
//! readers refuse a file that has some: it is left out. Start at [`FlatGeobuf`].

mod curve;
mod encoder;

use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write};

use ::flatgeobuf::packed_r_tree::{NodeItem, PackedRTree, calc_extent};
use ::flatgeobuf::{Column, ColumnArgs, ColumnType, Crs, CrsArgs, GeometryType, Header, HeaderArgs, VERSION};
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use serde_json::json;

use self::encoder::Encoder;
use super::{FeatureWriter, Outline, Output, Scratch, Workspace, WriteError, text};
use crate::layers::{ColumnKind, Feature, Shape, Value, Words};

/// What a reader must know of a file.
const LEFT_OUT: Words = Words {
    zh: "没有位置的要素不在此文件内。",
    en: "Features without a place are not in this file.",
};
/// The first bytes of a file.
const MAGIC: [u8; 8] = [b'f', b'g', b'b', VERSION, b'f', b'g', b'b', 0];

/// A file that is written at its end.
pub(super) struct FlatGeobuf {
    outline: Outline,
    encoder: Encoder,
    /// Features as they came.
    scratch: BufWriter<Box<dyn Scratch>>,
    /// Where each begins there, and where the last one ends.
    bounds: Vec<u64>,
    /// The box of each, with its place among those as they came.
    nodes: Vec<NodeItem>,
    out: Box<dyn Output>,
}

fn refused(error: ::flatgeobuf::Error) -> WriteError {
    match error {
        ::flatgeobuf::Error::IO(error) => WriteError::Io(error),
        other => WriteError::Library(other.to_string()),
    }
}

impl FlatGeobuf {
    pub(super) fn new(
        outline: &Outline,
        out: Box<dyn Output>,
        workspace: &dyn Workspace,
    ) -> Result<Self, WriteError> {
        Ok(Self {
            outline: outline.clone(),
            encoder: Encoder::default(),
            scratch: BufWriter::new(workspace.scratch()?),
            bounds: vec![0],
            nodes: Vec::new(),
            out,
        })
    }

    fn properties(&mut self, feature: &Feature) -> Result<(), WriteError> {
        let (outline, encoder) = (&self.outline, &mut self.encoder);
        encoder.fixed(0, &feature.id.to_le_bytes());
        for (at, (column, value)) in (1..).zip(outline.columns(&feature.values)) {
            match value {
                Value::Null => {}
                Value::Text(it) => encoder.text(at, outline.text(column, it))?,
                Value::Integer(number) => encoder.fixed(at, &number.to_le_bytes()),
                Value::Real(number) => encoder.fixed(at, &number.to_le_bytes()),
                Value::Boolean(truth) => encoder.fixed(at, &[u8::from(*truth)]),
                Value::Time(at_ms) => encoder.text(at, &text::utc(*at_ms))?,
                Value::Day(day) => encoder.text(at, &text::day(*day))?,
            }
        }
        Ok(())
    }
}

/// The type that a layer says once for all its features.
const fn geometry_type(shape: Shape) -> GeometryType {
    match shape {
        Shape::Point => GeometryType::Point,
        Shape::LineString => GeometryType::LineString,
        // Each feature names its own: see where they are written.
        Shape::MultiLineString => GeometryType::Unknown,
        Shape::MultiPolygon => GeometryType::MultiPolygon,
    }
}

/// The header of a file of so many features within a box; of none there is no index.
fn header(outline: &Outline, features: usize, extent: &NodeItem) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let wkt = outline.reference.wkt();
    let mut metadata = outline.about_json();
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("left_out".to_owned(), json!({ "zh": LEFT_OUT.zh, "en": LEFT_OUT.en }));
    }
    let description = format!("{}{}\r\n", outline.about_text(), outline.says(LEFT_OUT));
    let reference = CrsArgs {
        org: outline.reference.epsg().map(|_| builder.create_string("EPSG")),
        code: outline.reference.epsg().map_or(0, i32::from),
        name: Some(builder.create_string(&outline.reference.title())),
        wkt: wkt.map(|wkt| builder.create_string(&wkt)),
        ..CrsArgs::default()
    };
    let reference = Crs::create(&mut builder, &reference);
    let columns = columns(outline, &mut builder);
    let box_of_all = [extent.min_x, extent.min_y, extent.max_x, extent.max_y];
    let is_empty = features == 0;
    let arguments = HeaderArgs {
        name: Some(builder.create_string(&outline.layer_name())),
        envelope: (!is_empty).then(|| builder.create_vector(&box_of_all)),
        geometry_type: geometry_type(outline.schema.shape),
        columns: Some(builder.create_vector(&columns)),
        features_count: u64::try_from(features).unwrap_or(u64::MAX),
        index_node_size: if is_empty { 0 } else { PackedRTree::DEFAULT_NODE_SIZE },
        crs: Some(reference),
        title: Some(builder.create_string(outline.says(outline.schema.title))),
        description: Some(builder.create_string(&description)),
        metadata: Some(builder.create_string(&metadata.to_string())),
        ..HeaderArgs::default()
    };
    let header = Header::create(&mut builder, &arguments);
    builder.finish_size_prefixed(header, None);
    builder.finished_data().to_vec()
}

fn columns<'b>(outline: &Outline, builder: &mut FlatBufferBuilder<'b>) -> Vec<WIPOffset<Column<'b>>> {
    let id = ColumnArgs {
        name: Some(builder.create_string("id")),
        type_: ColumnType::Long,
        nullable: false,
        ..ColumnArgs::default()
    };
    let mut columns = vec![Column::create(builder, &id)];
    for column in outline.schema.columns {
        let type_ = match column.kind {
            ColumnKind::Text => ColumnType::String,
            ColumnKind::Integer => ColumnType::Long,
            ColumnKind::Real => ColumnType::Double,
            ColumnKind::Boolean => ColumnType::Bool,
            ColumnKind::Time | ColumnKind::Day => ColumnType::DateTime,
        };
        let name = Some(builder.create_string(outline.field(column)));
        let title = Some(builder.create_string(outline.heading(column)));
        columns.push(Column::create(builder, &ColumnArgs { name, type_, title, ..ColumnArgs::default() }));
    }
    columns
}

impl FeatureWriter for FlatGeobuf {
    fn feature(&mut self, feature: &Feature) -> Result<(), WriteError> {
        let Some(geometry) = &feature.geometry else { return Ok(()) };
        self.properties(feature)?;
        let names_type = self.outline.schema.shape == Shape::MultiLineString;
        let Some((bytes, mut node)) = self.encoder.finish(geometry, names_type)? else { return Ok(()) };
        self.scratch.write_all(bytes)?;
        let end = self.bounds.last().copied().unwrap_or(0) + u64::try_from(bytes.len()).unwrap_or(0);
        node.offset = u64::try_from(self.nodes.len()).unwrap_or(u64::MAX);
        self.bounds.push(end);
        self.nodes.push(node);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), WriteError> {
        let Self { outline, scratch, bounds, mut nodes, out, .. } = *self;
        let mut out = BufWriter::new(out);
        let extent = calc_extent(&nodes);
        out.write_all(&MAGIC)?;
        out.write_all(&header(&outline, nodes.len(), &extent))?;
        if nodes.is_empty() {
            return Ok(out.flush()?);
        }
        // Descending, as the library sorts, which reckons the place along the curve anew for each comparison.
        nodes.sort_by_cached_key(|node| std::cmp::Reverse(curve::along(node, &extent)));
        let parts: Vec<(u64, u64)> = nodes.iter().map(|node| part(&bounds, node.offset)).collect();
        let mut offset = 0;
        for (node, (first, last)) in nodes.iter_mut().zip(&parts) {
            node.offset = offset;
            offset += last - first;
        }
        let tree = PackedRTree::build(&nodes, &extent, PackedRTree::DEFAULT_NODE_SIZE).map_err(refused)?;
        drop((nodes, bounds));
        tree.stream_write(&mut out)?;
        drop(tree);
        let mut scratch = scratch.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        let mut feature = Vec::new();
        for (first, last) in parts {
            scratch.seek(SeekFrom::Start(first))?;
            feature.resize(usize::try_from(last - first).unwrap_or(0), 0);
            scratch.read_exact(&mut feature)?;
            out.write_all(&feature)?;
        }
        Ok(out.flush()?)
    }
}

/// Where a feature begins in the scratch file, and where it ends.
fn part(bounds: &[u64], nth: u64) -> (u64, u64) {
    let nth = usize::try_from(nth).unwrap_or(usize::MAX);
    let bound = |nth: usize| bounds.get(nth).copied().unwrap_or(0);
    (bound(nth), bound(nth.saturating_add(1)))
}
