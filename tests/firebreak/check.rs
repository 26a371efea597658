//! `firebreak check` finds what was done to a ledger behind its back, whatever part of it that was.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use sync_protocol::bundle::{self, Run};
use sync_protocol::ids::{Chain, PhotoHash};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Photo, Position};

/// A table, what is done to it, and words of the fault that tells of it.
const DAMAGES: &[(&str, &str, &str)] = &[
    ("records", "UPDATE records SET place = place + 4096", "differs from its view"),
    ("records", "UPDATE records SET class = class + 1", "differs from its view"),
    ("records", "UPDATE records SET change = change + 1000000", "still to come"),
    (
        "records",
        "UPDATE records SET view = (SELECT identity FROM operations LIMIT 1)",
        "differs from its operations",
    ),
    ("records", "DELETE FROM records", "belong to a record"),
    ("districts", "UPDATE districts SET change = 0", "still to come"),
    ("operations", "UPDATE operations SET bytes = identity", "is damaged"),
    ("operations", "UPDATE operations SET sequence = sequence + 1", "not signed where it stands"),
    ("operations", "UPDATE operations SET device = record", "not signed where it stands"),
    ("operations", "UPDATE operations SET disposition = disposition + 1", "another disposition"),
    ("operations", "DELETE FROM operations", "differs from its operations"),
    ("quarantine", "UPDATE quarantine SET bytes = identity", "is damaged"),
    ("quarantine", "UPDATE quarantine SET sequence = sequence + 1", "not signed where it stands"),
    ("quarantine", "DELETE FROM quarantine", "1 operations were signed and are not there"),
    ("runs", "DELETE FROM runs", "not signed where it stands"),
    ("runs", "DELETE FROM runs WHERE is_copy = 0", "copies of none"),
    ("runs", "UPDATE runs SET members = bundle WHERE is_copy = 0", "not those of its chain"),
    ("runs", "UPDATE runs SET members = chain WHERE is_copy = 0", "not those of its chain"),
    ("runs", "UPDATE runs SET chain = previous", "not those of its chain"),
    ("runs", "UPDATE runs SET previous = bundle", "not those of its chain"),
    ("runs", "UPDATE runs SET first = first + 1, last = last + 1", "its receipt is damaged"),
    ("runs", "UPDATE runs SET proof = chain", "its proof is damaged"),
    ("runs", "UPDATE runs SET receipt = proof", "its receipt is damaged"),
    ("conflicts", "DELETE FROM conflicts", "open conflicts"),
    ("conflicts", "UPDATE conflicts SET subject = 'type'", "open conflicts"),
    (
        "conflicts",
        "INSERT INTO conflicts SELECT district, device, 'type', 'values', 0, 0 FROM devices",
        "not of records",
    ),
    ("photos", "DELETE FROM photos", "the photos of record"),
    ("tallies", "UPDATE tallies SET amount = amount + 1", "the tally of"),
    (
        "devices",
        "UPDATE devices SET status = 'revoked', revoked_sequence = 0, revoked_chain = head_chain",
        "is revoked differs",
    ),
    ("devices", "UPDATE devices SET head_sequence = head_sequence + 1", "not that of its runs"),
];

/// A conflict, a photo, an operation in quarantine, and a run that was signed twice.
async fn fill(server: &Server) -> Result<()> {
    let (mut one, mut other) = (Phone::enrol(server).await?, Phone::enrol(server).await?);
    let mut report = one.report("general").with("township", &"青杠镇");
    report.photos = vec![Photo { role: "before".to_owned(), bytes: 9, sha256: PhotoHash([7; 32]) }];
    let beyond = Position { lat_e7: 910_000_000, ..Position::default() };
    let odd = one.report("serious").with("position", &beyond);
    let operations = vec![report.encode(), odd.encode()];
    let run = Run { device: one.device, first: 1, previous: Chain::START, operations: operations.clone() };
    let bundles = [one.seal_bytes(operations), bundle::seal(&run, &one.binding, |bytes| one.sign(bytes))];
    ensure!(bundles[0] != bundles[1] && one.sync(&bundles).await?.receipts().len() == 2, "two signatures");
    for (phone, township) in [(&mut one, "白果镇"), (&mut other, "松坪镇")] {
        let seen = phone.on(report.record, Kind::Observed, [head_of(&report)]).with("township", &township);
        let bundle = phone.seal(&[seen]);
        ensure!(phone.sync(&[bundle]).await?.receipts().len() == 1, "seen");
    }
    // The operations of both, cut anew.
    let again = other.reports(3);
    ensure!(other.sync(&[again]).await?.receipts().len() == 1, "reported");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_finds_what_was_done_to_any_part_of_the_ledger() -> Result<()> {
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        fill(&server).await?;
        server.stop().await?;
        server.check().await?;
        for (table, damage, fault) in DAMAGES {
            let kept = format!("CREATE TABLE kept AS SELECT * FROM {table}");
            server.execute_text(kept).await?;
            server.execute(damage).await.with_context(|| format!("{backend:?}: {damage}"))?;
            let (succeeded, found) = server.command(&["check"]).await?;
            ensure!(
                !succeeded && found["ok"] == false && found["faults"].to_string().contains(fault),
                "{backend:?}: {damage}: {found}"
            );
            let restore = [
                format!("DELETE FROM {table}"),
                format!("INSERT INTO {table} SELECT * FROM kept"),
                "DROP TABLE kept".to_owned(),
            ];
            for statement in restore {
                server.execute_text(statement).await?;
            }
            server.check().await.with_context(|| format!("{backend:?}: behind {damage}"))?;
        }
    }
    Ok(())
}
