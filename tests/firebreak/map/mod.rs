//! The layers of the map, read beside a running server by its library: they are what the ledger says. Here is what the
//! tests share.

mod counts;
pub(crate) mod downloads;
mod drawn;
mod each;
mod exports;
mod filtered;
mod moment;
pub(crate) mod narrowed;
mod nothing;
mod reading;
mod redacted;
mod round_trip;
mod strips;
mod tags;
mod tiles;
pub(crate) mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::District;
use firebreak::layers::{Feature, Layer, Value as Cell};
use firebreak::store::{Derivation, Store, UNNUMBERED};
use firebreak::sync::Engine;
use firebreak::sync::layers::{self, Selection};
use firebreak::sync::sight::Sight;
use firebreak::tiles::counts::Deltas;
use firebreak_tests::http::Client;
use firebreak_tests::server::{DISTRICT, Server};
use serde_json::Value;
use sync_protocol::ids::RecordId;
use uuid::Uuid;

/// Runs a statement behind the back of whoever keeps the ledger.
async fn run(engine: &Engine, statement: &str) -> Result<()> {
    match &engine.store {
        Store::Sqlite { writer, .. } => {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(writer).await?;
        }
        Store::Postgres { writers, .. } => {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(writers).await?;
        }
    }
    Ok(())
}

/// The map of a running server.
pub(crate) struct Map {
    pub(crate) engine: Arc<Engine>,
    pub(crate) district: District,
    office: Client,
}

impl Map {
    pub(crate) async fn open(server: &Server) -> Result<Self> {
        let engine = firebreak::app::open(&server.settings()).await?;
        let district = engine.district(DISTRICT).await?;
        Ok(Self { engine, district, office: server.client()? })
    }

    /// Everything of a layer.
    pub(crate) async fn all(&self, layer: Layer) -> Result<Vec<Feature>> {
        self.selected(layer, &Selection::seen_by(Sight::District), 1_000).await
    }

    /// Everything that a selection names, read in pages of this size. Ids must ascend.
    pub(crate) async fn selected(
        &self,
        layer: Layer,
        selection: &Selection,
        limit: u32,
    ) -> Result<Vec<Feature>> {
        self.engine.follow_until_current(&self.district).await?;
        let mut all: Vec<Feature> = Vec::new();
        loop {
            let after = all.last().map(|feature| feature.id);
            let page = layers::page(&self.engine, &self.district, layer, selection, after, limit).await?;
            let is_last = page.len() < usize::try_from(limit)?;
            for feature in page {
                ensure!(after.is_none_or(|after| after < feature.id), "{after:?} before {}", feature.id);
                ensure!(feature.values.len() == layer.columns().len(), "{} {feature:?}", layer.name());
                ensure!((0..1 << 53).contains(&feature.id), "{}", feature.id);
                all.push(feature);
            }
            if is_last {
                ensure!(all.is_sorted_by(|one, next| one.id < next.id), "{} is out of order", layer.name());
                return Ok(all);
            }
        }
    }

    /// Every hazard as the ledger lists it, by its id.
    async fn listed(&self) -> Result<BTreeMap<Uuid, Value>> {
        let mut listed = BTreeMap::new();
        let mut path = "/v1/hazards?limit=500".to_owned();
        loop {
            let told = self.office.json(&path).await?;
            for row in told["hazards"].as_array().context("no hazards")? {
                listed.insert(row["id"].as_str().context("no id")?.parse()?, row.clone());
            }
            match told["next"].as_str() {
                Some(next) => path = format!("/v1/hazards?limit=500&cursor={next}"),
                None => return Ok(listed),
            }
        }
    }

    /// The map has every hazard of the ledger, as the ledger lists it, and nothing else; the last state in its history is
    /// the one it is in; and derived again from nothing it is the same.
    pub(crate) async fn agrees(&self) -> Result<()> {
        let hazards = self.all(Layer::Hazards).await?;
        let states = self.all(Layer::HazardStates).await?;
        let listed = self.listed().await?;
        ensure!(hazards.len() == listed.len(), "{} of {}", hazards.len(), listed.len());
        for hazard in &hazards {
            let row = hazard.record.and_then(|record| listed.get(&record));
            same(hazard, row.context("the ledger has no such hazard")?)?;
            let own: Vec<&Feature> = states.iter().filter(|state| state.record == hazard.record).collect();
            history(hazard, &own)?;
        }
        for (layer, features) in [(Layer::Hazards, &hazards), (Layer::HazardStates, &states)] {
            let selection = Selection::seen_by(Sight::District);
            let count = layers::count(&self.engine, &self.district, layer, &selection).await?;
            ensure!(count == Some(u64::try_from(features.len())?), "{}: {count:?}", layer.name());
        }
        self.forget().await?;
        // One that came before its report has its number for an id where nothing is known of it.
        let by_record = |hazards: Vec<Feature>| -> BTreeMap<_, _> {
            let own = |id: i64| Some(id).filter(|id| *id < UNNUMBERED);
            hazards.into_iter().map(|it| (it.record, (own(it.id), it.geometry, it.values))).collect()
        };
        let early: BTreeSet<_> =
            hazards.iter().filter(|it| it.id >= UNNUMBERED).map(|it| it.record).collect();
        let (mut again, mut known) = (by_record(self.all(Layer::Hazards).await?), by_record(hazards));
        for record in early {
            for one in [&mut again, &mut known].into_iter().filter_map(|all| all.get_mut(&record)) {
                one.0 = None;
            }
        }
        ensure!(again == known, "derived again, hazards differ");
        ensure!(self.all(Layer::HazardStates).await? == states, "derived again, states differ");
        Ok(())
    }

