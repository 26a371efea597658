//! Shapefiles in a zip: `.shp`, `.shx`, `.dbf`, `.cpg`, `.prj`, and two texts: how the short names of columns are to be
//! read, and what the file is of.
//!
//! The members of a zip are written one after the other and their heads say how long they are: shapes and rows are put
//! aside until the part is closed. A part ends where the next feature would take it beyond 2 GiB, which is as far as
//! readers go. [`shape`] has the bytes of shapes, [`table`] those of rows.

mod shape;
mod table;

use std::io::{BufReader, BufWriter, Read, Seek as _, Write};
use std::sync::Arc;

use zip::ZipWriter;

use super::kml::{zip_options, zip_refused};
use super::{FeatureWriter, Headings, Outline, Output, Scratch, Workspace, WriteError, text};
use crate::layers::Feature;
use shape::Extent;
use table::Table;

/// The bytes of texts in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// GBK, for readers that know no other.
    Gbk,
}

impl Encoding {
    /// Of `utf-8` or `gbk`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "utf-8" => Some(Self::Utf8),
            "gbk" => Some(Self::Gbk),
            _ => None,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Gbk => "gbk",
        }
    }

    /// As `.cpg` files name it.
    const fn code_page(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Gbk => "936",
        }
    }
}

/// Bytes of one member: readers count them in 31 bits.
const MEMBER_BYTES: u64 = 2_147_483_647;

/// A zip that grows by a part at a time.
pub(super) struct Shapefile {
    outline: Outline,
    zip: ZipWriter<Box<dyn Output>>,
    workspace: Arc<dyn Workspace>,
    part: Part,
    parts: usize,
}

/// What is put aside of the part that is being written.
struct Part {
    shapes: BufWriter<Box<dyn Scratch>>,
    rows: BufWriter<Box<dyn Scratch>>,
    table: Table,
    extent: Extent,
    count: u32,
    /// Bytes of the `.shp`, its head included.
    shape_bytes: u64,
}

impl Shapefile {
    pub(super) fn new(
        outline: &Outline,
        out: Box<dyn Output>,
        workspace: &Arc<dyn Workspace>,
    ) -> Result<Self, WriteError> {
        let part = Part::new(outline, workspace.as_ref())?;
        let zip = ZipWriter::new(out);
        Ok(Self { outline: outline.clone(), zip, workspace: Arc::clone(workspace), part, parts: 0 })
    }

    fn member(&mut self, name: &str) -> Result<&mut ZipWriter<Box<dyn Output>>, WriteError> {
        self.zip.start_file(name, zip_options()).map_err(zip_refused)?;
        Ok(&mut self.zip)
    }

    /// Writes what was put aside, and begins the next part.
    fn close_part(&mut self) -> Result<(), WriteError> {
        let next = Part::new(&self.outline, self.workspace.as_ref())?;
        let part = std::mem::replace(&mut self.part, next);
        self.parts += 1;
        let layer = self.outline.layer_name();
        let name = if self.parts == 1 { layer } else { format!("{layer}_{}", self.parts) };
        self.write_shapes(&name, part.shapes, part.count, part.shape_bytes, part.extent)?;
        self.write_rows(&name, part.rows, part.count, &part.table)?;
        let code_page = self.outline.encoding.code_page();
        self.member(&format!("{name}.cpg"))?.write_all(code_page.as_bytes())?;
        if let Some(wkt) = self.outline.reference.esri_wkt() {
            self.member(&format!("{name}.prj"))?.write_all(wkt.as_bytes())?;
        }
        let fields = format!("\u{feff}{}", part.table.explained(&self.outline));
        Ok(self.member(&format!("{name}.fields.txt"))?.write_all(fields.as_bytes())?)
    }

