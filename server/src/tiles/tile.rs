//! Tiles by number: their places, and where in them a place lies.

use crate::geometry::{GRID_BITS, grid_of_key, key_of_grid};

/// The deepest zoom.
pub const ZOOM_MAX: u8 = 22;
/// The zoom whose cells are places.
const PLACE_ZOOM: u8 = 31;
/// Bits of a coordinate inside a tile.
const EXTENT_BITS: u32 = 12;
/// Units along each side of a tile.
pub const EXTENT: i32 = 1 << EXTENT_BITS;

/// A tile of `WebMercatorQuad`: column x eastward, row y southward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    zoom: u8,
    x: u32,
    y: u32,
}

impl Tile {
    /// A tile; none beyond [`ZOOM_MAX`] or outside the world.
    pub fn new(zoom: u8, x: u32, y: u32) -> Option<Self> {
        let exists = zoom <= ZOOM_MAX && x >> zoom == 0 && y >> zoom == 0;
        exists.then_some(Self { zoom, x, y })
    }

    /// Its zoom.
    pub const fn zoom(self) -> u8 {
        self.zoom
    }

    /// Its column.
    pub const fn x(self) -> u32 {
        self.x
    }

    /// Its row.
    pub const fn y(self) -> u32 {
        self.y
    }

    /// The tile of a zoom that a place is in; none beyond [`ZOOM_MAX`].
    pub fn of_place(place: i64, zoom: u8) -> Option<Self> {
        let (x, y) = grid_of_key(place);
        let up = GRID_BITS.saturating_sub(u32::from(zoom));
        Self::new(zoom, x.checked_shr(up).unwrap_or(0), y.checked_shr(up).unwrap_or(0))
    }

    /// The keys of places in it, first and last.
    pub fn places(self) -> (i64, i64) {
        self.cells(PLACE_ZOOM)
    }

    /// Whether a place lies in it.
    pub fn holds(self, place: i64) -> bool {
        let (first, last) = self.places();
        (first..=last).contains(&place)
    }

    /// The cells of a zoom in it, first and last, each by its Morton number among the cells of that zoom; of a zoom that
    /// is not deeper, the number of the tile itself.
    pub fn cells(self, zoom: u8) -> (i64, i64) {
        let down = 2 * u32::from(zoom.saturating_sub(self.zoom));
        let first = key_of_grid(self.x, self.y) << down;
        (first, first + ((1_i64 << down) - 1))
    }

    /// Where a place of this tile lies in it, each coordinate in 0..[`EXTENT`], by shifting alone.
    pub fn pixel(self, place: i64) -> (i32, i32) {
        let (x, y) = grid_of_key(place);
        (self.within(x), self.within(y))
    }

    /// A grid coordinate as one inside the tile.
    fn within(self, coordinate: u32) -> i32 {
        let low_bits = GRID_BITS - u32::from(self.zoom);
        let low = coordinate & ((1_u32 << low_bits) - 1);
        let scaled = if low_bits >= EXTENT_BITS {
            low >> (low_bits - EXTENT_BITS)
        } else {
            low << (EXTENT_BITS - low_bits)
        };
        i32::try_from(scaled).unwrap_or(0)
    }

    /// The middle of a cell of a zoom in it.
    pub fn middle(self, zoom: u8, cell: i64) -> (i32, i32) {
        let down = 2 * u32::from(PLACE_ZOOM.saturating_sub(zoom));
        // The place behind the first quarter of the cell's diagonal is its middle: its highest bits are one.
        let half = 3_i64.checked_shl(down.saturating_sub(2)).unwrap_or(0);
        self.pixel((cell << down) | half)
    }

    /// West, south, east, north in degrees: the tile with a margin of so many of its units on each side.
    pub fn bounds(self, margin: f64) -> [f64; 4] {
        let across = f64::from(1_u32 << self.zoom);
        let margin = margin / f64::from(EXTENT);
        let lon = |column: f64| (column / across * 360.0 - 180.0).clamp(-180.0, 180.0);
        let lat = |row: f64| {
            let north = std::f64::consts::PI * (1.0 - 2.0 * row / across);
            north.sinh().atan().to_degrees().clamp(-90.0, 90.0)
        };
        let (x, y) = (f64::from(self.x), f64::from(self.y));
        [lon(x - margin), lat(y + 1.0 + margin), lon(x + 1.0 + margin), lat(y - margin)]
    }

