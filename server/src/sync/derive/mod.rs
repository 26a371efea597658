//! What is derived beside the records follows the ledger by change number: where hazards stand on lines, what the
//! report counts, what was walked, which hazards are probably one, what the map shows.
//!
//! A step reads a window of changes without a lock, derives on the blocking pool, and writes under the counter row,
//! where nobody else has written that window and nobody redacted a text meanwhile. What changed while it derived has a later
//! change number and comes with a later step. In a process one at a time derives a district; others who wait for it take
//! their turn and find it done. Start at `step`; what is derived of one record is in `facts`, `hazards`, `map`, `states`,
//! `stretches` and `pairs`, all but the reading of the last pure. Nothing here enters a view.

mod cases;
mod derived;
mod facts;
mod hazards;
mod map;
mod notes;
mod pairs;
mod states;
mod stretches;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use sync_protocol::ids::{DeviceId, RecordId};
use sync_protocol::kind::RecordType;
use sync_protocol::view::View;

use super::listing::Calendar;
use super::{Engine, SyncError};
use crate::domain::{Class, Collection, District, DistrictKey, record_flags};
use crate::grid::snapshot::{Grid, GridRow};
use crate::rules::Rules;
use crate::store::{DangerRow, Derivation, FactType, PastOperation, PlacementRow, RecordRow, Transaction};

pub(super) use cases::{case_of, fresh_ms, past, row_of, tightened};
use derived::Derived;
pub(super) use facts::{EARLIEST_MS, days_since_1970, found_ms, local_day, township};
pub(super) use hazards::{placement, worse};
pub(super) use notes::Note;
use pairs::Pairs;
use stretches::Walk;

/// Our own rules of deriving: a change of them derives everything anew.
const ALGORITHM: u32 = 6;
/// Changes of one step, and so records of it at most.
const WINDOW: u64 = 500;
/// The same while phones sync: whoever else writes waits for a step.
const WINDOW_WHILE_BUSY: u64 = 100;
/// Windows that are derived while writers wait, at most.
const WINDOWS_UNDER_LOCK: u32 = 4;
/// While phones sync, deriving waits until they pause for so long, which is longer than a full group takes to commit…
const QUIET: Duration = Duration::from_millis(500);
/// …or until so long has passed; then it takes its [`SHARE`].
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it goes on while phones sync.
const SHARE: Duration = Duration::from_millis(200);
/// Another process may have written: looked at so often.
const LOOK: Duration = Duration::from_secs(1);
/// How long it waits after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What records are derived by.
#[derive(Debug)]
pub(super) struct Context {
    grid: Arc<Grid>,
    rules: Arc<Rules>,
    zone: TimeZone,
    /// How the district writes numbers.
    calendar: Calendar,
    /// Positions that mean "place unknown".
    default_positions: Vec<(i64, i64)>,
    basis: String,
    /// Fire-danger levels as they were set.
    dangers: Vec<DangerRow>,
    /// The server's own device: what it signed is told in its order.
    own: DeviceId,
    /// The time that deadlines by the rules are looked at from.
    as_of_ms: i64,
}

impl Context {
    pub(super) async fn of(engine: &Arc<Engine>, district: &District) -> Result<Self, SyncError> {
        let grid = engine.grid(district).await?;
        let rules = engine.rules(district).await?;
        let (grid_change, regions_change) = grid.basis;
        let unknown: Vec<String> =
            engine.default_positions.iter().map(|(lat, lon)| format!("{lat},{lon}")).collect();
        let basis = format!(
            "{ALGORITHM} grid {grid_change} regions {regions_change} rules {} zone {} unknown {}",
            rules.version(),
            district.time_zone,
            unknown.join(" ")
        );
        let zone = TimeZone::get(&district.time_zone).unwrap_or(TimeZone::UTC);
        let dangers = engine.store.read().await?.dangers(district.key).await?;
        let (own, as_of_ms) = (engine.own_device(district), engine.clock.now_ms());
        let default_positions = engine.default_positions.clone();
        let calendar = Calendar::of(district);
        Ok(Self { grid, rules, zone, calendar, default_positions, basis, dangers, own, as_of_ms })
    }

    /// The version of the rules in force.
    pub(super) fn rules_version(&self) -> &str {
        self.rules.version()
    }

    /// The rules in force.
    pub(super) const fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// The zone by which the district counts its days.
    pub(super) const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The server's own device.
    pub(super) const fn own(&self) -> DeviceId {
        self.own
    }

    /// A line in force.
    pub(super) fn line(&self, line: uuid::Uuid) -> Option<&GridRow> {
        self.grid.line(RecordId(line))
    }
}

/// Derives something of one record. One record that makes it panic stops no other: nothing is derived of it, and the log
/// says which it is.
fn guarded<T>(record: RecordId, derive: impl FnOnce() -> T) -> Option<T> {
    let derived = catch_unwind(AssertUnwindSafe(derive));
    if derived.is_err() {
        tracing::error!(%record, "nothing could be derived of record {record}: it panicked");
    }
    derived.ok()
}