    /// Takes everything off the map and has it derived again.
    async fn forget(&self) -> Result<()> {
        let key = self.district.key;
        let records: Vec<RecordId> =
            self.all(Layer::Hazards).await?.iter().filter_map(|it| it.record).map(RecordId).collect();
        let mut transaction = self.engine.store.begin().await?;
        transaction.take_counter(key, 0).await?;
        let gone = transaction.remove_map_hazards(key, &records).await?;
        transaction.keep_tile_counts(key, &Deltas::from(gone.as_slice())).await?;
        let by = i64::try_from(gone.len())?;
        transaction.add_to_map_total(key, Layer::Hazards, -by).await?;
        transaction.replace_map_states(key, &records, &[]).await?;
        transaction.set_derivation(key, &Derivation::default()).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// The value of a column.
pub(crate) fn cell<'f>(layer: Layer, feature: &'f Feature, name: &str) -> &'f Cell {
    let at = layer.columns().iter().position(|column| column.name == name);
    at.and_then(|at| feature.values.get(at)).unwrap_or_else(|| panic!("{} has no {name}", layer.name()))
}

/// As JSON says it.
pub(crate) fn json(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Text(text) => text.as_str().into(),
        Cell::Integer(number) | Cell::Time(number) | Cell::Day(number) => (*number).into(),
        Cell::Real(number) => (*number).into(),
        Cell::Boolean(flag) => (*flag).into(),
    }
}

/// A row of the ledger's list and the hazard of the map are one.
fn same(hazard: &Feature, row: &Value) -> Result<()> {
    let own = |name: &str| json(cell(Layer::Hazards, hazard, name));
    for (column, path) in [
        ("uuid", "/id"),
        ("number", "/number"),
        ("category", "/category"),
        ("kind", "/type"),
        ("severity", "/severity"),
        ("state", "/state"),
        ("open", "/open"),
        ("conflict", "/conflict"),
        ("provisional", "/provisional"),
        ("major", "/case/major"),
        ("due", "/case/due_ms"),
        ("turn", "/case/turn"),
        ("order_number", "/case/order_number"),
    ] {
        let told = row.pointer(path).cloned().unwrap_or_default();
        ensure!(own(column) == told, "{column} is {}, the ledger says {told}: {row}", own(column));
    }
    for (column, path) in [("township", "/township"), ("line_name", "/line_name")] {
        let told = row.pointer(path).cloned().unwrap_or_default();
        ensure!(told.is_null() || own(column) == told, "{column} is {}: {row}", own(column));
    }
    let place = row.pointer("/position").filter(|place| !place.is_null());
    let point = match &hazard.geometry {
        Some(geo::Geometry::Point(point)) => Some((point.x(), point.y())),
        None => None,
        other => anyhow::bail!("{other:?}"),
    };
    let told = place.and_then(|place| Some((place["lon"].as_f64()?, place["lat"].as_f64()?)));
    ensure!(point == told, "{point:?} {told:?}");
    Ok(())
}

/// The states of a hazard follow one another without a gap, and the last is the one it is in.
fn history(hazard: &Feature, states: &[&Feature]) -> Result<()> {
    let column = |state: &Feature, name: &str| json(cell(Layer::HazardStates, state, name));
    let mut states: Vec<&&Feature> = states.iter().collect();
    states.sort_by_key(|state| column(state, "valid_from").as_i64());
    for pair in states.windows(2) {
        ensure!(column(pair[0], "valid_to") == column(pair[1], "valid_from"), "{pair:?}");
        ensure!(column(pair[0], "state") != column(pair[1], "state"), "{pair:?}");
    }
    let last = states.last().context("no states")?;
    ensure!(column(last, "valid_to").is_null(), "{last:?}");
    ensure!(last.geometry == hazard.geometry);
    let state = json(cell(Layer::Hazards, hazard, "state"));
    ensure!(column(last, "state") == state, "{last:?} is {state}");
    Ok(())
}

/// The library's door to a running server's ledger.
async fn beside(server: &Server) -> Result<(Arc<Engine>, District)> {
    let Map { engine, district, .. } = Map::open(server).await?;
    Ok((engine, district))
}
