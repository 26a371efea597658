//! What users of other field systems complain of, each as a schedule with the reference device. The numbers are
//! those of the project's list of complaints; photos that stay behind (3) and bandwidth (9) are shown elsewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::server::{Backend, Server};
use fixtures::builders::Report;
use fixtures::device::clock::{SimulatedClock, now_ms};
use fixtures::device::faulty::{Fault, Faulty};
use fixtures::device::http::Http;
use fixtures::device::outbox::{Fresh, OperationStanding};
use fixtures::device::sync::{Goal, SyncReport};
use fixtures::device::transport::Encoding;
use fixtures::device::{Device, Options};
use fixtures::office::Office;
use serde_json::{Value, json};
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{KindName, Operation};
use sync_protocol::view::{State, View};
use tempfile::TempDir;

const DAY_MS: i64 = 86_400_000;

/// An inspector with a phone whose network and clock the test decides.
struct Inspector {
    device: Device<Faulty<Http>, SimulatedClock>,
    person: PersonId,
    network: Faulty<Http>,
    clock: SimulatedClock,
    path: PathBuf,
}

async fn open(
    server: &Server,
    path: &Path,
    clock: SimulatedClock,
) -> Result<(Device<Faulty<Http>, SimulatedClock>, Faulty<Http>)> {
    let network = Faulty::new(Http::new(&server.url, Encoding::Zstd)?);
    let device = Device::open(path, network.clone(), clock, Options::default()).await?;
    Ok((device, network))
}

impl Inspector {
    async fn new(server: &Server, office: &Office, folder: &TempDir, name: &str) -> Result<Self> {
        let path = folder.path().join(format!("{name}.sqlite"));
        let clock = SimulatedClock::new(now_ms());
        let (mut device, network) = open(server, &path, clock.clone()).await?;
        let person = office.person(name, "inspector").await?;
        device.enrol(&office.enrol_code(person).await?, name, None).await?;
        Ok(Self { device, person, network, clock, path })
    }

    /// Reports a hazard. It is on the phone's disk when this returns.
    async fn report(&mut self, lat_e7: i64) -> Result<Operation> {
        let report = Report::new().author(self.person).stamp(self.device.stamp()).at(lat_e7, 1_030_000_000);
        let report = report.build();
        self.device.record(&report).await?;
        Ok(report)
    }

    /// Says something of a record, after all that this phone knows of it.
    async fn says(&mut self, record: RecordId, kind: Kind, fields: &[(&str, &str)]) -> Result<Operation> {
        let mut operation = self.device.draft(kind, record, self.person).await?;
        for (name, value) in fields {
            operation = operation.with(name, value);
        }
        self.device.record(&operation).await?;
        Ok(operation)
    }

    async fn sync(&mut self) -> Result<SyncReport> {
        Ok(self.device.sync(Goal::Everything).await?)
    }

    async fn view(&mut self, record: RecordId) -> Result<View> {
        self.device.view(record).await?.context("the phone knows nothing of the record")
    }

    async fn codes(&mut self) -> Result<Vec<String>> {
        let notices = self.device.notices(Fresh::Only).await?;
        Ok(notices.into_iter().map(|notice| notice.code).collect())
    }
}

async fn scene(backend: Backend) -> Result<(Server, Office, TempDir)> {
    let server = Server::start(backend).await?;
    let office = Office::new(&server.url, &server.token)?;
    Ok((server, office, tempfile::tempdir()?))
}

/// Two inspectors, and a hazard that one reported and both know.
async fn met(
    server: &Server,
    office: &Office,
    folder: &TempDir,
) -> Result<(Inspector, Inspector, Operation)> {
    let mut one = Inspector::new(server, office, folder, "甲").await?;
    let mut two = Inspector::new(server, office, folder, "乙").await?;
    let report = one.report(300_000_000).await?;
    one.sync().await?;
    two.sync().await?;
    Ok((one, two, report))
}

