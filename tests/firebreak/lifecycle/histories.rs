//! Real histories, lived again: each row of boston-311 and alberta-wildfire is reported, ordered by its own due date,
//! cured when its columns say so, verified and closed by the office, and ends in the state that the row says.
//!
//! Every fifth row's cure arrives before its report: stages out of order. The data is read in place; where it is absent
//! a test says so and ends.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use fixtures::dice::Dice;
use fixtures::replay::Set;
use fixtures::replay::rows::{Row, read};
use serde_json::{Value, json};
use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

use super::{Desk, photo};
use crate::real_records::folder;

/// Hazards of one command.
const BULK: usize = 200;

/// How a row ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// It is open still.
    Open,
    /// It was cured, and closed.
    Cured,
    /// Nothing was found there, and it was closed.
    NotFound,
    /// It was closed as another's duplicate, which nobody named.
    Duplicate,
}

impl End {
    fn of(row: &Row) -> Self {
        let has = |kind| row.later.iter().any(|draft| draft.kind == kind);
        match () {
            () if row.later.is_empty() => Self::Open,
            () if has(Kind::Rectified) => Self::Cured,
            () if has(Kind::NotFound) => Self::NotFound,
            () => Self::Duplicate,
        }
    }

    /// The state that the row says.
    const fn states(self) -> &'static [&'static str] {
        match self {
            Self::Open => &["ordered", "rectifying"],
            Self::Cured | Self::NotFound => &["closed"],
            Self::Duplicate => &["void"],
        }
    }
}

/// A row on its way.
struct Story {
    record: RecordId,
    end: End,
    report: Operation,
    later: Vec<Operation>,
    due_ms: Option<i64>,
    found_ms: i64,
    /// Its cure arrives before its report.
    is_early: bool,
}

fn stories(rows: &[Row], reporter: &Phone, crew: &Phone) -> Result<Vec<Story>> {
    let author = |index: usize| if index == 0 { reporter.person } else { crew.person };
    rows.iter()
        .enumerate()
        .map(|(nth, row)| {
            let mut operations = row.operations(author).into_iter();
            let report = operations.next().context("a row without a report")?;
            let time = |name: &str| report.fields.get(name).and_then(sync_protocol::cbor::Raw::decode::<i64>);
            let due_ms = time("deadline_ms");
            let found_ms = time("found_at_ms").context("a row without its time")?;
            let later: Vec<Operation> = operations.collect();
            let is_early = nth % 5 == 0 && !later.is_empty();
            Ok(Story { record: report.record, end: End::of(row), report, later, due_ms, found_ms, is_early })
        })
        .collect()
}

async fn hand_in(phone: &mut Phone, mut operations: Vec<Operation>, dice: &mut Dice) -> Result<()> {
    dice.shuffle(&mut operations);
    for part in operations.chunks(150) {
        let bundle = phone.seal(part);
        phone.sync(&[bundle]).await?;
    }
    Ok(())
}

/// Gives a command on many hazards; each must succeed.
async fn bulk(desk: &Desk, role: &str, command: &str, hazards: &[RecordId], mut body: Value) -> Result<()> {
    for part in hazards.chunks(BULK) {
        body["hazards"] = part.iter().map(ToString::to_string).collect();
        let done = desk.of(role)?.post(&format!("/v1/commands/{command}"), &body).await?.json(command)?;
        for item in done["items"].as_array().context("no items")? {
            ensure!(item["status"] == 200, "{command}: {item}");
        }
    }
    Ok(())
}

