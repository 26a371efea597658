//! A restored server heals (law 9): its database is put back to an older state behind the server's back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::SyncReply;
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::postgres;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::ids::{Head, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;
use tempfile::TempDir;

const NOTHING: [&[u8]; 0] = [];

/// A phone that keeps what it sent, as every device must.
struct Keeper {
    phone: Phone,
    sent: Vec<Vec<u8>>,
}

impl Keeper {
    async fn enrol(server: &Server) -> Result<Self> {
        Ok(Self { phone: Phone::enrol(server).await?, sent: Vec::new() })
    }

    /// Sends operations in one bundle and takes in the whole reply.
    async fn push(&mut self, operations: &[Operation]) -> Result<()> {
        let bundle = self.phone.seal(operations);
        let reply = self.phone.sync(&[&bundle]).await?;
        ensure!(reply.receipts().len() == 1 && reply.end().is_some(), "{reply:?}");
        self.sent.push(bundle);
        Ok(())
    }

    /// Reports one hazard and gives the operation.
    async fn report(&mut self, severity: &str) -> Result<Operation> {
        let report = self.phone.report(severity);
        self.push(std::slice::from_ref(&report)).await?;
        Ok(report)
    }

    /// Says something of a hazard that was reported.
    async fn follow(&mut self, report: &Operation, kind: Kind) -> Result<Head> {
        let operation = self.phone.on(report.record, kind, [head_of(report)]);
        let head = head_of(&operation);
        self.push(&[operation]).await?;
        Ok(head)
    }

    /// Offers again all it ever sent, and gives the reply.
    async fn offer_again(&mut self) -> Result<SyncReply> {
        let sent = std::mem::take(&mut self.sent);
        let reply = self.phone.sync(&sent).await?;
        ensure!(
            reply.receipts().len() == sent.len(),
            "{} of {}: {reply:?}",
            reply.receipts().len(),
            sent.len()
        );
        self.sent = sent;
        Ok(reply)
    }

    fn moved_to(&mut self, server: &Server) {
        self.phone.client = self.phone.client.at(&server.url);
    }
}

/// The ledger's files, log included.
fn files(ledger: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", ledger.display())))
}

async fn back_up(server: &mut Server, folder: &Path) -> Result<()> {
    server.stop().await?;
    for file in files(&server.ledger()?).iter().filter(|file| file.exists()) {
        std::fs::copy(file, folder.join(file.file_name().context("a file has a name")?))?;
    }
    server.resume().await
}

async fn put_back(server: &mut Server, folder: &Path) -> Result<()> {
    server.kill().await?;
    for file in files(&server.ledger()?) {
        let kept = folder.join(file.file_name().context("a file has a name")?);
        if kept.exists() {
            std::fs::copy(kept, &file)?;
        } else if file.exists() {
            std::fs::remove_file(&file)?;
        }
    }
    server.resume().await
}

fn number(check: &Value, key: &str) -> Result<u64> {
    check.get(key).and_then(Value::as_u64).with_context(|| format!("{key} in {check}"))
}

/// The state of a ledger, to be put back once.
pub(super) enum Older {
    /// In the files of a folder.
    Files(TempDir),
    /// In another database of the cluster.
    Database(String),
}

impl Older {
    pub(super) async fn of(server: &mut Server) -> Result<Self> {
        let Some(database) = server.database().map(str::to_owned) else {
            let folder = TempDir::with_prefix("firebreak-backup")?;
            back_up(server, folder.path()).await?;
            return Ok(Self::Files(folder));
        };
        server.stop().await?;
        let copy = postgres::copy_of(&database).await?;
        server.resume().await?;
        Ok(Self::Database(copy))
    }

    pub(super) async fn put_back(&self, server: &mut Server) -> Result<()> {
        match self {
            Self::Files(folder) => put_back(server, folder.path()).await,
            Self::Database(copy) => {
                server.kill().await?;
                server.set_database(copy.rsplit('/').next().context("no database in its address")?)?;
                server.resume().await
            }
        }
    }
}

/// The records that a reply tells, of which each comes once.
fn told(reply: &SyncReply) -> Result<BTreeSet<RecordId>> {
    ensure!(reply.end().is_some_and(|end| !end.more), "there is more: {:?}", reply.end());
    let items = reply.items();
    let records: BTreeSet<RecordId> = items.iter().map(|item| item.record).collect();
    ensure!(records.len() == items.len(), "a record comes twice: {items:?}");
    Ok(records)
}

#[tokio::test]
async fn devices_heal_a_restored_ledger_to_the_same_state_hash_on_sqlite() -> Result<()> {
    heal(Backend::Sqlite).await
}

#[tokio::test]
async fn devices_heal_a_restored_ledger_to_the_same_state_hash_on_postgres() -> Result<()> {
    heal(Backend::Postgres).await
}

async fn heal(backend: Backend) -> Result<()> {
    let mut server = Server::start(backend).await?;
    let (mut one, mut two) = (Keeper::enrol(&server).await?, Keeper::enrol(&server).await?);
    let mut old_timer = Phone::enrol(&server).await?;
    let early = one.report("serious").await?;
    let other = two.report("general").await?;
    // Of each severity there is something that nobody touches any more.
    for severity in ["critical", "serious", "general", "critical"] {
        one.report(severity).await?;
    }
    for phone in [&mut one.phone, &mut two.phone, &mut old_timer] {
        phone.sync(&NOTHING).await?;
    }

    let older = Older::of(&mut server).await?;
    for keeper in [&mut one, &mut two] {
        keeper.moved_to(&server);
    }
    let old = number(&server.check().await?, "received")?;
    one.follow(&other, Kind::Observed).await?;
    two.follow(&early, Kind::Rectified).await?;
    two.follow(&other, Kind::NotFound).await?;
    let mut changed = BTreeSet::from([other.record]);
    for _ in 0..30 {
        changed.insert(one.report("critical").await?.record);
    }
    two.phone.sync(&NOTHING).await?;
    let before = server.check().await?;
    ensure!(number(&before, "received")? > old, "there is something to lose");

    older.put_back(&mut server).await?;
    let after = server.check().await?;
    assert_eq!(number(&after, "received")?, old, "the older state is in place");
    for keeper in [&mut one, &mut two] {
        keeper.moved_to(&server);
    }
    let epoch_before = one.phone.epoch.clone();
    let reply = one.phone.sync(&NOTHING).await?;
    assert!(reply.hello().is_some(), "{reply:?}");
    assert_ne!(one.phone.epoch, epoch_before, "a cursor beyond the ledger proves the rollback: a new epoch");
    let lost = (6, one.phone.sequence);
    assert_eq!(reply.missing(), [lost], "the phone is told which of its sequences are gone");
    // A cursor is rewound to where the histories part, not to nothing: what lies before that does not come again.
    assert_eq!(told(&reply)?, BTreeSet::new(), "nothing has changed since then");

    let reply = one.offer_again().await?;
    assert_eq!(told(&reply)?, changed, "what it offers again is new there, and nothing else");
    changed.insert(early.record);
    let reply = two.offer_again().await?;
    assert_eq!(told(&reply)?, changed, "everything since the histories parted, whoever offered it again");
    assert_eq!(one.phone.epoch, two.phone.epoch, "one rollback is one new epoch");
    let healed = server.check().await?;
    for key in ["state_hash", "records", "dispositions"] {
        assert_eq!(healed.get(key), before.get(key), "{key}");
    }

    // A cursor that was given before the histories parted goes on from there.
    old_timer.client = old_timer.client.at(&server.url);
    let reply = old_timer.sync(&NOTHING).await?;
    assert_eq!(old_timer.epoch, one.phone.epoch);
    assert_eq!(told(&reply)?, changed, "what is new to it comes");
    let again = old_timer.sync(&NOTHING).await?;
    assert_eq!(again.items().len(), 0, "and comes once");
    Ok(())
}

#[tokio::test]
async fn a_device_enrolled_after_the_backup_registers_itself_again() -> Result<()> {
    let backup = TempDir::with_prefix("firebreak-backup")?;
    let mut server = Server::start(Backend::Sqlite).await?;
    let mut early = Keeper::enrol(&server).await?;
    early.report("serious").await?;
    back_up(&mut server, backup.path()).await?;
    early.moved_to(&server);
    let mut late = Keeper::enrol(&server).await?;
    let report = late.report("critical").await?;
    early.follow(&report, Kind::Observed).await?;

    put_back(&mut server, backup.path()).await?;
    early.moved_to(&server);
    late.moved_to(&server);
    let reply = late.phone.sync(&NOTHING).await?;
    assert_eq!((reply.status, reply.error()), (401, Some("unauthenticated")), "its token is forgotten");
    let client = late.phone.client.clone();
    late.phone.register_again(&client).await?;
    late.offer_again().await?;
    early.offer_again().await?;
    let hazard = server.client()?.json(&format!("/v1/hazards/{}", report.record)).await?;
    assert!(hazard.to_string().contains("observed"), "both operations are there: {hazard}");
    server.check().await?;
    Ok(())
}

#[tokio::test]
async fn what_the_office_lost_by_a_restore_is_listed_with_who_names_it() -> Result<()> {
    let backup = TempDir::with_prefix("firebreak-backup")?;
    let mut server = Server::start(Backend::Sqlite).await?;
    let mut keeper = Keeper::enrol(&server).await?;
    let report = keeper.report("serious").await?;
    let untouched = keeper.report("general").await?;
    let grade = format!("/v1/hazards/{}/commands/grade", report.record);
    server.client()?.post(&grade, &json!({"fields": {"severity": "serious"}})).await?.json(&grade)?;
    back_up(&mut server, backup.path()).await?;
    keeper.moved_to(&server);
    // The office orders one hazard after the backup, and a phone that saw the order records on top of it.
    let commands = format!("/v1/hazards/{}/commands", report.record);
    let ordered = json!({"fields": {"responsible_unit": "县供电公司", "measures": "清理通道"}});
    let order = format!("{commands}/order");
    let ordered = server.client()?.post(&order, &ordered).await?.json(&order)?;
    let order = ordered["operation"].as_str().and_then(|identity| identity.get(..32)).context("no head")?;
    keeper.phone.sync(&NOTHING).await?;
    let head = Head::try_from(hex::decode(order)?.as_slice())?;
    let cure = keeper.phone.on(report.record, Kind::Rectified, [head]);
    let cure_head = head_of(&cure).to_string();
    keeper.push(&[cure]).await?;
    let sound = server.check().await?;
    ensure!(sound.get("missing").is_none() && sound.get("restores").is_none(), "{sound}");

    put_back(&mut server, backup.path()).await?;
    keeper.moved_to(&server);
    keeper.phone.sync(&NOTHING).await?;
    keeper.offer_again().await?;
    let healed = server.check().await?;
    let named =
        json!([{"operation": cure_head, "kind": "rectified", "author": keeper.phone.person.to_string()}]);
    let missing = json!([{"record": report.record.to_string(), "operation": order, "named_by": named}]);
    assert_eq!(healed["missing"], missing, "{healed}");
    assert_eq!(healed["restores"].as_array().map(Vec::len), Some(1), "{healed}");
    let office = server.client()?;
    let listed = office.json("/v1/hazards?missing=true").await?;
    let ids: Vec<&str> =
        listed["hazards"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(ids, [report.record.to_string()]);
    assert_eq!(office.json("/v1/totals").await?["missing"], json!(1));
    let others = office.json("/v1/hazards?missing=false").await?;
    assert_eq!(others["hazards"][0]["id"], json!(untouched.record.to_string()));
    let first = office.get("/").await?.text();
    for wanted in ["台账曾从备份恢复", "/hazards?missing=true"] {
        ensure!(first.contains(wanted), "the first page lacks {wanted}");
    }
    let page = office.get(&format!("/hazards/{}", report.record)).await?.text();
    ensure!(page.contains(order) && page.contains("测试员 整改完成"), "the record's page does not name it");
    // The order is on paper and was given again: the operation of then will not come.
    let leader = server.client_of(&server.create_token(&server.add_person("leader").await?).await?)?;
    let write_off = format!("/v1/hazards/{}/commands/write-off", report.record);
    let body = |head: &str| json!({"fields": {"predecessor": head, "reason": "已按纸质通知书重新交办"}});
    let refused = leader.post(&write_off, &body(&"00".repeat(16))).await?;
    ensure!(refused.status == 409 && refused.text().contains("predecessor"), "{}", refused.text());
    let form = leader.get(&write_off.replace("/v1", "")).await?.text();
    ensure!(form.contains(order), "the form does not offer what is missing");
    leader.post(&write_off, &body(order)).await?.json(&write_off)?;
    let hazard = office.json(&format!("/v1/hazards/{}", report.record)).await?;
    assert_eq!((&hazard["missing_heads"], &hazard["given_up_heads"]), (&json!([]), &json!([order])));
    assert_eq!(office.json("/v1/totals").await?["missing"], json!(0));
    assert_eq!(office.json("/v1/hazards?missing=true").await?["hazards"], json!([]));
    ensure!(server.check().await?.get("missing").is_none(), "the check goes on naming it");
    Ok(())
}

/// A hazard that was graded.
async fn graded(server: &Server, keeper: &mut Keeper) -> Result<String> {
    let report = keeper.report("serious").await?;
    let path = format!("/v1/hazards/{}/commands", report.record);
    let grade = json!({"fields": {"severity": "serious"}});
    server.client()?.post(&format!("{path}/grade"), &grade).await?.json("grade")?;
    Ok(path)
}

/// Orders it and gives the number of the order.
async fn ordered(server: &Server, path: &str) -> Result<i64> {
    let body = json!({"fields": {"responsible_unit": "县供电公司", "measures": "清理通道"}});
    let reply = server.client()?.post(&format!("{path}/order"), &body).await?.json("order")?;
    let order = reply["order"].as_str().context("no order")?;
    Ok(order.split_once('-').context("no number")?.1.parse()?)
}

#[tokio::test]
async fn no_order_gets_a_number_that_one_on_paper_has_after_a_restore() -> Result<()> {
    let backup = TempDir::with_prefix("firebreak-backup")?;
    let mut server = Server::start(Backend::Sqlite).await?;
    let mut keeper = Keeper::enrol(&server).await?;
    let mut hazards = Vec::new();
    for _ in 0..8 {
        hazards.push(graded(&server, &mut keeper).await?);
    }
    assert_eq!((ordered(&server, &hazards[0]).await?, ordered(&server, &hazards[1]).await?), (1, 2));
    back_up(&mut server, backup.path()).await?;
    keeper.moved_to(&server);
    for (nth, expected) in [(2, 3), (3, 4), (4, 5)] {
        assert_eq!(ordered(&server, &hazards[nth]).await?, expected);
    }
    keeper.phone.sync(&NOTHING).await?;

    put_back(&mut server, backup.path()).await?;
    keeper.moved_to(&server);
    keeper.phone.sync(&NOTHING).await?;
    let last_left_out = 2 + firebreak::sync::numbers::AFTER_RESTORE;
    assert_eq!(ordered(&server, &hazards[2]).await?, last_left_out + 1);
    let check = server.check().await?;
    let gap = &check["order_gaps"][0];
    assert_eq!((&gap["first"], &gap["last"]), (&json!(3), &json!(last_left_out)), "{check}");
    let log = server.client()?.json("/v1/audit").await?;
    for action in ["order.gap", "report.gap", "restore.detected"] {
        let rows = log["rows"].as_array().context("no rows")?;
        let row = rows.iter().find(|row| row["action"] == action).with_context(|| format!("no {action}"))?;
        assert_eq!(row["actor"], "server");
    }
    // The operator, who looks at the paper, says it exactly; then a restore that is found out leaves out nothing more.
    put_back(&mut server, backup.path()).await?;
    keeper.moved_to(&server);
    let next = |number: &'static str| ["order", "next", "--number", number, "--reason", "纸质编号已用到 5"];
    let (done, told) = server.command(&next("6")).await?;
    ensure!(done && told["left_out"]["last"] == 5, "{told}");
    keeper.phone.sync(&NOTHING).await?;
    assert_eq!(ordered(&server, &hazards[2]).await?, 6);
    assert_eq!(ordered(&server, &hazards[3]).await?, 7);
    ensure!(server.command_lines(&next("7")).await.is_err(), "a number is given twice");
    server.check().await?;
    // A number that is missing without a reason is found.
    server.stop().await?;
    server.execute("DELETE FROM orders WHERE ordinal = 6").await?;
    let (succeeded, check) = server.command(&["check"]).await?;
    ensure!(!succeeded && check["faults"].to_string().contains("order numbers"), "{check}");
    Ok(())
}

#[tokio::test]
async fn a_unit_beside_a_record_that_its_view_does_not_say_is_found() -> Result<()> {
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        Keeper::enrol(&server).await?.report("serious").await?;
        server.check().await?;
        server.stop().await?;
        match backend {
            Backend::Sqlite => {
                server.execute("UPDATE records SET unit = x'00112233445566778899aabbccddeeff'").await?;
            }
            Backend::Postgres => {
                server.execute("UPDATE records SET unit = '00112233-4455-6677-8899-aabbccddeeff'").await?;
            }
        }
        let (succeeded, check) = server.command(&["check"]).await?;
        ensure!(!succeeded && check["faults"].to_string().contains("differs from its view"), "{check}");
    }
    Ok(())
}

/// Issues a report of these days of November and gives its number within the year.
async fn issued(server: &Server, to: u8) -> Result<i64> {
    let to = format!("2026-11-{to:02}");
    let days = ["report", "--from", "2026-11-01", "--to", &to, "--issue", "--out"];
    let file = server.data().join("report.txt");
    let out = file.to_str().context("a folder whose name is no text")?;
    let number = server.command_text(&[&days[..], &[out]].concat(), "number").await?;
    Ok(number.rsplit('-').next().context("no number")?.parse()?)
}

#[tokio::test]
async fn no_report_gets_a_number_that_one_on_paper_has_after_a_restore() -> Result<()> {
    let backup = TempDir::with_prefix("firebreak-backup")?;
    let mut server = Server::start(Backend::Sqlite).await?;
    let mut keeper = Keeper::enrol(&server).await?;
    keeper.report("serious").await?;
    assert_eq!((issued(&server, 1).await?, issued(&server, 2).await?), (1, 2));
    back_up(&mut server, backup.path()).await?;
    keeper.moved_to(&server);
    keeper.report("serious").await?;
    assert_eq!(issued(&server, 3).await?, 3);
    keeper.phone.sync(&NOTHING).await?;

    put_back(&mut server, backup.path()).await?;
    keeper.moved_to(&server);
    keeper.phone.sync(&NOTHING).await?;
    let last_left_out = 2 + firebreak::sync::numbers::REPORTS_AFTER_RESTORE;
    assert_eq!(issued(&server, 4).await?, last_left_out + 1);
    let check = server.check().await?;
    let gap = &check["report_gaps"][0];
    assert_eq!((&gap["first"], &gap["last"]), (&json!(3), &json!(last_left_out)), "{check}");
    // The operator says it exactly, and then nothing more is left out.
    put_back(&mut server, backup.path()).await?;
    keeper.moved_to(&server);
    let next = |number: &'static str| ["report", "--next-number", number, "--reason", "纸质编号已用到 3"];
    let (done, told) = server.command(&next("4")).await?;
    ensure!(done && told["left_out"]["last"] == 3, "{told}");
    keeper.phone.sync(&NOTHING).await?;
    assert_eq!(issued(&server, 5).await?, 4);
    ensure!(server.command_lines(&next("4")).await.is_err(), "a number is given twice");
    server.check().await?;
    server.stop().await?;
    server.execute("DELETE FROM reports WHERE ordinal = 2").await?;
    let (succeeded, check) = server.command(&["check"]).await?;
    ensure!(!succeeded && check["faults"].to_string().contains("report numbers"), "{check}");
    Ok(())
}
