//! Thumbnails: small JPEG files of our own making, upright and without metadata.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageReader, Limits};
use sync_protocol::codes::Code;

use super::{Format, THUMBNAIL_PIXELS};

/// The longest sides, in pixels, that thumbnails may have.
pub const SIDES: [u32; 3] = [160, 320, 1_280];
/// Bytes that decoding may take: those of the largest photo, and room to turn it.
const DECODING_BYTES: u64 = THUMBNAIL_PIXELS * 8;
/// JPEG quality, of 100.
const QUALITY: u8 = 80;

/// A thumbnail whose longer side is at most `side` pixels. Takes up to half a second and `DECODING_BYTES` of memory.
///
/// # Errors
/// [`Code::PhotoNoThumbnail`] where this version does not decode it: another format, too many pixels, broken inside.
pub fn thumbnail(bytes: &[u8], side: u32) -> Result<Vec<u8>, Code> {
    let none = Code::PhotoNoThumbnail;
    let format = Format::of(bytes).and_then(Format::decoded_as).ok_or(none)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(sync_protocol::limits::PHOTO_SIDE);
    limits.max_image_height = Some(sync_protocol::limits::PHOTO_SIDE);
    limits.max_alloc = Some(DECODING_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_broken| none)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > THUMBNAIL_PIXELS {
        return Err(none);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let whole = DynamicImage::from_decoder(decoder).map_err(|_broken| none)?;
    let mut small = if width > side || height > side { whole.thumbnail(side, side) } else { whole };
    small.apply_orientation(orientation);
    let mut encoded = Vec::new();
    let writer = JpegEncoder::new_with_quality(&mut encoded, QUALITY);
    small.into_rgb8().write_with_encoder(writer).map_err(|_broken| none)?;
    Ok(encoded)
}