async fn live(rows: &[Row], backend: Backend) -> Result<(Server, Vec<Story>, BTreeMap<End, u64>)> {
    let server = Server::start(backend).await?;
    let desk = Desk::new(&server).await?;
    let (mut reporter, mut crew) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let mut dice = Dice::named(1, "histories");
    let stories = stories(rows, &reporter, &crew)?;
    let of = |wanted: &dyn Fn(&Story) -> bool| -> Vec<RecordId> {
        stories.iter().filter(|story| wanted(story)).map(|story| story.record).collect()
    };
    let later = |is_early: bool| -> Vec<Operation> {
        let some = stories.iter().filter(|story| story.is_early == is_early);
        some.flat_map(|story| story.later.clone()).collect()
    };
    hand_in(&mut crew, later(true), &mut dice).await?;
    hand_in(&mut reporter, stories.iter().map(|story| story.report.clone()).collect(), &mut dice).await?;
    // What was cured before anybody reported it needs no order.
    let open = of(&|story| !story.is_early);
    bulk(&desk, "reviewer", "grade", &open, json!({"fields": {"severity": "critical"}})).await?;
    for story in stories.iter().filter(|story| !story.is_early) {
        // Paper history: it was ordered when it was found.
        let mut fields = json!({
            "responsible_unit": "抢修队", "measures": "按规定处置", "ordered_at_ms": story.found_ms,
        });
        if let Some(due_ms) = story.due_ms {
            fields["deadline_ms"] = due_ms.into();
        }
        desk.does("clerk", story.record, "order", &json!({"fields": fields})).await?;
    }
    bulk(&desk, "clerk", "receipt", &of(&|story| !story.is_early && story.end != End::Open), json!({}))
        .await?;
    hand_in(&mut crew, later(false), &mut dice).await?;
    let duplicates = of(&|story| story.end == End::Duplicate);
    bulk(&desk, "reviewer", "void", &duplicates, json!({"fields": {"reason": "重复上报"}})).await?;
    let cured = of(&|story| story.end == End::Cured);
    let verdict = json!({"fields": {"verdict": "合格", "measured_dm": 64}, "photos": [photo("after", "a")]});
    bulk(&desk, "reinspector", "verify", &cured, verdict).await?;
    bulk(&desk, "reviewer", "close", &cured, json!({})).await?;
    let gone = of(&|story| story.end == End::NotFound);
    bulk(&desk, "reviewer", "close", &gone, json!({"fields": {"reason": "现场核实"}})).await?;
    let mut ends = BTreeMap::new();
    for story in &stories {
        *ends.entry(story.end).or_default() += 1;
        let told = server.client()?.json(&format!("/v1/hazards/{}", story.record)).await?;
        let state = told["state"].as_str().context("no state")?;
        ensure!(story.end.states().contains(&state), "{:?} ended {state}: {told}", story.end);
    }
    let checked = server.check().await?;
    ensure!(checked["ok"] == true, "{checked}");
    Ok((server, stories, ends))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cases_of_boston_311_end_in_the_state_that_their_rows_say_on_time_or_late() -> Result<()> {
    let Some(folder) = folder(Set::Boston) else { return Ok(()) };
    let mut rows = Vec::new();
    let mut said = Vec::new();
    for file in ["tree_emergencies.csv", "downed_wire.csv"] {
        let path: &Path = &folder.join(file);
        rows.extend(Set::Boston.rows(path)?);
        let cell = |cells: &fixtures::replay::rows::Cells<'_>| {
            said.push((cells.get("CASE_STATUS"), cells.get("OnTime_Status")));
        };
        let cell = std::cell::RefCell::new(cell);
        let draft = || fixtures::replay::rows::Draft::new(Kind::Reported, 0);
        read(path, "boston-311", |cells| {
            (cell.borrow_mut())(cells);
            (draft(), Vec::new())
        })?;
    }
    let (server, stories, ends) = live(&rows, Backend::Sqlite).await?;
    println!("boston-311: {ends:?}");
    let (mut on_time, mut late) = (0, 0);
    for (story, (status, punctual)) in stories.iter().zip(&said) {
        assert_eq!(status == "Open", story.end == End::Open, "{}", story.record);
        if story.end != End::Cured || punctual.is_empty() || story.due_ms.is_none() {
            continue;
        }
        let told = server.client()?.json(&format!("/v1/hazards/{}", story.record)).await?;
        let shown = |name: &str| {
            let fields = told["fields"].as_array().into_iter().flatten();
            fields.filter(|field| field["name"] == name).find_map(|field| field["value"].as_i64())
        };
        let (due_ms, done_ms) = shown("deadline_ms").zip(shown("completed_at_ms")).context("no times")?;
        assert_eq!(done_ms > due_ms, punctual == "OVERDUE", "{}: {due_ms} {done_ms}", story.record);
        if done_ms > due_ms { late += 1 } else { on_time += 1 }
    }
    println!("boston-311: {on_time} on time, {late} late, as their rows say");
    ensure!(on_time > 0 && late > 0, "nothing was compared");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fires_of_alberta_wildfire_end_in_the_state_that_their_rows_say_on_postgres() -> Result<()> {
    let Some(folder) = folder(Set::Alberta) else { return Ok(()) };
    let rows = Set::Alberta.rows(&folder.join("powerline_2006_2018.csv"))?;
    let (_server, _stories, ends) = live(&rows, Backend::Postgres).await?;
    println!("alberta-wildfire: {ends:?}");
    Ok(())
}