    fn write_shapes(
        &mut self,
        name: &str,
        aside: BufWriter<Box<dyn Scratch>>,
        count: u32,
        bytes: u64,
        extent: Extent,
    ) -> Result<(), WriteError> {
        let kind = shape::kind(self.outline.schema.shape);
        let mut aside = rewound(aside)?;
        let mut lengths = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        let zip = self.member(&format!("{name}.shp"))?;
        zip.write_all(&shape::head(kind, bytes, extent))?;
        let mut content = Vec::new();
        for number in 1..=count {
            take(&mut aside, &mut content)?;
            zip.write_all(&shape::record_head(number, content.len()))?;
            zip.write_all(&content)?;
            lengths.push(u32::try_from(content.len()).unwrap_or(u32::MAX));
        }
        let zip = self.member(&format!("{name}.shx"))?;
        zip.write_all(&shape::head(kind, shape::index_bytes(count), extent))?;
        let mut offset = shape::HEAD_BYTES;
        for length in lengths {
            zip.write_all(&shape::index_entry(offset, length))?;
            offset += shape::record_bytes(length);
        }
        Ok(())
    }

    fn write_rows(
        &mut self,
        name: &str,
        aside: BufWriter<Box<dyn Scratch>>,
        count: u32,
        table: &Table,
    ) -> Result<(), WriteError> {
        let day = text::date(self.outline.about.change_ms.div_euclid(86_400_000));
        let mut aside = rewound(aside)?;
        let zip = self.member(&format!("{name}.dbf"))?;
        zip.write_all(&table.head(count, day))?;
        let mut cells = vec![Vec::new(); table.width()];
        for _ in 0..count {
            for cell in &mut cells {
                take(&mut aside, cell)?;
            }
            table.write_row(zip, &cells)?;
        }
        Ok(zip.write_all(table::END)?)
    }
}

impl Part {
    fn new(outline: &Outline, workspace: &dyn Workspace) -> Result<Self, WriteError> {
        Ok(Self {
            shapes: BufWriter::new(workspace.scratch()?),
            rows: BufWriter::new(workspace.scratch()?),
            table: Table::new(outline),
            extent: Extent::default(),
            count: 0,
            shape_bytes: shape::HEAD_BYTES,
        })
    }
}

impl FeatureWriter for Shapefile {
    fn feature(&mut self, feature: &Feature) -> Result<(), WriteError> {
        let content = shape::content(feature.geometry.as_ref());
        let bytes = shape::record_bytes(u32::try_from(content.len()).unwrap_or(u32::MAX));
        let cells = self.part.table.cells(&self.outline, feature);
        let rows = u64::from(self.part.count) + 1;
        let is_full = self.part.shape_bytes + bytes > MEMBER_BYTES
            || self.part.table.bytes_with(&cells, rows) > MEMBER_BYTES;
        if is_full && self.part.count > 0 {
            self.close_part()?;
        }
        let part = &mut self.part;
        part.table.widen(&cells);
        part.extent.take(feature.geometry.as_ref());
        part.shape_bytes += bytes;
        part.count += 1;
        put(&mut part.shapes, &content)?;
        cells.iter().try_for_each(|cell| put(&mut part.rows, &cell.bytes))
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        self.close_part()?;
        let about = format!("\u{feff}{}", self.outline.about_text());
        let name = if self.outline.headings == Headings::Zh { "说明.txt" } else { "README.txt" };
        self.member(name)?.write_all(about.as_bytes())?;
        self.zip.finish().map_err(zip_refused)?.flush()?;
        Ok(())
    }
}

/// Puts bytes aside, behind how many they are.
fn put(aside: &mut impl Write, bytes: &[u8]) -> Result<(), WriteError> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    aside.write_all(&length.to_le_bytes())?;
    Ok(aside.write_all(bytes)?)
}

/// Takes back what was put aside next.
fn take(aside: &mut impl Read, bytes: &mut Vec<u8>) -> Result<(), WriteError> {
    let mut length = [0; 4];
    aside.read_exact(&mut length)?;
    bytes.resize(usize::try_from(u32::from_le_bytes(length)).unwrap_or_default(), 0);
    Ok(aside.read_exact(bytes)?)
}

fn rewound(aside: BufWriter<Box<dyn Scratch>>) -> Result<BufReader<Box<dyn Scratch>>, WriteError> {
    let mut aside = aside.into_inner().map_err(|error| WriteError::Io(error.into_error()))?;
    aside.rewind()?;
    Ok(BufReader::new(aside))
}
