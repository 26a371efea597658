//! Units: degrees × 1e7, millimetres and decimetres to floating point and back. The only casts of the geometry.
//!
//! Nothing here measures; start at [`degrees`].

/// Degrees of a stored coordinate.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "|e7| ≤ 1.8e9 is exact in f64")]
pub fn degrees(e7: i64) -> f64 {
    e7 as f64 / 1e7
}

/// The stored form of degrees: nearest 1e-7, about 11 mm.
pub(super) fn e7(degrees: f64) -> i64 {
    whole(degrees * 1e7)
}

/// Metres of millimetres.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "lengths on earth are exact in f64")]
pub fn metres(mm: i64) -> f64 {
    mm as f64 / 1e3
}

/// Nearest whole millimetres of metres.
pub(super) fn mm(metres: f64) -> i64 {
    whole(metres * 1e3)
}

/// The nearest whole number; what is no number is 0, what is out of range is the end of the range.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
pub(super) fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// A count as a number.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts in memory are exact in f64")]
pub(super) fn count(value: usize) -> f64 {
    value as f64
}
