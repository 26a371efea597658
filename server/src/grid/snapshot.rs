//! The grid and the regions of a district in memory: lines by record and by place, the township of a position. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use geo::{BoundingRect as _, Intersects as _, LineString, MultiPolygon, Point, Polygon, Rect, coord};
use sync_protocol::ids::RecordId;
use sync_protocol::reference::{LineView, Reference, RegionLevel, RegionView, Ring, StructureView};

use crate::geometry::{GeoBox, GridIndex, GridLine, Line};
use crate::layers;

/// A line in force.
#[derive(Clone, Debug)]
pub struct GridRow {
    /// Its record.
    pub record: RecordId,
    /// What it says.
    pub view: LineView,
    /// Its geometry; its structures are those of the view, in their order.
    pub line: Arc<Line>,
}

/// A region with its polygons ready to be asked.
#[derive(Clone, Debug)]
struct Place {
    record: RecordId,
    view: RegionView,
    shape: MultiPolygon<f64>,
    bounds: Rect<f64>,
}

/// What is in force of a district's grid and regions, and what has been retired.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    /// The changes of the versions that it was made of: grid, regions.
    pub basis: (u64, u64),
    /// The versions: hexadecimal; empty before the first import.
    pub versions: (String, String),
    /// Lines in force. The keys of [`Grid::index`] count them.
    pub lines: Vec<GridRow>,
    /// Structures that stand alone.
    pub structures: Vec<(RecordId, StructureView)>,
    /// Lines, structures and regions that the last import no longer named.
    pub retired: BTreeMap<RecordId, Reference>,
    by_record: HashMap<RecordId, usize>,
    index: Option<GridIndex>,
    places: Vec<Place>,
    ids: OnceLock<Ids>,
}

/// What maps number, each by its id, ascending. An id is a hash of what names the thing, so that it stays through
/// imports: of a line and a region their record; of a structure its line's and its own id there, else its number, else
/// its vertex.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    /// Positions among [`Grid::lines`].
    pub lines: Vec<(i64, usize)>,
    /// Structures.
    pub structures: Vec<(i64, StructureAt)>,
    /// Positions among [`Grid::regions`].
    pub regions: Vec<(i64, usize)>,
}

/// A structure of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructureAt {
    /// On a line: positions among [`Grid::lines`] and among the structures of its view.
    OnLine(usize, usize),
    /// Alone: position among [`Grid::structures`].
    Alone(usize),
}

/// How far beyond its bounds a district may grow before an import looks odd, degrees × 1e7: some 100 km.
const MARGIN_E7: i64 = 10_000_000;

/// Whether a version of a region is in force on a day.
pub fn is_in_force(region: &RegionView, day: i64) -> bool {
    region.from_day.is_none_or(|from| from <= day) && region.until_day.is_none_or(|until| day < until)
}

impl Grid {
    /// A snapshot of rows. `zone_mm`: half the protection zone of a class of voltage, from the middle of the line.
    pub fn of(rows: Vec<(RecordId, Reference)>, zone_mm: impl Fn(&LineView) -> Option<i64>) -> Self {
        let mut grid = Self::default();
        let mut indexed = Vec::new();
        for (record, reference) in rows {
            if reference.is_retired() {
                grid.retired.insert(record, reference);
                continue;
            }
            match reference {
                Reference::Line(view) => {
                    let structures: Vec<usize> = view
                        .structures
                        .iter()
                        .map(|structure| usize::try_from(structure.vertex).unwrap_or(usize::MAX))
                        .collect();
                    // What was imported is a line.
                    let Ok(line) = Line::new(view.vertices.clone(), &structures) else { continue };
                    let line = Arc::new(line);
                    indexed.push(GridLine { line: Arc::clone(&line), zone_mm: zone_mm(&view) });
                    grid.by_record.insert(record, grid.lines.len());
                    grid.lines.push(GridRow { record, view, line });
                }
                Reference::Structure(view) => grid.structures.push((record, view)),
                Reference::Region(view) => grid.places.extend(place(record, view)),
            }
        }
        grid.index = Some(GridIndex::new(indexed));
        grid.places.sort_by(|one, other| one.view.code.cmp(&other.view.code));
        grid
    }

    /// The index of the lines in force, by their order in [`Grid::lines`]; none before the first import.
    pub fn index(&self) -> Option<&GridIndex> {
        self.index.as_ref()
    }

    /// A line in force.
    pub fn line(&self, record: RecordId) -> Option<&GridRow> {
        self.lines.get(*self.by_record.get(&record)?)
    }

    /// The position of a line among [`Grid::lines`], which is its key in [`Grid::index`].
    pub fn key_of(&self, record: RecordId) -> Option<usize> {
        self.by_record.get(&record).copied()
    }

    /// The one line in force that has this id or name where it comes from; none where several have the name.
    pub fn line_named(&self, name: &str) -> Option<&GridRow> {
        if let Some(row) = self.lines.iter().find(|row| row.view.external_id == name) {
            return Some(row);
        }
        let mut named = self.lines.iter().filter(|row| row.view.name.as_deref() == Some(name));
        let first = named.next()?;
        named.next().is_none().then_some(first)
    }

