//! Trust belongs to a signer, and a code to one phone: what a hostile or careless carrier must not be able to do.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::district::{Fresh, Ledger, Team};
use firebreak_tests::phone::{MORNING_MS, Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::exchange::Frame;
use sync_protocol::ids::{Chain, Identity, OperationId, PersonId, PhotoHash, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Photo, Position, Stamp};
use uuid::Uuid;

/// Pushes a colleague's operation, signed by himself, before or after the colleague sends it.
async fn signed_by_another(backend: Backend, is_stolen_first: bool) -> Result<()> {
    let server = Server::start(backend).await?;
    let mut author = Phone::enrol(&server).await?;
    let mut carrier = Phone::enrol(&server).await?;
    let report = author.report("critical");
    let own = author.seal(std::slice::from_ref(&report));
    let stolen = carrier.seal_bytes(vec![report.encode()]);
    for is_stolen in [is_stolen_first, !is_stolen_first] {
        let reply = if is_stolen { carrier.sync(&[&stolen]).await? } else { author.sync(&[&own]).await? };
        ensure!(reply.receipts().len() == 1, "{reply:?}");
    }
    let checked = server.check().await?;
    let count = |path: &str| checked.pointer(path).and_then(serde_json::Value::as_u64);
    ensure!(
        count("/received").is_some() && count("/received") == count("/dispositions/applied"),
        "{checked}"
    );
    ensure!(count("/records") == Some(1) && count("/dispositions/quarantined") == Some(0), "{checked}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_another_signed_first_is_folded_when_its_own_signer_sends_it() -> Result<()> {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        signed_by_another(backend, true).await?;
        signed_by_another(backend, false).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_many_phones_use_at_once_enrols_one() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let person = server.add_person("inspector").await?;
    let code = server.enrol_code(&person).await?;
    let phones = futures::future::join_all((0..8).map(|_| Phone::enrol_with(&server, &code))).await;
    let enrolled = phones.iter().filter(|phone| phone.is_ok()).count();
    ensure!(enrolled == 1, "{enrolled} phones enrolled");
    let refused = phones.into_iter().filter_map(Result::err);
    for error in refused {
        let text = format!("{error:#}");
        ensure!(text.contains(Code::EnrolCodeUsed.as_str()), "{text}");
    }
    Ok(())
}

/// What happens to a district in a test of trust.
#[derive(Clone)]
enum Event {
    /// A run of a lane.
    Run(usize, (u64, Chain), Vec<Vec<u8>>),
    Revoke(usize, (u64, Chain)),
}

/// Every order of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let insert = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |at| insert(order, at))).collect()
}

fn chain(from: Chain, operations: &[Vec<u8>]) -> Chain {
    operations.iter().fold(from, |chain, bytes| chain.next(&Identity::of(bytes)))
}

fn report(number: u128, author: PersonId) -> Operation {
    let id = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + number);
    let stamp = Stamp { wall_ms: MORNING_MS, ..Stamp::default() };
    Operation::new(OperationId(id), RecordId(id), Kind::Reported, author, stamp).with("type", &"tree")
}

