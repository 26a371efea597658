//! Conditions on the geometry.

use cql2::Expr;
use geo::{Coord, Geometry};

use super::reader::{Reader, kind_of};
use super::{FilterError, GEOMETRY};
use crate::layers::predicate::Predicate;

impl Reader<'_> {
    pub(super) fn intersects(&mut self, one: Expr, other: Expr) -> Result<Predicate, FilterError> {
        self.counted()?;
        let geometry = match (one, other) {
            (Expr::Property { property }, geometry) | (geometry, Expr::Property { property }) => {
                if property != GEOMETRY {
                    return Err(match self.column(&property) {
                        Ok(_) => FilterError::WrongKind { property, wanted: "the property `geometry`" },
                        Err(unknown) => unknown,
                    });
                }
                geometry
            }
            _ => {
                return Err(FilterError::Unsupported(
                    "S_INTERSECTS without the property `geometry`".to_owned(),
                ));
            }
        };
        if let Expr::BBox { bbox } = &geometry {
            return self.meets_box(bbox);
        }
        let Expr::Geometry(_) = &geometry else {
            return Err(FilterError::Unsupported(format!("S_INTERSECTS with {}", kind_of(&geometry))));
        };
        let bad = || FilterError::BadValue("a geometry".to_owned());
        let geometry = Geometry::<f64>::try_from(geometry).map_err(|_source| bad())?;
        let geometry = self.reading.crs.geometry_into_degrees(&geometry).ok_or_else(bad)?;
        Ok(Predicate::meets(geometry))
    }

    fn meets_box(&mut self, corners: &[Box<Expr>]) -> Result<Predicate, FilterError> {
        let bad = || FilterError::BadValue("a BBOX".to_owned());
        let number = |read: &Expr| if let Expr::Float(number) = read { Some(*number) } else { None };
        let numbers =
            corners.iter().map(|read| number(read)).collect::<Option<Vec<f64>>>().ok_or_else(bad)?;
        let (least, most) = corners_of(&numbers).ok_or_else(bad)?;
        let areas = self.reading.crs.box_into_degrees(least, most).ok_or_else(bad)?;
        Ok(Predicate::meets_one_of(areas))
    }
}

/// The corners of four numbers, or of six with heights, which say nothing here.
pub fn corners_of(numbers: &[f64]) -> Option<(Coord<f64>, Coord<f64>)> {
    match numbers {
        [a, b, c, d] | [a, b, _, c, d, _] => Some((Coord { x: *a, y: *b }, Coord { x: *c, y: *d })),
        _ => None,
    }
}
