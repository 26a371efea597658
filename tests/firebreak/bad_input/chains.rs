//! What is odd but not wrong: folded and flagged. And who is not trusted: quarantined, refused or rejected.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::bundle::{self, Run};
use sync_protocol::codes::Code;
use sync_protocol::exchange::{ChainHead, Frame, Receipt, encode_request};
use sync_protocol::ids::{BundleHash, Chain, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Position};

use super::{Yard, on_both};

/// Sends one bundle and gives its receipt.
async fn receipt(yard: &mut Yard, bundle: Vec<u8>) -> Result<Receipt> {
    let reply = yard.send(std::slice::from_ref(&bundle)).await?;
    let receipts = reply.receipts();
    let found = receipts.into_iter().find(|receipt| receipt.bundle == BundleHash::of(&bundle));
    found.with_context(|| format!("no receipt: {reply:?}"))
}

fn flags(receipt: &Receipt, offset: u64) -> Vec<&str> {
    receipt.flags.iter().filter(|(at, _)| *at == offset).map(|(_, code)| code.as_str()).collect()
}

fn sealed(phone: &Phone, first: u64, previous: Chain, operations: &[Operation]) -> Vec<u8> {
    let operations = operations.iter().map(Operation::encode).collect();
    let run = Run { device: phone.device, first, previous, operations };
    bundle::seal(&run, &phone.binding, |bytes| phone.sign(bytes))
}

async fn notices(phone: &mut Phone) -> Result<Vec<String>> {
    let reply = phone.sync::<Vec<u8>>(&[]).await?;
    let code = |frame: &Frame| match frame {
        Frame::Notice(notice) => Some(notice.code.clone()),
        _ => None,
    };
    Ok(reply.frames.iter().filter_map(code).collect())
}