/// State hash, dispositions, what waits, and what the office counts.
async fn outcome(fresh: &Fresh) -> Result<(String, String, BTreeSet<String>, usize)> {
    let report = fresh.check().await?;
    let page = fresh.office.json("/v1/quarantine").await?;
    let waiting = page.pointer("/quarantine").and_then(Value::as_array).context("no list")?;
    let waiting = waiting.iter().map(|row| row["identity"].as_str().unwrap_or_default().to_owned()).collect();
    let hazards = fresh.office.json("/v1/hazards?type=all").await?;
    let hazards = hazards.pointer("/hazards").and_then(Value::as_array).context("no list")?.len();
    Ok((report.state_hash, format!("{} {:?}", report.records, report.dispositions), waiting, hazards))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_leaves_what_another_signer_vouches_for_in_any_order() -> Result<()> {
    let team = Team::new()?;
    // One phone's report, which a second phone of the same person signs too, and a report that nobody else signs.
    let shared = report(1, team.persons[0]).encode();
    let alone = report(2, team.persons[0]).encode();
    let again = report(3, team.persons[0]).encode();
    let (start, own) = (Chain::START, vec![again.clone(), shared.clone(), alone, again]);
    let trusted = chain(start, &own[..1]);
    let events = [
        Event::Run(0, (1, start), own[..1].to_vec()),
        Event::Run(0, (2, trusted), own[1..].to_vec()),
        Event::Run(1, (1, start), vec![shared]),
        Event::Revoke(0, (1, trusted)),
    ];
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let ledger = Ledger::open(&server).await?;
        let mut first = None;
        for (number, order) in orders(events.len()).into_iter().enumerate() {
            let fresh = ledger.district(&format!("o{number}"), &team).await?;
            fresh.bind(&team, 1, 0).await?;
            for index in &order {
                match events[*index].clone() {
                    Event::Run(lane, at, operations) => {
                        let bundle = fresh.seal(&team, lane, at, operations);
                        let reply = fresh.push(3, &[bundle]).await?;
                        ensure!(reply.receipts().len() == 1, "{order:?}: {reply:?}");
                    }
                    Event::Revoke(lane, at) => fresh.revoke(lane, at).await?,
                }
            }
            let got = outcome(&fresh).await.with_context(|| format!("{backend:?} {order:?}"))?;
            ensure!(got.2.len() == 1 && got.3 == 2, "{backend:?} {order:?}: {got:?}");
            let expected = first.get_or_insert_with(|| got.clone());
            ensure!(*expected == got, "{backend:?} {order:?}: {got:?}, not {expected:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_whose_every_operation_was_expelled_is_gone_and_its_holders_are_told() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let mut thief = Phone::enrol(&server).await?;
        let mut holder = Phone::enrol(&server).await?;
        let report = thief.report("critical");
        let bundle = thief.seal(std::slice::from_ref(&report));
        holder.sync(&[bundle]).await?;
        let start = Chain::START.to_string();
        let revoke = [
            "device",
            "revoke",
            "--device",
            &thief.device.to_string(),
            "--last-sequence",
            "0",
            "--last-chain",
            &start,
        ];
        server.command_text(&revoke, "status").await?;
        let hazards = office.json("/v1/hazards?type=all").await?;
        ensure!(hazards.pointer("/hazards") == Some(&json!([])), "{hazards}");
        let one = office.get(&format!("/v1/hazards/{}", report.record)).await?;
        ensure!(one.status == 404, "{}", one.text());
        let checked = server.check().await?;
        ensure!(checked["records"] == json!(0), "{checked}");
        let reply = holder.sync::<Vec<u8>>(&[]).await?;
        let left = reply.frames.iter().any(|frame| matches!(frame, Frame::Leave(id) if *id == report.record));
        ensure!(left && reply.items().is_empty(), "{reply:?}");
        // Who never held it hears nothing of it.
        let mut other = Phone::enrol(&server).await?;
        let reply = other.sync::<Vec<u8>>(&[]).await?;
        ensure!(!reply.frames.iter().any(|frame| matches!(frame, Frame::Leave(_))), "{reply:?}");
        // What comes to the record later finds nothing of it, and opens it again.
        let late = other.on(report.record, Kind::Commented, []).with("text", &"补记");
        let bundle = other.seal(&[late]);
        let reply = other.sync(&[bundle]).await?;
        ensure!(reply.items().len() == 1, "{reply:?}");
        ensure!(server.check().await?["records"] == json!(1));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_phone_that_registers_again_is_refused() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    server.command_text(&["device", "revoke", "--device", &phone.device.to_string()], "status").await?;
    let client = phone.client.clone();
    let again = phone.register_again(&client).await;
    let text = again.err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(text.contains("403") && text.contains(Code::DeviceRevoked.as_str()), "{text}");
    Ok(())
}

/// Two phones of one person that both signed one report with a photo, the stolen one first or last.
async fn signed_by_both(server: &Server, is_stolen_first: bool) -> Result<(String, Phone, Phone, Operation)> {
    let person = server.add_person("inspector").await?;
    let (mut stolen, mut kept) =
        (Phone::enrol_for(server, &person).await?, Phone::enrol_for(server, &person).await?);
    let mut report = stolen.report("general");
    report.photos = vec![Photo { role: "before".to_owned(), bytes: 9, sha256: PhotoHash([7; 32]) }];
    let bundles = (stolen.seal_bytes(vec![report.encode()]), kept.seal_bytes(vec![report.encode()]));
    for is_stolen in [is_stolen_first, !is_stolen_first] {
        let reply =
            if is_stolen { stolen.sync(&[&bundles.0]).await? } else { kept.sync(&[&bundles.1]).await? };
        ensure!(reply.receipts().len() == 1, "{reply:?}");
    }
    Ok((person, stolen, kept, report))
}

async fn revoke_whole(server: &Server, phone: &Phone) -> Result<()> {
    let (device, start) = (phone.device.to_string(), hex::encode([0; 32]));
    let revoke =
        ["device", "revoke", "--device", &device, "--last-sequence", "0", "--last-chain", start.as_str()];
    server.command_text(&revoke, "status").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_vouches_for_an_operation_of_a_revoked_phone_is_asked_for_its_photos() -> Result<()> {
    for is_stolen_first in [true, false] {
        let server = Server::start(Backend::Sqlite).await?;
        let (_, stolen, mut kept, report) = signed_by_both(&server, is_stolen_first).await?;
        revoke_whole(&server, &stolen).await?;
        let reply = kept.sync::<Vec<u8>>(&[]).await?;
        let wanted = reply.wanted_photos();
        let asked = report.photos.iter().all(|photo| wanted.contains(&photo.sha256));
        ensure!(asked, "stolen first {is_stolen_first}: {reply:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_before_its_author_left_stays_when_another_signer_is_revoked() -> Result<()> {
    for backend in Backend::ALL {
        for is_stolen_first in [true, false] {
            let server = Server::start(backend).await?;
            let (person, stolen, _kept, _) = signed_by_both(&server, is_stolen_first).await?;
            ensure!(server.command(&["person", "remove", "--person", &person]).await?.0, "not removed");
            revoke_whole(&server, &stolen).await?;
            let checked = server.check().await?;
            let count = |path: &str| checked.pointer(path).and_then(serde_json::Value::as_u64);
            ensure!(
                count("/records") == Some(1) && count("/dispositions/quarantined") == Some(0),
                "stolen first {is_stolen_first}: {checked}"
            );
        }
    }
    Ok(())
}

/// Revokes a phone up to this point, at the shell or by the route; the words of a refusal, none where it was revoked.
async fn revoke_at(
    server: &Server,
    phone: &Phone,
    at_the_shell: bool,
    (sequence, chain): (u64, Chain),
) -> Result<Option<String>> {
    let (device, chain) = (phone.device.to_string(), chain.to_string());
    if at_the_shell {
        let sequence = sequence.to_string();
        let revoke =
            ["device", "revoke", "--device", &device, "--last-sequence", &sequence, "--last-chain", &chain];
        return Ok(server.command(&revoke).await.err().map(|error| format!("{error:#}")));
    }
    let said = json!({ "sequence": sequence, "chain": chain });
    let reply = server.client()?.post(&format!("/v1/devices/{device}/revoke"), &said).await?;
    Ok((reply.status != 200).then(|| format!("{} {}", reply.status, reply.text())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_last_trusted_point_with_another_chain_than_the_one_held_there_revokes_nothing() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        for at_the_shell in [true, false] {
            let mut phone = Phone::enrol(&server).await?;
            let bundle = phone.reports(3);
            phone.sync(&[bundle]).await?;
            let before = server.check().await?;
            let held = phone.chain.to_string();
            for point in [(2, Chain([0; 32])), (3, Chain([9; 32])), (0, Chain([9; 32]))] {
                let refused = revoke_at(&server, &phone, at_the_shell, point).await?;
                let words = refused.with_context(|| format!("{backend:?}: {point:?} was revoked"))?;
                ensure!(words.contains(Code::BadParameter.as_str()), "{words}");
                ensure!(point.0 != 3 || words.contains(&held), "the chain that is held is not said: {words}");
            }
            let after = server.check().await?;
            ensure!(after["dispositions"] == before["dispositions"], "{after}, not {before}");
            ensure!(phone.sync::<Vec<u8>>(&[]).await?.status == 200, "its token has ended");
            // What has not come yet may be named, and all that chains up to it counts when it comes.
            let late = phone.reports(1);
            let point = (phone.sequence, phone.chain);
            let refused = revoke_at(&server, &phone, at_the_shell, point).await?;
            ensure!(refused.is_none(), "{backend:?}: {refused:?}");
            let mut carrier = Phone::enrol(&server).await?;
            carrier.sync(&[late]).await?;
            let waiting = server.client()?.json("/v1/quarantine").await?;
            ensure!(waiting["quarantine"] == json!([]), "{backend:?}: {waiting}");
        }
    }
    Ok(())
}

/// What nobody is to find in a log.
const SENTINEL: &str = "哨兵毛竹七百四十一";
const SENTINEL_LAT_E7: i64 = 287_654_321;
const SENTINEL_LON_E7: i64 = 1_029_876_543;

/// What a line of a log says, without when it was said and how long something took: such numbers may be any.
fn said(line: &str) -> String {
    let is_time = |(when, _): &(&str, &str)| when.parse::<jiff::Timestamp>().is_ok();
    let words = line.split_once(' ').filter(is_time).map_or(line, |(_when, words)| words);
    let is_duration = |word: &&str| word.starts_with("elapsed=") || word.starts_with("elapsed_secs=");
    words.split(' ').filter(|word| !is_duration(word)).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_what_was_decided_and_nothing_of_what_was_recorded() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_LOG", "debug")]).await?;
        let office = server.client()?;
        let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let position = Position { lat_e7: SENTINEL_LAT_E7, lon_e7: SENTINEL_LON_E7, ..Position::default() };
        let report = one.report("serious").with("description", &SENTINEL).with("position", &position);
        let mine = one.on(report.record, Kind::Corrected, [head_of(&report)]).with("township", &SENTINEL);
        let wrong = one.on(report.record, Kind::Observed, [head_of(&report)]).with("tree_height_dm", &-5);
        let wrong = wrong.with("tree_species", &SENTINEL);
        let quarantined = Identity::of(&wrong.encode());
        let bundle = one.seal(&[report.clone(), mine, wrong]);
        one.sync(&[bundle]).await?;
        let theirs = other.on(report.record, Kind::Corrected, [head_of(&report)]).with("township", &"别处");
        let bundle = other.seal(&[theirs]);
        other.sync(&[bundle]).await?;
        let conflicts = office.json("/v1/conflicts").await?;
        let conflict = conflicts.pointer("/conflicts/0/id").and_then(Value::as_str).context("no conflict")?;
        for (path, said) in [
            (format!("/v1/conflicts/{conflict}/resolve"), json!({ "value": SENTINEL })),
            (format!("/v1/quarantine/{quarantined}/release"), json!({})),
            (format!("/v1/devices/{}/lose", one.device), json!({})),
            (format!("/v1/devices/{}/revoke", other.device), json!({ "sequence": 0 })),
        ] {
            office.post(&path, &said).await?.json(&path)?;
        }
        let log = server.log_text();
        let (one, other, record) = (one.device, other.device, report.record);
        for line in [
            format!("operation {quarantined} of device {one} is quarantined: field-range"),
            format!("quarantined operation {quarantined} is released, by operation "),
            format!("a conflict of record {record} is answered by operation "),
            format!("device {one} is given up for lost"),
            format!("device {other} is revoked"),
            format!(" of device {other} is quarantined: after-revocation"),
        ] {
            ensure!(log.contains(&line), "{backend:?}: not in the log: {line}\n{log}");
        }
        ensure!(log.contains("DEBUG"), "nothing of a debug log is there");
        for secret in [SENTINEL, "别处", "测试员", "287654321", "28.7654", "1029876543", "102.9876"] {
            let found = log.lines().map(said).find(|line| line.contains(secret));
            ensure!(found.is_none(), "{backend:?}: {secret} is in the log: {found:?}");
        }
    }
    Ok(())
}