/// Windows of a district that this process has derived.
#[derive(Debug, Default)]
pub(super) struct Windows(u64);

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Everything up to the district's last change is derived.
    Current,
    /// There is more.
    More,
}

/// Follows every district for as long as the server serves.
pub async fn follow(engine: Arc<Engine>) {
    loop {
        let is_busy = settle(&engine).await;
        let began = Instant::now();
        let window = if is_busy { WINDOW_WHILE_BUSY } else { WINDOW };
        for district in engine.districts().await {
            loop {
                let (stepping, of) = (Arc::clone(&engine), district.clone());
                // In a task of its own, so that a panic ends a step and not the follower.
                let stepped = tokio::spawn(async move { step(&stepping, &of, window).await }).await;
                match stepped.unwrap_or(Err(SyncError::Gone)) {
                    Ok(Step::Current) => break,
                    Ok(Step::More) if is_busy && began.elapsed() > SHARE => break,
                    Ok(Step::More) => {}
                    Err(error) => {
                        tracing::error!(error = %error, "what is derived beside the records waits: {error}");
                        tokio::time::sleep(AFTER_FAILURE).await;
                        break;
                    }
                }
            }
        }
    }
}

/// Waits for something to derive; whether phones still sync then.
async fn settle(engine: &Engine) -> bool {
    let _look = tokio::time::timeout(LOOK, engine.written.notified()).await;
    let began = Instant::now();
    while tokio::time::timeout(QUIET, engine.written.notified()).await.is_ok() {
        if began.elapsed() > PATIENCE {
            return true;
        }
    }
    false
}

impl Engine {
    /// Derives until everything that is in the ledger now is derived.
    ///
    /// # Errors
    /// The store's.
    pub async fn follow_until_current(self: &Arc<Self>, district: &District) -> Result<(), SyncError> {
        let wanted = self.store.read().await?.lineage(district.key).await?.change;
        while step(self, district, WINDOW).await? == Step::More {
            // What came since may wait; what is derived by an older grid or older rules may not.
            let basis = Context::of(self, district).await?.basis;
            let reached = self.store.read().await?.derivation(district.key).await?;
            if reached.through >= wanted && reached.basis == basis {
                break;
            }
        }
        Ok(())
    }
}

/// Derives one window of changes, unless somebody else of this process does: then what is left behind them.
async fn step(engine: &Arc<Engine>, district: &District, window: u64) -> Result<Step, SyncError> {
    let turn = Arc::clone(engine.deriving.lock().await.entry(district.key).or_default());
    let mut windows = turn.lock().await;
    let context = Arc::new(Context::of(engine, district).await?);
    let mut reading = engine.store.read().await?;
    let Some(window) = read(&mut reading, district, &context, window).await? else {
        return Ok(Step::Current);
    };
    drop(reading);
    let (before, after, step) = (window.before.clone(), window.after.clone(), window.step());
    let redactions = window.redactions;
    let derived = derive(context, window).await?;
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    // Another follower of this district was here meanwhile, perhaps by an older grid, or a text that was read has been put
    // out on the map since: look again.
    if transaction.derivation(district.key).await? != before
        || transaction.redactions(district.key).await? != redactions
    {
        return Ok(Step::More);
    }
    derived.write(&mut transaction, district.key).await?;
    transaction.set_derivation(district.key, &after).await?;
    transaction.commit().await?;
    windows.0 += 1;
    if windows.0.is_power_of_two() {
        // A statement that was planned when its table was empty may read the whole district for each key.
        engine.store.analyze_derived().await?;
    }
    Ok(step)
}

