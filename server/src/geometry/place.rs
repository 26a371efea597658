//! Places: the Morton key of a position, and the boxes of an area.
//!
//! A place is one `i64`: 31-bit web-mercator x and y, interleaved, y in the odd bits. Every tile z/x/y is one
//! range of keys.

use geo::Rect;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::units::degrees;

/// Bits of each coordinate of the grid.
pub const GRID_BITS: u32 = 31;
/// Latitude at which web mercator is square, degrees.
const MAX_LATITUDE: f64 = 85.051_128_779_806_59;

/// The interleaved key of a position in degrees × 1e7.
pub fn place(lat_e7: i64, lon_e7: i64) -> i64 {
    let (x, y) = mercator(lat_e7, lon_e7);
    key_of_grid(x, y)
}

/// The key of grid coordinates, each in 0..2^31.
pub fn key_of_grid(x: u32, y: u32) -> i64 {
    spread(x) | (spread(y) << 1)
}

/// The grid coordinates of a key, exactly: x eastward, y southward, each in 0..2^31.
pub fn grid_of_key(key: i64) -> (u32, u32) {
    let coordinate = |key: i64| u32::try_from(gather(key)).unwrap_or(0);
    (coordinate(key), coordinate(key >> 1))
}

/// Web-mercator grid coordinates, x eastward, y southward, each in 0..2^31.
fn mercator(lat_e7: i64, lon_e7: i64) -> (u32, u32) {
    let latitude = degrees(lat_e7).clamp(-MAX_LATITUDE, MAX_LATITUDE).to_radians();
    let x = (degrees(lon_e7) + 180.0) / 360.0;
    let y = 0.5 - latitude.tan().asinh() / std::f64::consts::TAU;
    (grid(x), grid(y))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..2^31 before the cast"
)]
fn grid(fraction: f64) -> u32 {
    let cells = f64::from(1_u32 << GRID_BITS);
    (fraction * cells).floor().clamp(0.0, cells - 1.0) as u32
}

fn spread(value: u32) -> i64 {
    let mut spread = i64::from(value);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        spread = (spread | (spread << shift)) & mask;
    }
    spread
}

fn gather(key: i64) -> i64 {
    let mut value = key & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        value = (value | (value >> shift)) & mask;
    }
    value
}

/// A box in degrees × 1e7: `[lat_min, lon_min, lat_max, lon_max]`, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GeoBox(pub [i64; 4]);

impl GeoBox {
    /// The box of a text: west, south, east, north, in degrees. None where that is none, or out of range.
    pub fn in_degrees(text: &str) -> Option<Self> {
        sides(text).map(|[west, south, east, north]| Self([south, west, north, east])).filter(Self::is_valid)
    }

    /// Whether minimum and maximum are in order and in range.
    pub fn is_valid(&self) -> bool {
        let [lat_min, lon_min, lat_max, lon_max] = self.0;
        lat_min <= lat_max
            && lon_min <= lon_max
            && lat_min >= -900_000_000
            && lat_max <= 900_000_000
            && lon_min >= -1_800_000_000
            && lon_max <= 1_800_000_000
    }

    fn grid(&self) -> Grid {
        let [lat_min, lon_min, lat_max, lon_max] = self.0;
        let (x_min, y_max) = mercator(lat_min, lon_min);
        let (x_max, y_min) = mercator(lat_max, lon_max);
        Grid { x: (x_min.into(), x_max.into()), y: (y_min.into(), y_max.into()) }
    }
}

/// Four numbers with commas between them: west, south, east, north, degrees × 1e7, in whatever order they stand to each
/// other.
pub fn sides(text: &str) -> Option<[i64; 4]> {
    let parts = text.split(',').map(degrees_e7).collect::<Option<Vec<i64>>>()?;
    parts.try_into().ok()
}

/// Decimal degrees, exactly: digits beyond the seventh are cut.
fn degrees_e7(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = whole.chars().chain(fraction.chars()).all(|c| c.is_ascii_digit());
    if !are_digits || whole.is_empty() || whole.len() > 3 {
        return None;
    }
    let fraction: String = fraction.chars().chain("0000000".chars()).take(7).collect();
    let e7 = whole.parse::<i64>().ok()? * 10_000_000 + fraction.parse::<i64>().ok()?;
    Some(sign * e7)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grid {
    x: (i64, i64),
    y: (i64, i64),
}

impl Grid {
    fn contains(&self, key: i64) -> bool {
        let (x, y) = (gather(key), gather(key >> 1));
        (self.x.0..=self.x.1).contains(&x) && (self.y.0..=self.y.1).contains(&y)
    }
}

/// The least box around two.
pub fn around(a: Rect<f64>, b: Rect<f64>) -> Rect<f64> {
    let least = (a.min().x.min(b.min().x), a.min().y.min(b.min().y));
    let most = (a.max().x.max(b.max().x), a.max().y.max(b.max().y));
    Rect::new(least, most)
}

/// The places that a device is sent: boxes, or everywhere where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Area {
    boxes: Vec<Grid>,
}

