//! The square code that leads to the case: as a drawing for the page, as a picture for the document.

use std::fmt::Write as _;
use std::io::Cursor;

use image::{GrayImage, ImageFormat, Luma};
use qrcode::{Color, QrCode};

use super::PrintError;

/// Modules of quiet around a code.
const QUIET: usize = 4;
/// Pixels of a module in a picture.
const MODULE_PX: u32 = 4;

/// The dark modules, and the side with the quiet around it.
fn modules(text: &str) -> Result<(Vec<(usize, usize)>, usize), PrintError> {
    let code = QrCode::new(text)?;
    let width = code.width();
    let colors = code.to_colors();
    let dark = colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark);
    let at = |place: usize| (place % width + QUIET, place / width + QUIET);
    Ok((dark.map(|(place, _)| at(place)).collect(), width + 2 * QUIET))
}

/// As SVG.
pub(super) fn svg(text: &str) -> Result<String, PrintError> {
    let (dark, side) = modules(text)?;
    let mut path = String::new();
    for (x, y) in dark {
        let _written = write!(path, "M{x} {y}h1v1h-1z");
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"QR\">\
         <path d=\"{path}\"/></svg>"
    ))
}

/// As PNG, and its side in pixels.
pub(super) fn png(text: &str) -> Result<(Vec<u8>, u32), PrintError> {
    let (dark, side) = modules(text)?;
    let px = |modules: usize| u32::try_from(modules).unwrap_or(0) * MODULE_PX;
    let mut picture = GrayImage::from_pixel(px(side), px(side), Luma([255]));
    for (x, y) in dark {
        for dy in 0..MODULE_PX {
            for dx in 0..MODULE_PX {
                picture.put_pixel(px(x) + dx, px(y) + dy, Luma([0]));
            }
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok((bytes.into_inner(), px(side)))
}