/// Derives what is left within a transaction that holds the counter row, so that nothing is added meanwhile. False where
/// that is too much to keep writers waiting: then it must be undone.
pub(super) async fn catch_up(
    engine: &Arc<Engine>,
    district: &District,
    transaction: &mut Transaction,
) -> Result<bool, SyncError> {
    for _ in 0..WINDOWS_UNDER_LOCK {
        let context = Arc::new(Context::of(engine, district).await?);
        let Some(window) = read(transaction, district, &context, WINDOW).await? else { return Ok(true) };
        let (after, step) = (window.after.clone(), window.step());
        let derived = derive(context, window).await?;
        derived.write(transaction, district.key).await?;
        transaction.set_derivation(district.key, &after).await?;
        if step == Step::Current {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn derive(context: Arc<Context>, window: Window) -> Result<Derived, SyncError> {
    let Window { rows, walks, behind, pairs, .. } = window;
    let deriving = move || Derived::of(&context, rows, walks, behind, pairs);
    tokio::task::spawn_blocking(deriving).await.map_err(|_source| SyncError::Gone)
}

/// What a step reads.
struct Window {
    before: Derivation,
    after: Derivation,
    /// The last change of the district when it was read.
    last: u64,
    /// Its redactions of texts before it was read.
    redactions: i64,
    rows: Vec<Seen>,
    /// What patrols walked: their tracks are not in their views.
    walks: BTreeMap<RecordId, Walk>,
    /// The operations behind hazards.
    behind: BTreeMap<RecordId, Vec<PastOperation>>,
    /// Hazards that were compared with those near them, and what is proposed of them.
    pairs: Pairs,
}

/// Reads the next window, of so many changes at most; none where everything is derived.
async fn read(
    transaction: &mut Transaction,
    district: &District,
    context: &Arc<Context>,
    window: u64,
) -> Result<Option<Window>, SyncError> {
    let key = district.key;
    let redactions = transaction.redactions(key).await?;
    let last = transaction.lineage(key).await?.change;
    let before = transaction.derivation(key).await?;
    let start = if before.basis == context.basis { before.through } else { 0 };
    let mut first: Option<u64> = None;
    for class in Class::ALL {
        let next = transaction.next_change(key, class.number(), start).await?;
        first = first.into_iter().chain(next).min();
    }
    let after = |through| Derivation { through, basis: context.basis.clone() };
    let Some(first) = first else {
        let after = after(last);
        let window = || Window::empty(before.clone(), after.clone(), last, redactions);
        return Ok((before != after).then(window));
    };
    let through = (first + window - 1).min(last);
    let mut rows = Vec::new();
    for class in Class::ALL {
        rows.extend(transaction.changed(key, class.number(), (first - 1, through)).await?);
    }
    let rows = seen(context, rows).await?;
    let walks = walks(transaction, key, context, &rows).await?;
    let behind = behind(transaction, key, &rows).await?;
    let pairs = pairs::of_window(transaction, key, context, &rows).await?;
    Ok(Some(Window { before, after: after(through), last, redactions, rows, walks, behind, pairs }))
}

/// A record of a window, with what several look at.
struct Seen {
    row: RecordRow,
    /// None where it is gone or of another collection.
    view: Option<View>,
    /// Where a hazard stands; none of what is none, or where that could not be told.
    placement: Option<PlacementRow>,
}

impl Seen {
    fn of(context: &Context, row: RecordRow) -> Self {
        let is_record = row.collection == Collection::Records.number() && !row.is_gone();
        let view = if is_record { View::decode(&row.view) } else { None };
        let hazard =
            view.as_ref().filter(|view| facts::fact_type(view.record_type) == Some(FactType::Hazard));
        let placement =
            hazard.and_then(|view| guarded(row.record, || hazards::placement(context, &row, view)));
        Self { row, view, placement }
    }
}

async fn seen(context: &Arc<Context>, rows: Vec<RecordRow>) -> Result<Vec<Seen>, SyncError> {
    let context = Arc::clone(context);
    let seeing = move || rows.into_iter().map(|row| Seen::of(&context, row)).collect();
    tokio::task::spawn_blocking(seeing).await.map_err(|_source| SyncError::Gone)
}

/// What the patrols of a window walked. The operations of one patrol are held at a time: a track may be long.
async fn walks(
    transaction: &mut Transaction,
    district: DistrictKey,
    context: &Arc<Context>,
    rows: &[Seen],
) -> Result<BTreeMap<RecordId, Walk>, SyncError> {
    let mut walks = BTreeMap::new();
    for Seen { row, view, .. } in rows {
        let Some(view) = view else { continue };
        if view.record_type != Some(RecordType::Patrol) {
            continue;
        }
        let operations = transaction.operation_sets(district, &[row.record]).await?.remove(&row.record);
        let (context, row, view) = (Arc::clone(context), row.clone(), view.clone());
        let record = row.record;
        let walk = move || {
            let operations = operations.unwrap_or_default();
            guarded(record, || stretches::patrol(&context, &row, &view, &operations))
        };
        let walk = tokio::task::spawn_blocking(walk).await.map_err(|_source| SyncError::Gone)?;
        walks.extend(walk.map(|walk| (record, walk)));
    }
    Ok(walks)
}

/// The operations behind hazards of a window.
async fn behind(
    transaction: &mut Transaction,
    district: DistrictKey,
    rows: &[Seen],
) -> Result<BTreeMap<RecordId, Vec<PastOperation>>, SyncError> {
    let hazards = rows.iter().filter(|seen| seen.row.flags & record_flags::NOT_HAZARD == 0);
    let records: Vec<RecordId> =
        hazards.filter(|seen| seen.view.is_some()).map(|seen| seen.row.record).collect();
    Ok(transaction.past_operations(district, &records).await?)
}

impl Window {
    fn step(&self) -> Step {
        if self.after.through >= self.last { Step::Current } else { Step::More }
    }

    fn empty(before: Derivation, after: Derivation, last: u64, redactions: i64) -> Self {
        let (rows, walks, behind) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { before, after, last, redactions, rows, walks, behind, pairs: Pairs::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_makes_deriving_panic_stops_no_other() {
        let record = RecordId(uuid::Uuid::from_u128(7));
        assert_eq!(guarded(record, || i64::MAX.checked_add(1).expect("a poisoned record")), None);
        assert_eq!(guarded(record, || 7), Some(7));
    }
}
