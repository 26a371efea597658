//! What is an image, what is too large, what a camera says, and what a thumbnail leaves out.

use image::{ExtendedColorType, ImageEncoder as _, RgbImage};
use sync_protocol::limits::{PHOTO_PIXELS, PHOTO_SIDE};

use super::*;

/// A JPEG of so many pixels, with an orientation and a place as a phone writes them where wanted.
fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let pixels = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([u8::from(x < width / 2) * 200, u8::from(y == 0), 9])
    });
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90);
    encoder.write_image(pixels.as_raw(), width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// The same with an EXIF segment: turned by 90°, taken on a day, at a place.
fn with_exif(jpeg: &[u8]) -> Vec<u8> {
    let ascii = |tag, text: &str| exif::Field {
        tag,
        ifd_num: exif::In::PRIMARY,
        value: exif::Value::Ascii(vec![text.as_bytes().to_vec()]),
    };
    let degrees = |tag, d: u32, m: u32, s: u32| exif::Field {
        tag,
        ifd_num: exif::In::PRIMARY,
        value: exif::Value::Rational([d, m, s].map(|num| exif::Rational { num, denom: 1 }).to_vec()),
    };
    let fields = [
        exif::Field {
            tag: exif::Tag::Orientation,
            ifd_num: exif::In::PRIMARY,
            value: exif::Value::Short(vec![6]),
        },
        ascii(exif::Tag::DateTimeOriginal, "2026:11:30 08:15:00"),
        ascii(exif::Tag::OffsetTimeOriginal, "+08:00"),
        ascii(exif::Tag::GPSLatitudeRef, "N"),
        degrees(exif::Tag::GPSLatitude, 29, 58, 48),
        ascii(exif::Tag::GPSLongitudeRef, "W"),
        degrees(exif::Tag::GPSLongitude, 103, 0, 36),
    ];
    let mut writer = exif::experimental::Writer::new();
    for field in &fields {
        writer.push_field(field);
    }
    let mut tiff = Cursor::new(Vec::new());
    writer.write(&mut tiff, false).unwrap();
    let mut segment = b"Exif\0\0".to_vec();
    segment.extend(tiff.into_inner());
    let length = u16::try_from(segment.len() + 2).unwrap();
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(segment);
    bytes.extend(&jpeg[2..]);
    bytes
}

#[test]
fn a_photo_is_known_by_its_first_bytes_and_by_nothing_else() {
    let found = examine(&jpeg(40, 30)).unwrap();
    assert_eq!(
        (found.format, found.size, found.taken, found.place),
        (Format::Jpeg, Some((40, 30)), None, None)
    );
    let mut png = Vec::new();
    image::codecs::png::PngEncoder::new(&mut png)
        .write_image(&[0; 12], 2, 2, ExtendedColorType::Rgb8)
        .unwrap();
    assert_eq!(examine(&png).unwrap().size, Some((2, 2)));
    assert_eq!(examine(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap().format, Format::Heif);
    for other in [
        &b""[..],
        b"\xff\xd8",
        b"GIF89a",
        b"<svg/>",
        b"%PDF-1.7",
        b"\xff\xd8\xff\xe0 and no more",
        b"RIFF....WAVE",
    ] {
        assert_eq!(examine(other), Err(Code::PhotoNotImage), "{other:?}");
    }
}

/// The head of a PNG that says it has so many pixels.
fn png_head(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    let crc = crc32(&chunk);
    bytes.extend(chunk);
    bytes.extend(crc.to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[test]
fn pixels_are_bounded_at_n_and_n_plus_one() {
    assert_eq!(PHOTO_PIXELS, 10_000 * 10_000);
    assert_eq!(examine(&png_head(10_000, 10_000)).map(|found| found.size), Ok(Some((10_000, 10_000))));
    assert_eq!(examine(&png_head(10_001, 10_000)), Err(Code::PhotoTooManyPixels));
    assert_eq!(examine(&png_head(PHOTO_SIDE, 1)).map(|found| found.size), Ok(Some((PHOTO_SIDE, 1))));
    assert_eq!(examine(&png_head(PHOTO_SIDE + 1, 1)), Err(Code::PhotoTooManyPixels));
    assert_eq!(examine(&png_head(0, 1)), Err(Code::PhotoNotImage));
    // More than a thumbnail is made of is not even decoded.
    assert_eq!(thumbnail(&png_head(10_000, 5_001), 320), Err(Code::PhotoNoThumbnail));
}

#[test]
fn what_the_camera_says_is_read_and_left_out_of_the_thumbnail() {
    let photo = with_exif(&jpeg(400, 300));
    let found = examine(&photo).unwrap();
    let taken = "2026-11-30T08:15:00".parse::<DateTime>().unwrap();
    assert_eq!(found.taken, Some((taken, Some(480))));
    assert_eq!(found.place, Some((299_800_000, -1_030_100_000)));
    let small = thumbnail(&photo, 160).unwrap();
    let seen = examine(&small).unwrap();
    // Turned upright: the photo lies on its side.
    assert_eq!((seen.size, seen.taken, seen.place), (Some((120, 160)), None, None));
    assert!(!small.windows(4).any(|window| window == b"Exif"));
    assert_eq!(thumbnail(&jpeg(40, 30), 160).map(|small| examine(&small).unwrap().size), Ok(Some((40, 30))));
}

#[test]
fn a_broken_photo_has_no_thumbnail() {
    let photo = jpeg(400, 300);
    assert_eq!(thumbnail(&photo[..200], 160), Err(Code::PhotoNoThumbnail));
    assert_eq!(thumbnail(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", 160), Err(Code::PhotoNoThumbnail));
}
