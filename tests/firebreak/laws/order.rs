//! Law 3: any interleaving, duplication, carrier and cut of the same operations gives the same records, conflicts,
//! dispositions and state hash, on both databases. Law 2: after every step each operation has one disposition.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use firebreak::sync::check::Report;
use firebreak_tests::district::{DEVICES, Fresh, Ledger, OFFICE, Team};
use firebreak_tests::server::{Backend, Server};
use firebreak_tests::{rounds, seed};
use fixtures::dice::Dice;
use sha2::{Digest as _, Sha256};
use sync_protocol::fold::oracle;
use sync_protocol::ids::{Chain, Head, Identity};
use sync_protocol::view::Disposition;

use super::scenario::{Scenario, Schedule};

/// Scenarios of one run: each schedule is the heart of two.
const SCENARIOS: usize = 20;
/// Orders of each scenario on each database.
const ORDERS: usize = 3;

/// How the orders on one database carried their bundles, and what became of the operations.
#[derive(Clone, Debug, Default)]
struct Carried {
    relayed: usize,
    /// Chains that came twice, cut at other places.
    recut: usize,
    duplicated: usize,
    out_of_order: usize,
    /// Operations that came while an ancestor that their author lacked was not there either.
    before_ancestor: usize,
    /// Revocations before all of the phone's bundles had come.
    revoked: usize,
    imported: usize,
    /// Operations of each disposition, as the ledger counts them after everything came.
    dispositions: BTreeMap<String, u64>,
}

impl Carried {
    /// Every situation was met, and every disposition given.
    fn require_all(&self, backend: Backend) {
        let Self { relayed, recut, duplicated, out_of_order, before_ancestor, revoked, imported, .. } = *self;
        for (what, count) in [
            ("relayed", relayed),
            ("re-cut", recut),
            ("duplicated", duplicated),
            ("out of order", out_of_order),
            ("before its ancestor", before_ancestor),
            ("revoked", revoked),
            ("imported", imported),
        ] {
            assert!(count > 0, "{backend:?}: nothing was {what}: {self:?}");
        }
        for disposition in Disposition::ALL {
            let count = self.dispositions.get(disposition.as_str()).copied().unwrap_or(0);
            assert!(count > 0, "{backend:?}: nothing was {}: {self:?}", disposition.as_str());
        }
    }
}