    /// A position (degrees) in units of the tile from its upper left corner; it may lie outside.
    pub(super) fn project(self, lon: f64, lat: f64) -> (f64, f64) {
        let across = f64::from(1_u32 << self.zoom);
        let latitude = lat.clamp(-MAX_LATITUDE, MAX_LATITUDE).to_radians();
        let column = (lon + 180.0) / 360.0 * across;
        let row = (0.5 - latitude.tan().asinh() / std::f64::consts::TAU) * across;
        ((column - f64::from(self.x)) * f64::from(EXTENT), (row - f64::from(self.y)) * f64::from(EXTENT))
    }
}

/// Latitude at which web mercator is square, degrees.
const MAX_LATITUDE: f64 = 85.051_128_779_806_59;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::place;

    const PLACES: [(i64, i64); 6] = [
        (299_800_000, 1_030_000_000),
        (0, 0),
        (-899_999_999, -1_800_000_000),
        (899_999_999, 1_799_999_999),
        (276_543_211, 853_334_441),
        (-123_456_789, -987_654_321),
    ];

    #[test]
    fn a_place_is_in_exactly_one_tile_of_each_zoom_and_inside_its_extent() {
        for (lat_e7, lon_e7) in PLACES {
            let key = place(lat_e7, lon_e7);
            for zoom in 0..=ZOOM_MAX {
                let tile = Tile::of_place(key, zoom).unwrap();
                let (first, last) = tile.places();
                assert!((first..=last).contains(&key), "zoom {zoom}");
                let (x, y) = tile.pixel(key);
                assert!((0..EXTENT).contains(&x) && (0..EXTENT).contains(&y), "zoom {zoom}: {x} {y}");
                if zoom > 0 {
                    let parent = Tile::of_place(key, zoom - 1).unwrap();
                    assert_eq!((tile.x() / 2, tile.y() / 2), (parent.x(), parent.y()));
                }
            }
        }
    }

    #[test]
    fn the_places_of_the_tiles_of_a_zoom_lie_end_to_end() {
        for zoom in 0..=4_u8 {
            let across = 1_u32 << zoom;
            let mut ranges: Vec<(i64, i64)> = (0..across)
                .flat_map(|x| (0..across).map(move |y| Tile::new(zoom, x, y).unwrap().places()))
                .collect();
            ranges.sort_unstable();
            assert_eq!(ranges.first().unwrap().0, 0);
            assert_eq!(ranges.last().unwrap().1, (1_i64 << 62) - 1);
            assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "zoom {zoom}");
        }
    }

    #[test]
    fn shifting_a_key_says_the_same_as_projecting_its_position() {
        for (lat_e7, lon_e7) in PLACES.into_iter().filter(|(lat, _)| lat.abs() < 850_000_000) {
            let degrees = |e7: i64| f64::from(i32::try_from(e7).unwrap()) / 1e7;
            for zoom in 0..=18 {
                let tile = Tile::of_place(place(lat_e7, lon_e7), zoom).unwrap();
                let (x, y) = tile.pixel(place(lat_e7, lon_e7));
                let (exact_x, exact_y) = tile.project(degrees(lon_e7), degrees(lat_e7));
                let is_near = |whole: i32, exact: f64| (-0.01..1.01).contains(&(exact - f64::from(whole)));
                assert!(is_near(x, exact_x) && is_near(y, exact_y), "{zoom} {x} {y} {exact_x} {exact_y}");
            }
        }
    }

    #[test]
    fn the_middle_of_a_cell_is_in_the_middle() {
        let tile = Tile::new(5, 25, 13).unwrap();
        let (first, last) = tile.cells(10);
        assert_eq!(tile.middle(10, first), (64, 64));
        assert_eq!(tile.middle(10, last), (4_032, 4_032));
        assert_eq!(tile.middle(5, tile.cells(5).0), (2_048, 2_048));
    }

    #[test]
    fn a_tile_beyond_the_deepest_zoom_or_outside_the_world_is_none() {
        assert!(Tile::new(22, (1 << 22) - 1, 0).is_some());
        for (zoom, x, y) in [(23, 0, 0), (22, 1 << 22, 0), (0, 1, 0), (0, 0, 1), (3, 0, 8), (255, 0, 0)] {
            assert_eq!(Tile::new(zoom, x, y), None, "{zoom}/{x}/{y}");
        }
    }

    #[test]
    fn the_bounds_of_a_tile_are_its_corners() {
        let bounds = Tile::new(1, 1, 0).unwrap().bounds(0.0);
        let expected = [0.0, 0.0, 180.0, MAX_LATITUDE];
        assert!(bounds.iter().zip(expected).all(|(is, should)| (is - should).abs() < 1e-9), "{bounds:?}");
    }
}