    /// Regions in force, by code.
    pub fn regions(&self) -> impl Iterator<Item = (RecordId, &RegionView)> {
        self.places.iter().map(|place| (place.record, &place.view))
    }

    /// The region at this position among [`Grid::regions`], with its areas: degrees, longitude before latitude.
    pub fn region_at(&self, nth: usize) -> Option<(RecordId, &RegionView, &MultiPolygon<f64>)> {
        self.places.get(nth).map(|place| (place.record, &place.view, &place.shape))
    }

    /// What maps number of it; put together once.
    pub fn ids(&self) -> &Ids {
        self.ids.get_or_init(|| self.number())
    }

    fn number(&self) -> Ids {
        let of_record = |record: RecordId| layers::id(record.0.as_bytes());
        let lines = self.lines.iter().enumerate();
        let on_lines = lines.clone().flat_map(|(nth, row)| {
            row.view.structures.iter().enumerate().map(move |(ordinal, structure)| {
                let own = structure.external_id.as_deref().or(structure.number.as_deref());
                let own = own.map_or_else(|| format!("#{}", structure.vertex), str::to_owned);
                let name = [row.record.0.as_bytes().as_slice(), own.as_bytes()].concat();
                (layers::id(&name), StructureAt::OnLine(nth, ordinal))
            })
        });
        let alone = self.structures.iter().enumerate();
        let alone = alone.map(|(nth, (record, _))| (of_record(*record), StructureAt::Alone(nth)));
        let regions = self.places.iter().enumerate();
        Ids {
            lines: layers::apart(lines.map(|(nth, row)| (of_record(row.record), nth))),
            structures: layers::apart(on_lines.chain(alone)),
            regions: layers::apart(regions.map(|(nth, place)| (of_record(place.record), nth))),
        }
    }

    /// Where the district is, as far as its regions and lines say: a box with a margin; none where there are neither.
    pub fn bounds(&self) -> Option<GeoBox> {
        self.extent().map(|GeoBox([south, west, north, east])| {
            GeoBox([south - MARGIN_E7, west - MARGIN_E7, north + MARGIN_E7, east + MARGIN_E7])
        })
    }

    /// The box of its regions and lines; none where there are neither.
    pub fn extent(&self) -> Option<GeoBox> {
        let regions = self.places.iter().flat_map(|place| place.view.polygons.iter().flatten().flatten());
        let lines = self.lines.iter().flat_map(|row| &row.view.vertices);
        let mut bounds: Option<[i64; 4]> = None;
        for (lat, lon) in regions.chain(lines) {
            let [south, west, north, east] = bounds.unwrap_or([*lat, *lon, *lat, *lon]);
            bounds = Some([south.min(*lat), west.min(*lon), north.max(*lat), east.max(*lon)]);
        }
        bounds.map(GeoBox)
    }

    /// The box of everything in it: regions, lines and structures that stand alone; none where there is nothing.
    pub fn reach(&self) -> Option<GeoBox> {
        let alone = self.structures.iter().map(|(_, structure)| structure.position);
        let alone = alone.map(|(lat, lon)| [lat, lon, lat, lon]);
        let whole = self.extent().map(|GeoBox(sides)| sides);
        let both = |[s, w, n, e]: [i64; 4], [south, west, north, east]: [i64; 4]| {
            [s.min(south), w.min(west), n.max(north), e.max(east)]
        };
        alone.chain(whole).reduce(both).map(GeoBox)
    }

    /// The township of a position (degrees × 1e7) on a local day counted from 1970-01-01. On a border the lower code;
    /// of two versions that overlap, the later.
    pub fn township_of(&self, lat_e7: i64, lon_e7: i64, day: i64) -> Option<&RegionView> {
        self.region_of(RegionLevel::Township, lat_e7, lon_e7, day)
    }

    /// The region of a level at a position on a day.
    pub fn region_of(&self, level: RegionLevel, lat_e7: i64, lon_e7: i64, day: i64) -> Option<&RegionView> {
        let point = Point::new(degrees(lon_e7), degrees(lat_e7));
        let mut found: Vec<&RegionView> = self
            .places
            .iter()
            .filter(|place| place.view.level == level && is_in_force(&place.view, day))
            .filter(|place| place.bounds.intersects(&point) && place.shape.intersects(&point))
            .map(|place| &place.view)
            .collect();
        // Places are by code already: the sort keeps that order within a day.
        found.sort_by_key(|region| std::cmp::Reverse(region.from_day));
        found.into_iter().next()
    }
}

fn place(record: RecordId, view: RegionView) -> Option<Place> {
    let polygons = view.polygons.iter().filter_map(|rings| {
        let (outer, holes) = rings.split_first()?;
        Some(Polygon::new(ring(outer), holes.iter().map(ring).collect()))
    });
    let shape = MultiPolygon::new(polygons.collect());
    let bounds = shape.bounding_rect()?;
    Some(Place { record, view, shape, bounds })
}

fn ring(ring: &Ring) -> LineString<f64> {
    ring.iter().map(|(lat, lon)| coord! { x: degrees(*lon), y: degrees(*lat) }).collect()
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "|e7| ≤ 1.8e9 is exact in f64")]
fn degrees(e7: i64) -> f64 {
    e7 as f64 / 1e7
}
