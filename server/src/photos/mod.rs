//! Photos as evidence: which files are images, what they may be, what they say of themselves, and thumbnails. Pure.
//!
//! Start at [`examine`]: what is checked of a file before it counts. Its original is never changed; what is shown inline
//! is a thumbnail of our own making, without metadata. Not here: where files lie, who may see them, what the ledger says.

pub mod pairs;
mod thumbnail;

use std::io::Cursor;

use image::{ImageDecoder, ImageFormat, ImageReader};
use jiff::civil::DateTime;
use sync_protocol::codes::Code;
use sync_protocol::limits;

pub use thumbnail::{SIDES, thumbnail};

/// Pixels of a photo that a thumbnail is made of: decoding takes four bytes of memory for each.
pub const THUMBNAIL_PIXELS: u64 = 50_000_000;

/// The formats that phones write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
    /// HEIF of any brand. It is kept and served; no thumbnail is made of it.
    Heif,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Jpeg, Self::Png, Self::Webp, Self::Heif];

    /// By its first bytes, which is all that is believed.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let at = |from: usize, magic: &[u8]| bytes.get(from..from + magic.len()) == Some(magic);
        let brands: [&[u8]; 6] = [b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"];
        if at(0, &[0xff, 0xd8, 0xff]) {
            Some(Self::Jpeg)
        } else if at(0, b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if at(0, b"RIFF") && at(8, b"WEBP") {
            Some(Self::Webp)
        } else if at(4, b"ftyp") && brands.iter().any(|brand| at(8, brand)) {
            Some(Self::Heif)
        } else {
            None
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Heif => "image/heif",
        }
    }

    /// The format of a media type.
    pub fn of_media_type(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.media_type() == text)
    }

    /// How its files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Heif => "heic",
        }
    }

    const fn decoded_as(self) -> Option<ImageFormat> {
        match self {
            Self::Jpeg => Some(ImageFormat::Jpeg),
            Self::Png => Some(ImageFormat::Png),
            Self::Webp => Some(ImageFormat::WebP),
            Self::Heif => None,
        }
    }
}

/// What a photo's file says of itself. The camera's claims are data, not truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// Its format.
    pub format: Format,
    /// Width and height in pixels; none where this version does not read them.
    pub size: Option<(u32, u32)>,
    /// When the camera says it was taken, in its own zone, and that zone's minutes east of UTC where it says so.
    pub taken: Option<(DateTime, Option<i32>)>,
    /// Where the camera says it was taken, degrees × 1e7.
    pub place: Option<(i64, i64)>,
}

/// Looks at a file's head: no pixel is decoded.
///
/// # Errors
/// [`Code::PhotoNotImage`], [`Code::PhotoTooManyPixels`].
pub fn examine(bytes: &[u8]) -> Result<Examined, Code> {
    let format = Format::of(bytes).ok_or(Code::PhotoNotImage)?;
    let size = match format.decoded_as() {
        None => None,
        Some(decoded_as) => {
            let reader = ImageReader::with_format(Cursor::new(bytes), decoded_as);
            let decoder = reader.into_decoder().map_err(|_broken| Code::PhotoNotImage)?;
            Some(decoder.dimensions())
        }
    };
    if let Some((width, height)) = size {
        if width == 0 || height == 0 {
            return Err(Code::PhotoNotImage);
        }
        if width > limits::PHOTO_SIDE
            || height > limits::PHOTO_SIDE
            || u64::from(width) * u64::from(height) > limits::PHOTO_PIXELS
        {
            return Err(Code::PhotoTooManyPixels);
        }
    }
    let exif = exif::Reader::new().read_from_container(&mut Cursor::new(bytes)).ok();
    Ok(Examined { format, size, taken: exif.as_ref().and_then(taken), place: exif.as_ref().and_then(place) })
}

fn text(exif: &exif::Exif, tag: exif::Tag) -> Option<String> {
    match &exif.get_field(tag, exif::In::PRIMARY)?.value {
        exif::Value::Ascii(lines) => Some(String::from_utf8_lossy(lines.first()?).into_owned()),
        _ => None,
    }
}

/// `2026:11:30 08:15:00`, and `+08:00` beside it where the camera wrote that.
fn taken(exif: &exif::Exif) -> Option<(DateTime, Option<i32>)> {
    let at = text(exif, exif::Tag::DateTimeOriginal).or_else(|| text(exif, exif::Tag::DateTime))?;
    let at = DateTime::strptime("%Y:%m:%d %H:%M:%S", at.trim()).ok()?;
    let offset = text(exif, exif::Tag::OffsetTimeOriginal).and_then(|text| offset_minutes(text.trim()));
    Some((at, offset))
}

fn offset_minutes(text: &str) -> Option<i32> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..=14).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 60 + minutes))
}

fn place(exif: &exif::Exif) -> Option<(i64, i64)> {
    let degrees = |value, letter, negative: &str, most: i64| {
        let exif::Value::Rational(parts) = &exif.get_field(value, exif::In::PRIMARY)?.value else {
            return None;
        };
        let e7 = degrees_e7(parts)?;
        let sign = if text(exif, letter)?.starts_with(negative) { -1 } else { 1 };
        (e7 <= most).then_some(sign * e7)
    };
    let lat = degrees(exif::Tag::GPSLatitude, exif::Tag::GPSLatitudeRef, "S", 900_000_000)?;
    let lon = degrees(exif::Tag::GPSLongitude, exif::Tag::GPSLongitudeRef, "W", 1_800_000_000)?;
    Some((lat, lon))
}

/// Degrees, minutes and seconds as degrees × 1e7.
fn degrees_e7(parts: &[exif::Rational]) -> Option<i64> {
    let [degrees, minutes, seconds] = parts else { return None };
    let e7 = |part: &exif::Rational, unit: i128| {
        (part.denom > 0).then(|| i128::from(part.num) * unit / i128::from(part.denom))
    };
    // In seconds of arc × 1e7, so that it is rounded once.
    let seconds = e7(degrees, 36_000_000_000)? + e7(minutes, 600_000_000)? + e7(seconds, 10_000_000)?;
    i64::try_from((seconds + 1_800) / 3_600).ok()
}

#[cfg(test)]
mod tests;
