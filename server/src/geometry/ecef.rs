//! Positions as points in space, metres from the centre of the earth.
//!
//! A straight distance in space needs no projection, is the same at every longitude and differs from the geodesic by
//! d³/24R²: 1 m at 100 km, which [`arc_m`] takes away. Start at [`from_degrees`].

/// x, y, z in metres.
pub(super) type Point3 = [f64; 3];

/// Half axes of the WGS-84 ellipsoid, metres.
const EQUATORIAL_M: f64 = 6_378_137.0;
const POLAR_M: f64 = 6_356_752.314_245_179;
/// Square of its eccentricity.
const ECCENTRICITY_2: f64 = 0.006_694_379_990_141_316;
/// Mean radius, metres.
const MEAN_M: f64 = 6_371_008.8;

/// The point on the ellipsoid at a latitude and a longitude.
pub(super) fn from_degrees(lat: f64, lon: f64) -> Point3 {
    let (sin_lat, cos_lat) = lat.to_radians().sin_cos();
    let (sin_lon, cos_lon) = lon.to_radians().sin_cos();
    let normal = EQUATORIAL_M / (1.0 - ECCENTRICITY_2 * sin_lat * sin_lat).sqrt();
    [normal * cos_lat * cos_lon, normal * cos_lat * sin_lon, normal * (1.0 - ECCENTRICITY_2) * sin_lat]
}

/// The length on the ground of a straight distance between two points of it. Right within 1 cm at 100 km.
pub(super) fn arc_m(chord_m: f64) -> f64 {
    2.0 * MEAN_M * (chord_m / (2.0 * MEAN_M)).min(1.0).asin()
}

/// The straight distance of a length on the ground: the inverse of [`arc_m`].
pub(super) fn chord_m(arc_m: f64) -> f64 {
    2.0 * MEAN_M * (arc_m / (2.0 * MEAN_M)).clamp(0.0, std::f64::consts::FRAC_PI_2).sin()
}

/// Moved along the radius onto the ellipsoid.
pub(super) fn onto_ellipsoid(point: Point3) -> Point3 {
    let [x, y, z] = point;
    let across = (x * x + y * y) / (EQUATORIAL_M * EQUATORIAL_M) + z * z / (POLAR_M * POLAR_M);
    scale(point, across.sqrt().recip())
}

pub(super) fn add(a: Point3, b: Point3) -> Point3 {
    let ([ax, ay, az], [bx, by, bz]) = (a, b);
    [ax + bx, ay + by, az + bz]
}

pub(super) fn subtract(a: Point3, b: Point3) -> Point3 {
    let ([ax, ay, az], [bx, by, bz]) = (a, b);
    [ax - bx, ay - by, az - bz]
}

pub(super) fn scale(a: Point3, by: f64) -> Point3 {
    a.map(|value| value * by)
}

pub(super) fn dot(a: Point3, b: Point3) -> f64 {
    let ([ax, ay, az], [bx, by, bz]) = (a, b);
    ax * bx + ay * by + az * bz
}

pub(super) fn cross(a: Point3, b: Point3) -> Point3 {
    let ([ax, ay, az], [bx, by, bz]) = (a, b);
    [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]
}

pub(super) fn length(a: Point3) -> f64 {
    dot(a, a).sqrt()
}

/// Of length 1; what has no length stays so.
pub(super) fn unit(a: Point3) -> Point3 {
    let long = length(a);
    if long > 0.0 { scale(a, long.recip()) } else { a }
}
