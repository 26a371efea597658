//! Fixes of a GPX 1.0 or 1.1 file.
//!
//! Tracks are walks, and only they: a route is a plan and a waypoint a mark, and a file with nothing else is refused, so
//! that nobody counts a plan as patrolled. What else a file says is passed over: loggers write elements of both
//! versions and of their own into either. One damaged point costs that point. What of the fixes is a walk is
//! [`super::clean`]'s. Start at [`read_gpx`].

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use thiserror::Error;

use super::track::Fix;
use super::units::{e7, whole};

/// Largest file, bytes.
pub const LARGEST_FILE: usize = 32 * 1024 * 1024;
/// Most track points of a file, damaged ones too.
pub const MOST_POINTS: usize = 200_000;
/// Longest text of a time or a number, bytes.
const LONGEST_TEXT: usize = 64;
/// Accuracy of a fix with a horizontal dilution of precision of 1, decimetres: the range error of a phone in the open.
const DILUTION_ONE_DM: f64 = 50.0;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpxTrack {
    /// Of all tracks, in the order of the file, each segment with a number of its own.
    pub fixes: Vec<Fix>,
    /// Track points without a position on earth.
    pub damaged: usize,
    /// Marks, which are no walk.
    pub waypoints: usize,
    /// Plans, which are no walk.
    pub routes: usize,
}

/// Why a file is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum GpxFault {
    /// More bytes than [`LARGEST_FILE`].
    #[error(
        "文件 {0} 字节，最多读 {LARGEST_FILE} 字节 (the file has {0} bytes, at most {LARGEST_FILE} are read)"
    )]
    TooLarge(usize),
    /// More points than [`MOST_POINTS`].
    #[error("轨迹点超过 {MOST_POINTS} 个 (the file has more than {MOST_POINTS} track points)")]
    TooManyPoints,
    /// No XML, or damaged.
    #[error(
        "文件不是可读的 XML，在第 {at} 字节 (the file is no XML that can be read, at byte {at}: {cause})"
    )]
    Unreadable {
        /// Where.
        at: u64,
        /// What the reader says.
        cause: String,
    },
    /// The file ends inside of an element.
    #[error("文件不完整 (the file is cut short)")]
    CutShort,
    /// Its outermost element is another.
    #[error("文件不是 GPX (the file is no GPX)")]
    NotGpx,
    /// No track point with a position.
    #[error(
        "文件里没有轨迹：航点 {waypoints} 个、航线 {routes} 条不算行走，无效轨迹点 {damaged} 个 (the file has no track: \
         {waypoints} waypoints and {routes} routes are no walk, {damaged} track points are damaged)"
    )]
    NoTrack {
        /// Track points without a position on earth.
        damaged: usize,
        /// Marks in the file.
        waypoints: usize,
        /// Plans in the file.
        routes: usize,
    },
}

/// Where the reader is.
#[derive(Default)]
struct State {
    found: GpxTrack,
    has_root: bool,
    /// Segments begun.
    segments: u32,
    depth: usize,
    is_in_segment: bool,
    /// The track point that is being read; without a position where it has none.
    point: Option<Point>,
    /// The element of the point whose text is being read.
    field: Option<Field>,
    text: String,
}

#[derive(Default)]
struct Point {
    position: Option<(i64, i64)>,
    time_ms: Option<i64>,
    accuracy_dm: Option<i64>,
}

#[derive(Clone, Copy)]
enum Field {
    Time,
    Dilution,
}

/// The tracks of a file. Never panics, and holds no more than the fixes.
pub fn read_gpx(file: &[u8]) -> Result<GpxTrack, GpxFault> {
    if file.len() > LARGEST_FILE {
        return Err(GpxFault::TooLarge(file.len()));
    }
    let mut reader = Reader::from_reader(file);
    let mut state = State::default();
    loop {
        let event = reader.read_event();
        let unreadable = |error: quick_xml::Error, at| GpxFault::Unreadable { at, cause: error.to_string() };
        match event.map_err(|error| unreadable(error, reader.error_position()))? {
            Event::Start(element) if element.local_name().as_ref() == b"extensions" => {
                let name = element.name();
                reader.read_to_end(name).map_err(|error| unreadable(error, reader.error_position()))?;
            }
            Event::Start(element) => state.start(&element)?,
            Event::Empty(element) => {
                state.start(&element)?;
                state.end(element.local_name().as_ref())?;
            }
            Event::End(element) => state.end(element.local_name().as_ref())?,
            Event::Text(text) => state.text(&text),
            Event::CData(text) => state.text(&text),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::GeneralRef(_) => {}
        }
    }
    state.finish()
}