fn has(codes: &[String], code: Code) -> bool {
    codes.iter().any(|found| found == code.as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complaint_1_what_is_shown_as_synced_is_on_the_ledger_and_what_is_not_applied_is_shown_so()
-> Result<()> {
    let (server, office, folder) = scene(Backend::Sqlite).await?;
    let mut inspector = Inspector::new(&server, &office, &folder, "甲").await?;
    for number in 0..30 {
        inspector.report(300_000_000 + number * 1_000).await?;
    }
    let bad = Report::new().author(inspector.person).field("remarks", &"坏\0字").build();
    inspector.device.record_bytes(bad.id, bad.record, &bad.encode()).await?;
    inspector.network.plan([
        Fault::RequestLost,
        Fault::ReplyCut(700),
        Fault::ReplyCut(2_000),
        Fault::ReplyLost,
    ]);
    inspector.sync().await?;
    let outbox = inspector.device.outbox();
    let seen = outbox.count(OperationStanding::Seen, 0).await?
        + outbox.count(OperationStanding::Received, 0).await?;
    ensure!(seen == 31, "{seen} are shown as synced");
    let ledger = office.ledger().await?;
    ensure!(ledger.len() == 30, "{} records", ledger.len());
    let copies = inspector.device.server_views().await?;
    ensure!(copies.len() == 30, "{} records on the phone", copies.len());
    let tally = inspector.device.tally(0).await?;
    ensure!(tally.quarantined.get(Code::TextNul.as_str()) == Some(&1), "{tally:?}");
    ensure!(has(&inspector.codes().await?, Code::TextNul), "nobody is told");
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complaint_2_a_lost_reply_makes_no_duplicate() -> Result<()> {
    for backend in Backend::ALL {
        let (server, office, folder) = scene(backend).await?;
        let mut inspector = Inspector::new(&server, &office, &folder, "甲").await?;
        for fault in [Fault::ReplyLost, Fault::Doubled, Fault::Late, Fault::ReplyCut(300), Fault::ReplyLost] {
            inspector.report(300_000_000).await?;
            inspector.network.plan([fault]);
            inspector.sync().await?;
        }
        // The app is reinstalled over its own data, and offers everything again.
        inspector.device.offer_all_again().await?;
        inspector.sync().await?;
        let ledger = office.ledger().await?;
        ensure!(ledger.len() == 5, "{} records of 5 reports", ledger.len());
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complaint_4_nobody_is_overwritten_silently_and_a_lost_value_is_restored_in_one_step() -> Result<()> {
    for backend in Backend::ALL {
        let (server, office, folder) = scene(backend).await?;
        let (mut one, mut two, report) = met(&server, &office, &folder).await?;
        // Both offline, each with a description of their own and a severity.
        one.says(report.record, Kind::Corrected, &[("description", "甲的话")]).await?;
        let mild = one.says(report.record, Kind::Observed, &[("severity", "general")]).await?;
        two.says(report.record, Kind::Corrected, &[("description", "乙的话")]).await?;
        two.says(report.record, Kind::Observed, &[("severity", "critical")]).await?;
        one.sync().await?;
        two.sync().await?;
        one.sync().await?;
        let view = one.view(report.record).await?;
        let values = view.fields.get("description").map_or(0, |field| field.values.len());
        ensure!(values == 2 && view.severity.as_deref() == Some("critical"), "{view:?}");
        let told = one.codes().await?;
        ensure!(has(&told, Code::NoticeConflict) && has(&told, Code::NoticeOverridden), "{told:?}");
        ensure!(has(&two.codes().await?, Code::NoticeConflict));
        ensure!(office.conflicts().await?.len() == 1, "{:?}", office.conflicts().await?);
        let restore = format!("/v1/hazards/{}/restore", report.record);
        let body = json!({"operation": fixtures::builders::head(&mild).to_string(), "field": "severity"});
        let reply = server.client()?.post(&restore, &body).await?;
        ensure!(reply.status == 200, "{}", reply.text());
        one.sync().await?;
        let view = one.view(report.record).await?;
        ensure!(view.shown("severity").and_then(Raw::as_text) == Some("general"), "{view:?}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complaint_5_one_bad_item_does_not_block_the_queue() -> Result<()> {
    let (server, office, folder) = scene(Backend::Postgres).await?;
    let mut inspector = Inspector::new(&server, &office, &folder, "甲").await?;
    inspector.report(300_000_000).await?;
    for bytes in [vec![0x1c], vec![0xa0], vec![0; 70_000]] {
        let id = fixtures::builders::fresh_id();
        inspector.device.record_bytes(id.into(), RecordId(id), &bytes).await?;
        inspector.report(300_000_000).await?;
    }
    // A bundle that the server refuses whole, carried for somebody else, blocks nothing either.
    let mut file = Vec::new();
    sync_protocol::cbor::write_byte_string(&mut file, &[0x81; 40]);
    inspector.device.carry(&file).await?;
    let report = inspector.sync().await?;
    ensure!(report.refused == [Code::CborTooDeep.as_str()], "{report:?}");
    ensure!(office.ledger().await?.len() == 4);
    ensure!(inspector.device.outbox().count(OperationStanding::Waiting, 0).await? == 0);
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complaint_6_an_app_of_the_next_version_and_one_of_this_work_side_by_side() -> Result<()> {
    for backend in Backend::ALL {
        let (server, office, folder) = scene(backend).await?;
        let mut newer = Inspector::new(&server, &office, &folder, "新").await?;
        let mut older = Inspector::new(&server, &office, &folder, "旧").await?;
        let mut report = Report::new().author(newer.person).severity("特危").build();
        report.schema = 2;
        report = report.with("canopy_fuel", &"枯落物");
        report.unknown.insert("mood".to_owned(), Raw::of(&7));
        newer.device.record(&report).await?;
        let mut scanned = newer.device.draft(Kind::Commented, report.record, newer.person).await?;
        scanned.kind = KindName::from("laser_scanned");
        newer.device.record(&scanned).await?;
        newer.sync().await?;
        older.sync().await?;
        let view = older.view(report.record).await?;
        ensure!(view.shown("canopy_fuel").and_then(Raw::as_text) == Some("枯落物"), "{view:?}");
        ensure!(view.severity.as_deref() == Some("特危") && view.held.len() == 1, "{view:?}");
        // The older app works on it, and nothing of the newer one's is lost.
        older.says(report.record, Kind::Rectified, &[("measures", "已清理")]).await?;
        older.sync().await?;
        newer.sync().await?;
        let view = newer.view(report.record).await?;
        ensure!(view.state == State::Rectified && view.held.len() == 1, "{view:?}");
        ensure!(view.shown("canopy_fuel").is_some() && view.conflicts.is_empty(), "{view:?}");
        let hazard = office.hazard(report.record).await?.to_string();
        ensure!(hazard.contains("laser_scanned"), "{hazard}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complaint_7_work_of_an_area_that_was_given_away_meanwhile_is_taken() -> Result<()> {
    for backend in Backend::ALL {
        let (server, office, folder) = scene(backend).await?;
        let mut inspector = Inspector::new(&server, &office, &folder, "甲").await?;
        let mut everywhere = Inspector::new(&server, &office, &folder, "乙").await?;
        let south = [299_000_000, 1_029_000_000, 300_999_999, 1_031_000_000];
        let north = [310_000_000, 1_029_000_000, 312_000_000, 1_031_000_000];
        office.area(inspector.person, &[south]).await?;
        let in_north = everywhere.report(311_000_000).await?;
        everywhere.sync().await?;
        let known = inspector.report(300_000_000).await?;
        inspector.sync().await?;
        ensure!(inspector.device.view(in_north.record).await?.is_none(), "the north came to the south");
        // Offline: new work in the south, while the office gives the south to somebody else.
        let made = inspector.report(300_100_000).await?;
        inspector.says(known.record, Kind::Rectified, &[]).await?;
        office.area(inspector.person, &[north]).await?;
        let report = inspector.sync().await?;
        ensure!(report.refused.is_empty() && report.isolated == 0 && report.leaves > 0, "{report:?}");
        everywhere.sync().await?;
        ensure!(everywhere.view(known.record).await?.state == State::Rectified);
        ensure!(everywhere.view(made.record).await?.state == State::Reported);
        ensure!(inspector.view(in_north.record).await?.state == State::Reported, "the north did not come");
        let tally = inspector.device.tally(0).await?;
        ensure!(tally.received == 3 && tally.quarantined.is_empty(), "{tally:?}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complaint_8_a_phone_that_believes_it_is_2017_works_like_any_other() -> Result<()> {
    let (server, office, folder) = scene(Backend::Sqlite).await?;
    let (mut right, mut wrong, report) = met(&server, &office, &folder).await?;
    wrong.clock.set_error(1_500_000_000_000 - now_ms());
    wrong.says(report.record, Kind::Rectified, &[]).await?;
    let own = wrong.report(300_000_000).await?;
    wrong.sync().await?;
    let tally = wrong.device.tally(0).await?;
    ensure!(tally.flags.get(Code::FlagClock.as_str()) == Some(&2), "{tally:?}");
    // Its cure stands though its clock says it was years before the report; a later look goes beyond it.
    right.sync().await?;
    ensure!(right.view(report.record).await?.state == State::Rectified);
    ensure!(right.view(own.record).await?.state == State::Reported);
    right.clock.set_error(400 * DAY_MS);
    right.says(report.record, Kind::VerificationFailed, &[]).await?;
    right.sync().await?;
    wrong.sync().await?;
    ensure!(wrong.view(report.record).await?.state == State::Rectifying);
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complaint_10_closing_what_is_closed_already_is_no_error_and_no_conflict() -> Result<()> {
    for backend in Backend::ALL {
        let (server, office, folder) = scene(backend).await?;
        let (mut one, mut two, report) = met(&server, &office, &folder).await?;
        two.says(report.record, Kind::Rectified, &[]).await?;
        let mut cure = one.device.draft(Kind::Rectified, report.record, one.person).await?;
        cure.photos = vec![fixtures::builders::photo("after", b"cleared")];
        one.device.record(&cure).await?;
        one.sync().await?;
        // Another person looks at it again: who rectified it could not be believed.
        let mut three = Inspector::new(&server, &office, &folder, "丙").await?;
        three.sync().await?;
        let mut verified = three.device.draft(Kind::Verified, report.record, three.person).await?;
        verified = verified.with("verdict", &"合格").with("measured_dm", &64_i64);
        three.device.record(&verified).await?;
        three.sync().await?;
        for _ in 0..2 {
            office.command(report.record, "close", &json!({})).await?;
        }
        // The second inspector comes into coverage with a cure of what is closed.
        let late = two.sync().await?;
        ensure!(late.refused.is_empty() && late.isolated == 0, "{late:?}");
        let view = two.view(report.record).await?;
        ensure!(view.state == State::Closed && view.conflicts.is_empty(), "{view:?}");
        let told = two.codes().await?;
        ensure!(told.is_empty(), "{told:?}");
        let checked = server.check().await?;
        let conflicts = checked.pointer("/dispositions/conflict").and_then(Value::as_u64);
        ensure!(conflicts == Some(0), "{checked}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complaint_11_phones_heal_a_server_that_was_restored_from_an_older_backup() -> Result<()> {
    let (mut server, office, folder) = scene(Backend::Sqlite).await?;
    let mut inspector = Inspector::new(&server, &office, &folder, "甲").await?;
    let before = inspector.report(300_000_000).await?;
    inspector.sync().await?;
    server.stop().await?;
    let ledger = server.ledger()?;
    let backup = folder.path().join("backup");
    std::fs::copy(&ledger, &backup)?;
    server.resume().await?;
    inspector = again(&server, inspector).await?;
    let after = inspector.report(300_100_000).await?;
    inspector.says(before.record, Kind::Rectified, &[]).await?;
    inspector.sync().await?;
    let whole = server.check().await?;
    ensure!(inspector.device.outbox().count(OperationStanding::Waiting, 0).await? == 0, "not all was sent");
    server.kill().await?;
    for suffix in ["-wal", "-shm"] {
        let beside = PathBuf::from(format!("{}{suffix}", ledger.display()));
        if beside.exists() {
            std::fs::remove_file(beside)?;
        }
    }
    std::fs::copy(&backup, &ledger)?;
    server.resume().await?;
    inspector = again(&server, inspector).await?;
    let report = inspector.sync().await?;
    ensure!(report.new_epochs == 1 && report.reoffered > 0, "{report:?}");
    let healed = server.check().await?;
    ensure!(healed.get("state_hash") == whole.get("state_hash"), "{healed}, and before {whole}");
    ensure!(inspector.view(after.record).await?.state == State::Reported);
    ensure!(inspector.view(before.record).await?.state == State::Rectified);
    Ok(())
}

/// The same phone, with the server at another address.
async fn again(server: &Server, inspector: Inspector) -> Result<Inspector> {
    let Inspector { device, person, clock, path, .. } = inspector;
    device.close().await?;
    let (device, network) = open(server, &path, clock.clone()).await?;
    Ok(Inspector { device, person, network, clock, path })
}