/// A run of a lane's branch: which steps, and where it lies in the chain.
#[derive(Clone)]
struct Piece {
    lane: usize,
    first: u64,
    previous: Chain,
    operations: Vec<Vec<u8>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_order_carrier_and_cut_gives_the_same_ledger_on_both_databases() -> Result<()> {
    let seed = seed("order", 31);
    let team = Team::new()?;
    let mut met: BTreeMap<Schedule, usize> = BTreeMap::new();
    let scenarios: Vec<Scenario> =
        (0..rounds(SCENARIOS)).map(|number| Scenario::new(seed, number, &team)).collect();
    for schedule in scenarios.iter().flat_map(Scenario::schedules) {
        *met.entry(schedule).or_default() += 1;
    }
    let [sqlite, postgres] = Backend::ALL.map(|backend| every_order(seed, backend, &scenarios, &team));
    let ((sqlite, on_sqlite), (postgres, on_postgres)) = tokio::try_join!(sqlite, postgres)?;
    println!("order: {met:?}");
    for (backend, carried) in Backend::ALL.into_iter().zip([on_sqlite, on_postgres]) {
        println!("order on {backend:?}: {carried:?}");
        carried.require_all(backend);
    }
    for (number, (one, other)) in sqlite.iter().zip(&postgres).enumerate() {
        assert_eq!(one, other, "seed {seed}, scenario {number}: the databases differ");
    }
    for schedule in Schedule::ALL {
        assert!(met.get(&schedule).is_some_and(|count| *count > 0), "{schedule:?} was never met");
    }
    Ok(())
}

/// State hash and dispositions of a scenario.
type Outcome = (String, BTreeMap<String, u64>);

/// Every scenario in several orders on one database. Each order must give the same.
async fn every_order(
    seed: u64,
    backend: Backend,
    scenarios: &[Scenario],
    team: &Team,
) -> Result<(Vec<Outcome>, Carried)> {
    let server = Server::start(backend).await?;
    let ledger = Ledger::open(&server).await?;
    let (mut outcomes, mut carried) = (Vec::new(), Carried::default());
    for (number, scenario) in scenarios.iter().enumerate() {
        let mut first: Option<Outcome> = None;
        for order in 0..ORDERS {
            let what = format!("seed {seed}, scenario {number}, {backend:?}, order {order}");
            let fresh = ledger.district(&format!("s{number}o{order}"), team).await?;
            let mut dice = Dice::named(seed, &what);
            let report = deliver(scenario, &fresh, team, (order, &mut dice), &mut carried)
                .await
                .with_context(|| what.clone())?;
            compare(scenario, &fresh, &report).await.with_context(|| what.clone())?;
            for (disposition, count) in &report.dispositions {
                *carried.dispositions.entry(disposition.clone()).or_default() += count;
            }
            let got = (report.state_hash, report.dispositions);
            let expected = first.get_or_insert_with(|| got.clone());
            assert_eq!(&got, expected, "{what}: differs from the first order");
        }
        outcomes.extend(first);
    }
    server.check().await?;
    Ok((outcomes, carried))
}

/// Pushes a scenario in an order of its own. The first order is the one in which things were made.
async fn deliver(
    scenario: &Scenario,
    fresh: &Fresh,
    team: &Team,
    (order, dice): (usize, &mut Dice),
    carried: &mut Carried,
) -> Result<Report> {
    let mut pieces = cut(scenario, order, dice, carried);
    if order > 0 {
        let before: Vec<(usize, u64)> = pieces.iter().map(|piece| (piece.lane, piece.first)).collect();
        dice.shuffle(&mut pieces);
        if order == 1 {
            // What an author lacked comes last here: the server lacks it as well.
            pieces.sort_by_key(|piece| piece.operations.iter().any(|bytes| scenario.is_lacked(bytes)));
        }
        let after: Vec<(usize, u64)> = pieces.iter().map(|piece| (piece.lane, piece.first)).collect();
        carried.out_of_order += usize::from(before != after);
    }
    let mut sent: BTreeSet<Identity> = BTreeSet::new();
    let mut rest = pieces.as_slice();
    let mut empty = fresh.check().await?.received;
    // A revocation is an event like the others; in the first order it comes last.
    let mut revocation = scenario.revoked;
    let after = if order == 0 { pieces.len() } else { dice.index(pieces.len() + 1) };
    while !rest.is_empty() || revocation.is_some() {
        if let Some((lane, trusted)) = revocation.filter(|_| pieces.len() - rest.len() >= after) {
            fresh.revoke(lane, trusted).await?;
            revocation = None;
            carried.revoked += usize::from(!rest.is_empty());
            // Its note is an operation of the server's own.
            empty += 1;
            fresh.check().await?;
            continue;
        }
        let (going, later) = rest.split_at((1 + dice.index(3)).min(rest.len()));
        rest = later;
        let bearer = if order == 0 { going[0].lane.min(DEVICES - 1) } else { dice.index(DEVICES) };
        // A revoked phone carries nothing, its own neither.
        let is_turned_away = scenario.revoked.is_some_and(|(lane, _)| lane == bearer);
        let bearer = if is_turned_away { DEVICES - 1 } else { bearer };
        carried.relayed += going.iter().filter(|piece| piece.lane != bearer && piece.lane != OFFICE).count();
        let bundles: Vec<Vec<u8>> = going
            .iter()
            .map(|piece| {
                fresh.seal(team, piece.lane, (piece.first, piece.previous), piece.operations.clone())
            })
            .collect();
        if order > 0 && dice.chance(25) {
            fresh.import(&bundles).await?;
            carried.imported += bundles.len();
        } else {
            let reply = fresh.push(bearer, &bundles).await?;
            ensure!(reply.receipts().len() == bundles.len() && reply.end().is_some(), "{reply:?}");
        }
        let came: Vec<&Vec<u8>> = going.iter().flat_map(|piece| &piece.operations).collect();
        sent.extend(came.iter().map(|bytes| Identity::of(bytes)));
        let held: BTreeSet<Head> = sent.iter().map(Identity::head).collect();
        let is_absent = |head: &Head| !held.contains(head);
        carried.before_ancestor +=
            came.iter().filter(|bytes| scenario.lacking(bytes).iter().any(is_absent)).count();
        // Conservation, after every step. The server's own note of a fork is an operation too.
        let report = fresh.check().await?;
        let received = usize::try_from(report.received - empty)?;
        ensure!((0..=1).contains(&(received - sent.len())), "{received} received of {}", sent.len());
        ensure!(received == sent.len() || scenario.steps.iter().any(|step| step.branch > 0), "{received}");
    }
    fresh.check().await
}

/// Cuts every chain into runs; most orders cut some of them twice, and repeat some.
fn cut(scenario: &Scenario, order: usize, dice: &mut Dice, carried: &mut Carried) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for lane in 0..DEVICES {
        for branch in 0..2 {
            let steps: Vec<Vec<u8>> = scenario
                .steps
                .iter()
                .filter(|step| step.lane == lane && step.branch == branch)
                .map(|step| step.bytes.clone())
                .collect();
            let first = runs(lane, &steps, dice);
            if order > 0 && steps.len() > 1 {
                let second = runs(lane, &steps, dice);
                carried.recut += usize::from(ends(&first) != ends(&second));
                pieces.extend(second);
            }
            pieces.extend(first);
        }
    }
    // The server's own chain goes on beside this: each of the office's operations stands at a distance.
    let office = scenario.steps.iter().filter(|step| step.lane == OFFICE);
    for (nth, step) in (1_u64..).zip(office) {
        let previous = Chain([u8::try_from(nth).unwrap_or(0); 32]);
        let operations = vec![step.bytes.clone()];
        pieces.push(Piece { lane: OFFICE, first: nth * 1_000, previous, operations });
    }
    if order == 0 {
        let made = |piece: &Piece| {
            scenario.steps.iter().position(|step| Some(&step.bytes) == piece.operations.first())
        };
        pieces.sort_by_key(made);
    } else {
        for index in 0..pieces.len() {
            if dice.chance(30) {
                pieces.push(pieces[index].clone());
                carried.duplicated += 1;
            }
        }
    }
    pieces
}