impl State {
    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), GpxFault> {
        let name = element.local_name();
        if self.depth == 0 && name.as_ref() != b"gpx" {
            return Err(GpxFault::NotGpx);
        }
        self.has_root = true;
        self.depth += 1;
        match name.as_ref() {
            b"trkseg" => {
                self.is_in_segment = true;
                self.segments = self.segments.saturating_add(1);
            }
            b"trkpt" if self.is_in_segment => {
                if self.found.fixes.len() + self.found.damaged >= MOST_POINTS {
                    return Err(GpxFault::TooManyPoints);
                }
                self.point = Some(Point { position: position(element), ..Point::default() });
            }
            b"wpt" => self.found.waypoints += 1,
            b"rte" => self.found.routes += 1,
            b"time" if self.point.is_some() => self.begin(Field::Time),
            b"hdop" if self.point.is_some() => self.begin(Field::Dilution),
            _ => self.field = None,
        }
        Ok(())
    }

    fn begin(&mut self, field: Field) {
        self.field = Some(field);
        self.text.clear();
    }

    fn text(&mut self, bytes: &[u8]) {
        // In whatever encoding: times and numbers are the same bytes in all that XML readers meet.
        if self.field.is_some() && self.text.len() + bytes.len() <= LONGEST_TEXT {
            self.text.push_str(&String::from_utf8_lossy(bytes));
        }
    }

    fn end(&mut self, name: &[u8]) -> Result<(), GpxFault> {
        self.depth = self.depth.checked_sub(1).ok_or(GpxFault::NotGpx)?;
        match name {
            b"trkseg" => self.is_in_segment = false,
            b"trkpt" => self.keep(),
            _ => {}
        }
        if let Some((field, point)) = self.field.take().zip(self.point.as_mut()) {
            let text = self.text.trim();
            match field {
                Field::Time => point.time_ms = time_ms(text),
                Field::Dilution => point.accuracy_dm = accuracy_dm(text),
            }
        }
        Ok(())
    }

    fn keep(&mut self) {
        self.field = None;
        let Some(Point { position, time_ms, accuracy_dm }) = self.point.take() else { return };
        match position {
            Some((lat_e7, lon_e7)) => {
                let segment = self.segments;
                self.found.fixes.push(Fix { time_ms, accuracy_dm, lat_e7, lon_e7, segment });
            }
            None => self.found.damaged += 1,
        }
    }

    fn finish(self) -> Result<GpxTrack, GpxFault> {
        let GpxTrack { damaged, waypoints, routes, .. } = self.found;
        match (self.depth, self.found.fixes.is_empty()) {
            (1.., _) => Err(GpxFault::CutShort),
            (0, true) if !self.has_root => Err(GpxFault::NotGpx),
            (0, true) => Err(GpxFault::NoTrack { damaged, waypoints, routes }),
            (0, false) => Ok(self.found),
        }
    }
}

fn position(element: &BytesStart<'_>) -> Option<(i64, i64)> {
    let number = |name: &str| -> Option<f64> {
        let attribute = element.try_get_attribute(name).ok()??;
        let text: Cow<'_, str> = String::from_utf8_lossy(&attribute.value);
        text.trim().parse().ok()
    };
    let (lat, lon) = (number("lat")?, number("lon")?);
    let is_on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    is_on_earth.then(|| (e7(lat), e7(lon)))
}

/// A time without a zone is in UTC, as the format says all are.
fn time_ms(text: &str) -> Option<i64> {
    let with_zone = text.parse::<jiff::Timestamp>().ok();
    let utc = || jiff::tz::TimeZone::UTC.to_timestamp(text.parse::<jiff::civil::DateTime>().ok()?).ok();
    with_zone.or_else(utc).map(jiff::Timestamp::as_millisecond)
}

