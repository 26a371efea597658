//! PMTiles 3: tiles that were made elsewhere, put into one archive. Which tiles there are is found by `sync::exports`.

use pmtiles::{PmTilesStreamWriter, PmTilesWriter, PmtError, TileCoord, TileType};
use serde_json::{Value, json};

use super::{Outline, Output, WriteError};
use crate::layers::ColumnKind;

/// A layer inside the tiles of an archive.
#[derive(Clone, Copy, Debug)]
pub struct TileLayer {
    /// Its name.
    pub name: &'static str,
    /// Its fields; none: the columns of the archive's own layer.
    pub fields: Option<&'static [(&'static str, &'static str)]>,
    /// The first zoom that has it.
    pub first_zoom: u8,
    /// The last.
    pub last_zoom: u8,
}

/// An archive that is being written.
pub struct Archive {
    out: PmTilesStreamWriter<Box<dyn Output>>,
    first: u8,
    deepest: u8,
    /// West, south, east, north of the deepest tiles, degrees.
    bounds: Option<[f64; 4]>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").finish_non_exhaustive()
    }
}

fn refused(error: &PmtError) -> WriteError {
    WriteError::of(error)
}

impl Archive {
    /// Begins an archive of these zooms.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn new(
        outline: &Outline,
        layers: &[TileLayer],
        (first, last): (u8, u8),
        out: Box<dyn Output>,
    ) -> Result<Self, WriteError> {
        let writer = PmTilesWriter::new(TileType::Mvt)
            .min_zoom(first)
            .max_zoom(last)
            .metadata(metadata(outline, layers).to_string());
        Ok(Self {
            out: writer.create(out).map_err(|error| refused(&error))?,
            first,
            deepest: last,
            bounds: None,
        })
    }

    /// Adds a tile with its bounds (west, south, east, north in degrees); tiles come in the order of [`order`].
    ///
    /// # Errors
    /// The archive is of no use.
    pub fn tile(
        &mut self,
        (zoom, x, y): (u8, u32, u32),
        bounds: [f64; 4],
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        if zoom == self.deepest {
            let [west, south, east, north] = bounds;
            self.bounds = Some(
                self.bounds
                    .map_or(bounds, |[w, s, e, n]| [w.min(west), s.min(south), e.max(east), n.max(north)]),
            );
        }
        self.out
            .add_tile(TileCoord::new(zoom, x, y).map_err(|error| refused(&error))?, bytes)
            .map_err(|error| refused(&error))
    }

    /// Writes what comes behind the last tile.
    ///
    /// # Errors
    /// The archive is of no use.
    pub fn finish(mut self) -> Result<(), WriteError> {
        if let Some([west, south, east, north]) = self.bounds {
            self.out.set_bounds(west, south, east, north);
            self.out.set_center((west + east) / 2.0, (south + north) / 2.0, self.first);
        }
        self.out.finalize().map_err(|error| refused(&error))
    }
}

/// Where a tile stands in an archive.
pub fn order(zoom: u8, x: u32, y: u32) -> u64 {
    TileCoord::new(zoom, x, y).map_or(u64::MAX, |coord| pmtiles::TileId::from(coord).value())
}

fn metadata(outline: &Outline, layers: &[TileLayer]) -> Value {
    let own = || -> Value {
        let kind = |kind| match kind {
            ColumnKind::Integer | ColumnKind::Real => "Number",
            ColumnKind::Boolean => "Boolean",
            ColumnKind::Text | ColumnKind::Time | ColumnKind::Day => "String",
        };
        outline
            .schema
            .columns
            .iter()
            .map(|column| (column.name.to_owned(), kind(column.kind).into()))
            .collect::<serde_json::Map<_, Value>>()
            .into()
    };
    let told: Vec<Value> = layers
        .iter()
        .map(|layer| {
            let fields = layer.fields.map_or_else(own, |fields| {
                fields.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).into())).collect::<serde_json::Map<_, Value>>().into()
            });
            json!({ "id": layer.name, "fields": fields, "minzoom": layer.first_zoom, "maxzoom": layer.last_zoom })
        })
        .collect();
    json!({
        "name": outline.layer_name(),
        "description": outline.says(outline.schema.title),
        "type": "overlay",
        "vector_layers": told,
        "firebreak": outline.about_json(),
    })
}
