//! The rows of the ledger: hazards of the map with what offices keep of each beside it.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::cbor::Raw;
use sync_protocol::ids::{PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::prepass;
use sync_protocol::view::{PhotoState, View};

use crate::domain::District;
use crate::exports::ledger::COLUMNS;
use crate::layers::{Feature, Layer, Value};
use crate::store::{CaseRow, Transaction};
use crate::sync::SyncError;
use crate::sync::listing::Names;

/// The ledger's rows of features of [`Layer::Hazards`], in their order.
///
/// # Errors
/// The store's.
pub(super) async fn rows(
    reading: &mut Transaction,
    district: &District,
    hazards: Vec<Feature>,
) -> Result<Vec<Feature>, SyncError> {
    let records: Vec<RecordId> = hazards.iter().filter_map(|hazard| hazard.record.map(RecordId)).collect();
    let known = reading.records(district.key, &records).await?;
    let cases = reading.cases(district.key, &records).await?;
    let views: BTreeMap<RecordId, View> =
        known.iter().filter_map(|(record, row)| Some((*record, View::decode(&row.view)?))).collect();
    let persons: BTreeSet<PersonId> =
        views.values().flat_map(|view| [finder(view), verifier(view)]).flatten().collect();
    let names = Names::of(reading, district.key, persons).await?;
    let row = |hazard: Feature| {
        let record = hazard.record.map(RecordId);
        let view = record.and_then(|record| views.get(&record));
        let case = record.and_then(|record| cases.get(&record));
        let source = Source { hazard: &hazard, view, case, names: &names };
        let values = COLUMNS.iter().map(|column| source.value(column.name)).collect();
        Feature { values, ..hazard }
    };
    Ok(hazards.into_iter().map(row).collect())
}

fn author_of(view: &View, kind: Kind) -> Option<PersonId> {
    view.writers.iter().find(|writer| writer.kind.as_str() == kind.as_str()).map(|writer| writer.author)
}

fn finder(view: &View) -> Option<PersonId> {
    author_of(view, Kind::Reported)
}

fn verifier(view: &View) -> Option<PersonId> {
    author_of(view, Kind::Verified)
}

/// What a row is made of.
struct Source<'s> {
    hazard: &'s Feature,
    view: Option<&'s View>,
    case: Option<&'s CaseRow>,
    names: &'s Names,
}

impl Source<'_> {
    /// The value of a column of the ledger. What is derived of a hazard comes from the map, the rest from its record.
    fn value(&self, column: &str) -> Value {
        match column {
            "number" | "found" | "county" | "township" | "line_name" | "structure_from" | "structure_to"
            | "category" | "kind" | "description" | "severity" | "due" => self.on_map(column),
            "finder" => self.name(finder),
            "verifier" => self.name(verifier),
            "longitude" | "latitude" | "datum" => Value::Null,
            "span_length_m" => self.scaled("span_length_dm", 10.0),
            "elevation_m" => self.scaled("elevation_dm", 10.0),
            "tree_height_m" => self.scaled("tree_height_dm", 10.0),
            "vertical_m" => self.scaled("vertical_dm", 10.0),
            "horizontal_m" => self.scaled("horizontal_dm", 10.0),
            "funds_yuan" => self.scaled("funds_fen", 100.0),
            "completed" => self.time("completed_at_ms"),
            "verified" => self.time("verified_at_ms"),
            "closed" => self.time("closed_at_ms"),
            "responsible_unit" => match self.on_map("unit") {
                Value::Null => self.plain("responsible_unit"),
                unit => unit,
            },
            "photos_before" => self.photos("before"),
            "photos_after" => self.photos("after"),
            "extensions" => self.case.map_or(Value::Null, |case| Value::Integer(case.extensions)),
            field => self.plain(field),
        }
    }

    fn on_map(&self, column: &str) -> Value {
        let at = Layer::Hazards.columns().iter().position(|known| known.name == column);
        at.and_then(|at| self.hazard.values.get(at)).cloned().unwrap_or(Value::Null)
    }

    fn shown(&self, field: &str) -> Option<&Raw> {
        self.view?.shown(field).filter(|value| !value.is_null())
    }

    fn plain(&self, field: &str) -> Value {
        let Some(item) = self.shown(field).map(Raw::as_bytes) else { return Value::Null };
        if let Some(text) = prepass::text(item) {
            return Value::Text(text.to_owned());
        }
        if let Some(truth) = prepass::boolean(item) {
            return Value::Boolean(truth);
        }
        integer(item).map_or(Value::Null, Value::Integer)
    }

    fn time(&self, field: &str) -> Value {
        self.shown(field).and_then(|raw| integer(raw.as_bytes())).map_or(Value::Null, Value::Time)
    }

    /// A number that is kept in a smaller unit.
    fn scaled(&self, field: &str, parts: f64) -> Value {
        let number = self.shown(field).and_then(|raw| integer(raw.as_bytes()));
        number.map_or(Value::Null, |number| Value::Real(nearest(number) / parts))
    }

    fn photos(&self, role: &str) -> Value {
        let Some(view) = self.view else { return Value::Null };
        let has_role = |named: &(String, u64)| named.0 == role;
        let shown = view.photos.values().filter(|photo| {
            photo.state != PhotoState::Redacted && photo.named.as_ref().is_some_and(has_role)
        });
        Value::Integer(i64::try_from(shown.count()).unwrap_or(i64::MAX))
    }

    fn name(&self, of: impl Fn(&View) -> Option<PersonId>) -> Value {
        let name = self.view.and_then(of).and_then(|person| self.names.get(person));
        name.map_or(Value::Null, Value::Text)
    }
}

fn integer(item: &[u8]) -> Option<i64> {
    prepass::integer(item).and_then(|number| i64::try_from(number).ok())
}

/// The nearest number: decimetres and 分 are far below 2^53.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "rounds to the nearest, which is what is asked for"
)]
const fn nearest(number: i64) -> f64 {
    number as f64
}