impl Area {
    /// The whole district.
    pub fn everywhere() -> Self {
        Self::default()
    }

    /// The union of boxes.
    pub fn of(boxes: &[GeoBox]) -> Self {
        Self { boxes: boxes.iter().map(GeoBox::grid).collect() }
    }

    /// Whether nothing is left out.
    pub fn is_everywhere(&self) -> bool {
        self.boxes.is_empty()
    }

    /// The union with another area.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        if self.is_everywhere() || other.is_everywhere() {
            return Self::everywhere();
        }
        self.boxes.extend_from_slice(&other.boxes);
        self
    }

    /// Whether a place lies in it. A record without a place lies in every area: nobody may miss it.
    pub fn contains(&self, place: Option<i64>) -> bool {
        match place {
            None => true,
            Some(key) => self.is_everywhere() || self.boxes.iter().any(|grid| grid.contains(key)),
        }
    }

    /// Ranges of keys that cover the area, at most `limit` a box, ascending and apart.
    pub fn ranges(&self, limit: usize) -> Vec<(i64, i64)> {
        let mut ranges: Vec<(i64, i64)> = self.boxes.iter().flat_map(|grid| cover(grid, limit)).collect();
        ranges.sort_unstable();
        ranges.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1.saturating_add(1);
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
        ranges
    }
}

/// Quadtree cells that cover a box, split while there are fewer than `limit`.
fn cover(grid: &Grid, limit: usize) -> Vec<(i64, i64)> {
    let mut cells = vec![(0_i64, 0_i64, GRID_BITS)];
    loop {
        let mut next = Vec::with_capacity(cells.len() * 4);
        let mut has_split = false;
        for &(x, y, bits) in &cells {
            let size = 1_i64 << bits;
            let is_inside =
                x >= grid.x.0 && x + size - 1 <= grid.x.1 && y >= grid.y.0 && y + size - 1 <= grid.y.1;
            if is_inside || bits == 0 {
                next.push((x, y, bits));
                continue;
            }
            has_split = true;
            let half = size / 2;
            for (child_x, child_y) in [(x, y), (x + half, y), (x, y + half), (x + half, y + half)] {
                let meets = child_x <= grid.x.1
                    && child_x + half > grid.x.0
                    && child_y <= grid.y.1
                    && child_y + half > grid.y.0;
                if meets {
                    next.push((child_x, child_y, bits - 1));
                }
            }
        }
        if !has_split || next.len() > limit {
            break;
        }
        cells = next;
    }
    cells
        .into_iter()
        .map(|(x, y, bits)| {
            let corner = |value: i64| spread(u32::try_from(value).unwrap_or(u32::MAX));
            let low = corner(x) | (corner(y) << 1);
            (low, low + ((1_i64 << (2 * bits)) - 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_read_exactly_and_nothing_else_is() {
        for (text, expected) in [
            ("103", Some(1_030_000_000)),
            ("-0.5", Some(-5_000_000)),
            (" 29.98765432 ", Some(299_876_543)),
            ("-180.0", Some(-1_800_000_000)),
            ("1e2", None),
            ("", None),
            ("-", None),
            (".5", None),
            ("--1", None),
            ("1234", None),
            ("NaN", None),
        ] {
            assert_eq!(degrees_e7(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_box_has_four_sides_in_order_and_in_range() {
        let expected = Some(GeoBox([290_000_000, 1_020_000_000, 300_000_000, 1_040_000_000]));
        assert_eq!(GeoBox::in_degrees("102,29,104,30"), expected);
        for text in ["102,29,104", "102,29,104,30,1", "104,29,102,30", "102,29,104,91", "a,b,c,d", ""] {
            assert_eq!(GeoBox::in_degrees(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_key_of_a_place_is_gathered_back_to_its_grid_coordinates() {
        for (lat, lon) in [(0, 0), (300_000_000, 1_030_000_000), (-899_999_999, -1_800_000_000)] {
            let (x, y) = mercator(lat, lon);
            let key = place(lat, lon);
            assert_eq!((gather(key), gather(key >> 1)), (x.into(), y.into()));
            assert_eq!(grid_of_key(key), (x, y));
        }
    }

    #[test]
    fn the_ranges_of_an_area_hold_every_place_inside_it() {
        let area = Area::of(&[GeoBox([298_000_000, 1_029_000_000, 302_000_000, 1_033_000_000])]);
        let ranges = area.ranges(16);
        assert!(!ranges.is_empty() && ranges.len() <= 16, "{} ranges", ranges.len());
        for step in 0..=40_i64 {
            let key = place(298_000_000 + step * 100_000, 1_029_000_000 + step * 100_000);
            assert!(area.contains(Some(key)));
            assert!(ranges.iter().any(|(low, high)| (*low..=*high).contains(&key)), "step {step}");
        }
        assert!(!area.contains(Some(place(310_000_000, 1_030_000_000))));
    }
}