pub(super) async fn reused_ids(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let report = yard.bad.report("general");
    let other = report.clone().with("description", &"另一内容");
    let seen = yard.bad.on(report.record, Kind::Observed, [head_of(&report)]);
    let mut same_id = seen.clone().with("species", &"杉木");
    same_id.heads = Vec::new();
    let bundle = yard.bad.seal(&[report, other, seen, same_id]);
    let receipt = receipt(&mut yard, bundle).await?;
    let reused = Code::FlagIdReused.as_str();
    let found: Vec<bool> = (0..4).map(|offset| flags(&receipt, offset).contains(&reused)).collect();
    ensure!(found == [false, true, false, true], "{receipt:?}");
    yard.settled(4, 0, 1).await?;
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_used_again_with_other_bytes_is_folded_and_flagged() -> Result<()> {
    on_both(reused_ids).await
}

pub(super) async fn forks(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let (one, two, three) =
        (yard.bad.report("general"), yard.bad.report("serious"), yard.bad.report("critical"));
    let first = sealed(&yard.bad, 1, Chain::START, &[one.clone(), two]);
    receipt(&mut yard, first).await?;
    yard.settled(2, 0, 2).await?;
    // A clone of the phone went on after the first operation.
    let after_one = Chain::START.next(&sync_protocol::ids::Identity::of(&one.encode()));
    let clone = sealed(&yard.bad, 2, after_one, &[three]);
    let receipt = receipt(&mut yard, clone).await?;
    for code in [Code::FlagSequenceReused, Code::FlagFork] {
        ensure!(flags(&receipt, 0).contains(&code.as_str()), "{code}: {receipt:?}");
    }
    // The server's own note of the fork is one more operation.
    yard.settled(2, 0, 1).await?;
    let told = notices(&mut yard.bad).await?;
    ensure!(told.contains(&Code::NoticeReEnrol.as_str().to_owned()), "{told:?}");
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequence_used_again_and_a_forked_chain_keep_both_branches_and_tell_the_phone() -> Result<()> {
    on_both(forks).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_taken_named_as_missing_and_closed_by_what_was_missing() -> Result<()> {
    for backend in Backend::ALL {
        let mut yard = Yard::new(backend).await?;
        let first = yard.bad.reports(1);
        let withheld = yard.bad.reports(3);
        let last = yard.bad.reports(2);
        let body = |phone: &Phone, bundles: &[Vec<u8>]| phone.request(bundles);
        let reply = yard.bad.client.sync(body(&yard.bad, &[first, last])).await?;
        ensure!(reply.receipts().len() == 2 && reply.missing() == [(2, 4)], "{reply:?}");
        let reply = yard.bad.client.sync(body(&yard.bad, &[withheld])).await?;
        ensure!(reply.receipts().len() == 1 && reply.missing().is_empty(), "{reply:?}");
        // What the phone says it has made and never sent is missing too.
        let mut header = yard.bad.header();
        header.head = Some(ChainHead { chain: Chain([3; 32]), sequence: 9 });
        let reply = yard.bad.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
        ensure!(reply.missing() == [(7, 9)], "{reply:?}");
        yard.server.check().await?;
    }
    Ok(())
}

pub(super) async fn odd_values(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let phone = &mut yard.bad;
    let mut reports: Vec<Operation> = (0..6).map(|_| phone.report("general")).collect();
    reports[0].at.wall_ms = 86_400_000;
    reports[1].at.wall_ms = 4_102_444_800_000;
    let at = |lat_e7, lon_e7, accuracy_dm| {
        sync_protocol::cbor::Raw::of(&Position { lat_e7, lon_e7, accuracy_dm, ..Position::default() })
    };
    for (index, position) in
        [(2, at(0, 0, None)), (3, at(1, 1, Some(151))), (4, at(1, 1, Some(501))), (5, at(1, 1, Some(150)))]
    {
        reports[index].fields.insert("position".to_owned(), position);
    }
    let bundle = phone.seal(&reports);
    let receipt = receipt(&mut yard, bundle).await?;
    ensure!(receipt.exceptions.is_empty(), "{receipt:?}");
    for (offset, code, is_flagged) in [
        (0, Code::FlagClock, true),
        (1, Code::FlagClock, true),
        (2, Code::FlagDefaultPosition, true),
        (3, Code::FlagAccuracyPoor, true),
        (3, Code::FlagAccuracyUnreliable, false),
        (4, Code::FlagAccuracyUnreliable, true),
        (5, Code::FlagAccuracyPoor, false),
        (5, Code::FlagNoPhoto, true),
        (5, Code::FlagDefaultPosition, false),
    ] {
        let found = flags(&receipt, offset).contains(&code.as_str());
        ensure!(found == is_flagged, "{code} at {offset}: {receipt:?}");
    }
    yard.settled(6, 0, 6).await?;
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_clocks_and_places_are_flagged_and_folded() -> Result<()> {
    on_both(odd_values).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_districts_record_is_provisional_here_and_nobody_learns_whether_it_exists() -> Result<()> {
    for backend in Backend::ALL {
        // Both districts before the server starts, as an operator would.
        let mut yard = Yard::new(backend).await?;
        let team = firebreak_tests::district::Team::new()?;
        let ledger = firebreak_tests::district::Ledger::open(&yard.server).await?;
        let other = ledger.district("other", &team).await?;
        let stamp = yard.bad.stamp();
        let id = yard.bad.id();
        let report = Operation::new(id.into(), RecordId(id), Kind::Reported, team.persons[0], stamp)
            .with("category", &"corridor");
        let bundle = other.seal(&team, 0, (1, Chain::START), vec![report.encode()]);
        ensure!(other.push(0, &[bundle]).await?.receipts().len() == 1);
        let untouched = other.views().await?;
        let nowhere = RecordId(yard.bad.id());
        let mut answers = Vec::new();
        for record in [report.record, nowhere] {
            let observed = yard.bad.on(record, Kind::Observed, []).with("severity", &"general");
            let bundle = yard.bad.seal(&[observed]);
            let receipt = receipt(&mut yard, bundle).await?;
            yard.settled(1, 0, 1).await?;
            let reply = yard.bad.sync::<Vec<u8>>(&[]).await?;
            let view = reply.items().iter().find(|item| item.record == record).map(|item| item.view.clone());
            let view = view.and_then(|raw| sync_protocol::view::View::decode(raw.as_bytes()));
            let view = view.context("no view")?;
            ensure!(view.is_provisional && view.missing.is_empty(), "{view:?}");
            answers.push((
                receipt.flags,
                receipt.exceptions,
                view.state,
                view.writers.len(),
                view.fields.len(),
            ));
        }
        ensure!(answers[0] == answers[1], "the answers differ: {answers:?}");
        ensure!(other.views().await? == untouched, "the other district was touched");
        yard.server.check().await?;
        other.check().await?;
    }
    Ok(())
}

pub(super) async fn revocation(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let trusted = yard.bad.reports(2);
    let (sequence, chain) = (yard.bad.sequence, yard.bad.chain);
    let beyond = yard.bad.reports(1);
    let office = fixtures::office::Office::new(&yard.server.url, &yard.server.token)?;
    office.revoke(yard.bad.device, sequence, chain).await?;
    // The revocation itself is an operation of the server.
    yard.before = super::checked(&yard.engine).await?;
    let reply = yard.bad.client.sync(yard.bad.request(std::slice::from_ref(&trusted))).await?;
    ensure!(reply.status == 403 && reply.error() == Some(Code::DeviceRevoked.as_str()), "{reply:?}");
    let late = receipt(&mut yard, beyond).await?;
    let codes: Vec<_> = late.exceptions.iter().map(|(.., code)| code.as_deref()).collect();
    ensure!(codes == [Some(Code::AfterRevocation.as_str())], "{late:?}");
    yard.settled(0, 1, 0).await?;
    let kept = receipt(&mut yard, trusted).await?;
    ensure!(kept.exceptions.is_empty(), "{kept:?}");
    yard.settled(2, 0, 2).await?;
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_device_is_turned_away_and_what_lies_beyond_its_trusted_point_waits() -> Result<()> {
    on_both(revocation).await
}

pub(super) async fn enrolment(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let person = server.add_person("inspector").await?;
    let code = server.enrol_code(&person).await?;
    Phone::enrol_with(&server, &code).await?;
    let used = Phone::enrol_with(&server, &code).await.err().map(|error| format!("{error:#}"));
    ensure!(used.as_ref().is_some_and(|it| it.contains(Code::EnrolCodeUsed.as_str())), "{used:?}");
    let invalid = Phone::enrol_with(&server, &"00".repeat(16)).await.err().map(|error| format!("{error:#}"));
    ensure!(invalid.as_ref().is_some_and(|it| it.contains(Code::EnrolCodeInvalid.as_str())), "{invalid:?}");
    let late = server.enrol_code(&person).await?;
    server.execute("UPDATE enrol_codes SET expires_ms = 1 WHERE device IS NULL").await?;
    let expired = Phone::enrol_with(&server, &late).await.err().map(|error| format!("{error:#}"));
    ensure!(expired.as_ref().is_some_and(|it| it.contains(Code::EnrolCodeExpired.as_str())), "{expired:?}");
    let reply = server.client()?.post("/v1/enrol", &json!({"code": "x"})).await?;
    ensure!(reply.code().as_deref() == Some(Code::EnrolMalformed.as_str()), "{}", reply.text());
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolment_code_is_good_once_for_one_key_and_ten_minutes() -> Result<()> {
    on_both(enrolment).await
}

pub(super) async fn later_district(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let district = server.add_district("later").await?;
    let person = ["person", "add", "--district", "later", "--name", "新人", "--role", "inspector"];
    let person = server.command_text(&person, "person").await?;
    let code = ["enrol-code", "--district", "later", "--person", &person];
    let code = server.command_text(&code, "code").await?;
    Phone::enrol_in(&server, &district, &code).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_enrols_in_a_district_that_was_added_while_the_server_runs() -> Result<()> {
    on_both(later_district).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_whose_name_has_a_nul_is_malformed_on_either_database() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let person = server.add_person("inspector").await?;
        let code = server.enrol_code(&person).await?;
        let named = Phone::enrol_named(&server, &code, "app\0/1").await.err();
        let named = named.map(|error| format!("{error:#}"));
        ensure!(named.as_ref().is_some_and(|it| it.contains(Code::EnrolMalformed.as_str())), "{named:?}");
        // The code is still good.
        Phone::enrol_with(&server, &code).await?;
    }
    Ok(())
}