fn accuracy_dm(text: &str) -> Option<i64> {
    let dilution: f64 = text.parse().ok()?;
    (dilution > 0.0 && dilution.is_finite()).then(|| whole(dilution * DILUTION_ONE_DM))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inner: &str) -> Vec<u8> {
        format!("<?xml version=\"1.0\"?><gpx version=\"1.0\">{inner}</gpx>").into_bytes()
    }

    #[test]
    fn the_fixes_of_all_segments_are_read_with_time_and_accuracy() {
        let read = read_gpx(&file(
            "<trk><trkseg><trkpt lat='27.7' lon='85.3'><ele>1</ele><time>2024-03-01T02:03:04.5Z</time><course>7</course>\
             <hdop>1.2</hdop></trkpt></trkseg><trkseg><!-- nothing --></trkseg><trkseg>\
             <trkpt lat=\"27.8\" lon=\"85.4\"><time>2024-03-01T10:03:04+08:00</time></trkpt>\
             <trkpt lat=\"27.9\" lon=\"180\"><time>2024-03-01T02:03:04</time><hdop>x</hdop></trkpt><trkpt lat='1' lon='2'/>\
             </trkseg></trk>",
        ))
        .unwrap();
        let read: Vec<_> =
            read.fixes.iter().map(|fix| (fix.vertex(), fix.time_ms, fix.accuracy_dm, fix.segment)).collect();
        let at = 1_709_258_584_000;
        assert_eq!(
            read,
            [
                ((277_000_000, 853_000_000), Some(at + 500), Some(60), 1),
                ((278_000_000, 854_000_000), Some(at), None, 3),
                ((279_000_000, 1_800_000_000), Some(at), None, 3),
                ((10_000_000, 20_000_000), None, None, 3),
            ]
        );
    }

    #[test]
    fn a_damaged_point_costs_that_point() {
        let read = read_gpx(&file(
            "<trk><trkseg><trkpt lat='91' lon='0'/><trkpt lat='' lon='0'/><trkpt lat='NaN' lon='0'/><trkpt/>\
             <trkpt lat='1' lon='2'><time>yesterday</time></trkpt></trkseg></trk>",
        ))
        .unwrap();
        assert_eq!((read.fixes.len(), read.damaged), (1, 4));
    }

    #[test]
    fn times_of_extensions_and_of_waypoints_are_not_those_of_a_fix() {
        let read = read_gpx(&file(
            "<wpt lat='3' lon='3'><time>2024-03-01T02:03:04Z</time></wpt><trk><trkseg><trkpt lat='1' lon='2'>\
             <extensions><x:time>2020-01-01T00:00:00Z</x:time></extensions></trkpt></trkseg></trk>",
        ))
        .unwrap();
        assert_eq!((read.fixes[0].time_ms, read.waypoints), (None, 1));
    }

    #[test]
    fn what_is_no_track_is_refused_in_words() {
        let no_track = |damaged, waypoints, routes| Err(GpxFault::NoTrack { damaged, waypoints, routes });
        assert_eq!(read_gpx(&file("")), no_track(0, 0, 0));
        assert_eq!(
            read_gpx(&file("<wpt lat='1' lon='2'/><rte><rtept lat='1' lon='2'/></rte>")),
            no_track(0, 1, 1)
        );
        assert_eq!(read_gpx(&file("<trkpt lat='1' lon='2'/>")), no_track(0, 0, 0), "outside of a segment");
        assert_eq!(read_gpx(b"a walk"), Err(GpxFault::NotGpx));
        assert_eq!(read_gpx(b"<kml></kml>"), Err(GpxFault::NotGpx));
        assert_eq!(read_gpx(b"<gpx><trk>"), Err(GpxFault::CutShort));
        assert!(matches!(read_gpx(b"<gpx><trk></gpx>"), Err(GpxFault::Unreadable { .. })));
        assert_eq!(read_gpx(&vec![b' '; LARGEST_FILE + 1]), Err(GpxFault::TooLarge(LARGEST_FILE + 1)));
    }

    #[test]
    fn one_point_too_many_is_refused() {
        let points = |count| {
            file(&format!("<trk><trkseg>{}</trkseg></trk>", "<trkpt lat='1' lon='2'/>".repeat(count)))
        };
        assert_eq!(read_gpx(&points(MOST_POINTS)).map(|read| read.fixes.len()), Ok(MOST_POINTS));
        assert_eq!(read_gpx(&points(MOST_POINTS + 1)), Err(GpxFault::TooManyPoints));
    }
}