/// Where a chain is cut.
fn ends(runs: &[Piece]) -> Vec<u64> {
    runs.iter().map(|piece| piece.first).collect()
}

fn runs(lane: usize, steps: &[Vec<u8>], dice: &mut Dice) -> Vec<Piece> {
    let mut runs = Vec::new();
    let (mut first, mut previous, mut rest) = (1, Chain::START, steps);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(1 + dice.index(rest.len()));
        runs.push(Piece { lane, first, previous, operations: now.to_vec() });
        first += u64::try_from(now.len()).unwrap();
        previous = now.iter().fold(previous, |chain, bytes| chain.next(&Identity::of(bytes)));
        rest = later;
    }
    runs
}

/// The view on the wire is the naive fold's, the hash is that of the views, the dispositions are the naive ones.
async fn compare(scenario: &Scenario, fresh: &Fresh, report: &Report) -> Result<()> {
    let folded = scenario.folded();
    let expected = oracle::fold(&folded);
    let views = fresh.views().await?;
    let view = views.get(&scenario.record()).context("the record did not come")?;
    ensure!(views.len() == 1, "{} records", views.len());
    ensure!(*view == expected.encode(), "the view differs from the oracle's: {expected:?}");
    let mut hasher = Sha256::new();
    hasher.update(scenario.record().0.as_bytes());
    hasher.update(Sha256::digest(view));
    ensure!(hex::encode(hasher.finalize()) == report.state_hash, "the hash is not that of the view");
    for disposition in [Disposition::Conflict, Disposition::Merged, Disposition::Joined, Disposition::Held] {
        let naive = folded
            .iter()
            .filter(|step| sync_protocol::fold::disposition(&expected, step.head()) == disposition)
            .count();
        let counted = report.dispositions.get(disposition.as_str()).copied().unwrap_or(0);
        ensure!(counted == u64::try_from(naive)?, "{disposition:?}: {counted} counted, {naive} expected");
    }
    let waiting = scenario.steps.iter().filter(|step| step.is_quarantined).count();
    ensure!(report.dispositions.get("quarantined") == Some(&u64::try_from(waiting)?), "{report:?}");
    Ok(())
}
