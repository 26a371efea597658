//! Proposals that two records are one hazard: listed, accepted, dismissed, undone to the byte, on both databases.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use firebreak::domain::District;
use firebreak::duplicates::Reason;
use firebreak::store::ProposalRow;
use firebreak::sync::Engine;
use firebreak_tests::http::Client;
use firebreak_tests::phone::{MORNING_MS, Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;
use sync_protocol::view::View;

use super::{all, rows, send, text};

/// The ledger behind a server, for what no route shows.
struct Ledger {
    engine: Arc<Engine>,
    district: District,
}

impl Ledger {
    async fn of(server: &Server) -> Result<Self> {
        let engine = firebreak::app::open(&server.settings()).await?;
        let district = engine.district(&server.district).await?;
        Ok(Self { engine, district })
    }

    /// The stored view without its heads: they necessarily grow.
    async fn shown(&self, record: RecordId) -> Result<Vec<u8>> {
        let mut reading = self.engine.store.read().await?;
        let row =
            reading.records(self.district.key, &[record]).await?.remove(&record).context("no record")?;
        let view = View::decode(&row.view).context("no view")?;
        Ok(View { heads: Vec::new(), ..view }.encode())
    }

    /// A pair that the rules would not give: what was derived so far is there already.
    async fn propose(&self, one: RecordId, two: RecordId, score: i64) -> Result<()> {
        self.engine.follow_until_current(&self.district).await?;
        let mut transaction = self.engine.store.begin().await?;
        transaction.take_counter(self.district.key, 0).await?;
        let reasons = vec![Reason::Near { distance_mm: 8_000, error_mm: 8_700 }, Reason::SameText];
        let row = ProposalRow {
            record: one.min(two),
            other: one.max(two),
            score,
            distance_mm: 8_000,
            reasons: serde_json::to_string(&reasons)?,
        };
        transaction.upsert_proposals(self.district.key, &[row]).await?;
        Ok(transaction.commit().await?)
    }
}

fn path(one: &Operation, two: &Operation, what: &str) -> String {
    format!("/v1/proposals/{}/{}/{what}", one.record, two.record)
}

/// A report found so many hours after the morning.
fn found(phone: &mut Phone, severity: &str, hours: i64) -> Operation {
    phone.report(severity).with("found_at_ms", &(MORNING_MS + hours * 3_600_000))
}

async fn proposals(office: &Client) -> Result<Vec<Value>> {
    all(office, "/v1/proposals", "proposals", 2).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepting_is_the_duplicate_of_the_office_and_undoing_restores_both_records() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let ledger = Ledger::of(&server).await?;
        let (mut one, mut two) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let due = MORNING_MS + 5 * 86_400_000;
        // The one that was found later came first, is worse and due sooner.
        let late = found(&mut two, "critical", 3).with("deadline_ms", &due).with("species", &"松");
        send(&mut two, std::slice::from_ref(&late)).await?;
        let early = found(&mut one, "general", 0).with("deadline_ms", &(due + 1)).with("species", &"杉");
        send(&mut one, std::slice::from_ref(&early)).await?;
        // And stands in a conflict of its own.
        let mine = one.on(early.record, Kind::Observed, [head_of(&early)]).with("township", &"白果镇");
        let theirs = two.on(early.record, Kind::Observed, [head_of(&early)]).with("township", &"松坪镇");
        send(&mut one, &[mine]).await?;
        send(&mut two, &[theirs]).await?;
        let before = (ledger.shown(early.record).await?, ledger.shown(late.record).await?);

        let listed = proposals(&office).await?;
        assert_eq!(listed.len(), 1);
        assert_eq!(text(&listed[0], "stays"), early.record.to_string());
        assert!(listed[0]["score"].as_i64() >= Some(600), "{}", listed[0]);
        assert_eq!(rows(&listed[0], "hazards")?.len(), 2);
        let reasons = rows(&listed[0], "reasons")?;
        let codes: Vec<&str> = reasons.iter().map(|reason| text(reason, "code")).collect();
        assert_eq!(codes, ["same_type", "near", "found", "same_text"]);
        assert_eq!(text(&reasons[3], "zh"), "描述相同");

        let accept = path(&early, &late, "accept");
        let accepted = office.post(&accept, &json!({"reason": "同一棵树"})).await?.json(&accept)?;
        assert_eq!(rows(&accepted, "operations")?.len(), 3, "deadline, severity, duplicate");
        let ended = office.json(&format!("/v1/hazards/{}", late.record)).await?;
        let stays = office.json(&format!("/v1/hazards/{}", early.record)).await?;
        assert_eq!((text(&ended, "state"), text(&stays, "severity")), ("duplicate", "critical"));
        let deadline = rows(&stays, "fields")?.iter().find(|field| text(field, "name") == "deadline_ms");
        assert_eq!(deadline.context("no deadline")?["value"], json!(due));
        assert!(proposals(&office).await?.is_empty());
        let again = office.post(&accept, &json!({})).await?;
        assert_eq!((again.status, again.code().as_deref()), (409, Some("conflict-closed")));

        let undo = path(&late, &early, "undo");
        let undone = office.post(&undo, &json!({})).await?.json(&undo)?;
        assert_eq!(rows(&undone, "operations")?.len(), 3);
        let after = (ledger.shown(early.record).await?, ledger.shown(late.record).await?);
        assert_eq!(after, before, "{backend:?}: byte for byte");
        assert_eq!(proposals(&office).await?.len(), 1, "and it is proposed again");
        let again = office.post(&undo, &json!({})).await?;
        assert_eq!((again.status, again.code().as_deref()), (409, Some("conflict-closed")));

        // Accepted and undone once more: what was taken back is not taken back twice.
        office.post(&accept, &json!({})).await?.json(&accept)?;
        let undone = office.post(&undo, &json!({})).await?.json(&undo)?;
        assert_eq!(rows(&undone, "operations")?.len(), 3);
        assert_eq!((ledger.shown(early.record).await?, ledger.shown(late.record).await?), before);
        ledger.engine.store.close().await;
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dismissed_proposal_stays_dismissed_though_it_is_derived_anew_until_it_is_undone() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let ledger = Ledger::of(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        let (one, two) = (found(&mut phone, "general", 0), found(&mut phone, "general", 1));
        send(&mut phone, &[one.clone(), two.clone()]).await?;
        ledger.propose(one.record, two.record, 700).await?;
        let dismiss = path(&one, &two, "dismiss");
        let blank = office.post(&dismiss, &json!({"reason": " "})).await?;
        assert_eq!(blank.code().as_deref(), Some("bad-parameter"));
        office.post(&dismiss, &json!({"reason": "两棵不同的树"})).await?.json(&dismiss)?;
        let again = office.post(&dismiss, &json!({"reason": "两棵不同的树"})).await?;
        assert_eq!(again.code().as_deref(), Some("conflict-closed"));
        let accept = path(&one, &two, "accept");
        assert_eq!(office.post(&accept, &json!({})).await?.code().as_deref(), Some("conflict-closed"));
        ledger.propose(one.record, two.record, 710).await?;
        assert!(proposals(&office).await?.is_empty(), "{backend:?}");
        let silent = office.post_bytes(&dismiss, Vec::new(), &[]).await?;
        assert_eq!(silent.code().as_deref(), Some("bad-parameter"), "no body says no reason");
        // There is nothing to say: no body is as good as an empty one.
        let undo = path(&one, &two, "undo");
        office.post_bytes(&undo, Vec::new(), &[]).await?.json(&undo)?;
        assert_eq!(proposals(&office).await?.len(), 1, "{backend:?}");
        let unknown = format!("/v1/proposals/{}/{}/accept", one.record, uuid::Uuid::from_u128(7));
        assert_eq!(office.post(&unknown, &json!({})).await?.status, 404);
        ledger.engine.store.close().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_proposals_come_in_pages_the_worst_and_likeliest_first() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let ledger = Ledger::of(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        let severities = ["general", "general", "serious", "critical", "general", "general", "general"];
        let reports: Vec<Operation> =
            severities.iter().zip(0..).map(|(severity, hour)| found(&mut phone, severity, hour)).collect();
        send(&mut phone, &reports).await?;
        for (one, two, score) in
            [(0, 1, 900), (0, 2, 600), (2, 3, 500), (4, 5, 950), (4, 6, 900), (5, 6, 900)]
        {
            ledger.propose(reports[one].record, reports[two].record, score).await?;
        }
        let listed = proposals(&office).await?;
        let scores: Vec<i64> = listed.iter().filter_map(|it| it["score"].as_i64()).collect();
        assert_eq!(scores, [500, 600, 950, 900, 900, 900], "{backend:?}");
        let mut pairs: Vec<(&str, &str)> =
            listed.iter().map(|it| (text(it, "record"), text(it, "other"))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 6, "each once");
        let wrong = office.get("/v1/proposals?cursor=AAAA").await?;
        assert_eq!(wrong.code().as_deref(), Some("cursor-invalid"));
        ledger.engine.store.close().await;
    }
    Ok(())
}
