//! What `docs/protocol.md` says beyond its tables, and a client written from it must be able to rely on.
//!
//! What bad input gets is in [`super::bad_input`]; the Python client goes the page's way from end to end.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::{Client, SyncReply};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use fixtures::office::Office;
use serde_json::json;
use sync_protocol::cbor::{self, MapWriter, Raw};
use sync_protocol::codes::Code;
use sync_protocol::exchange::{Frame, Notice, RequestHeader, encode_request};
use sync_protocol::ids::{BundleHash, Head, Identity, PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::limits;
use sync_protocol::operation::Operation;
use sync_protocol::view::{State, View};

/// Operations of the server's own where one phone is enrolled.
const ENROLLED: u64 = 1;

/// Each route and path that is asked wrongly: method, path, status, code, and who reads the answer.
const ASKED_WRONGLY: [(&str, &str, u16, Code, &str); 10] = [
    ("GET", "/v1/sync", 405, Code::MethodNotAllowed, "application/cbor-seq"),
    ("PUT", "/v1/sync", 405, Code::MethodNotAllowed, "application/cbor-seq"),
    ("GET", "/v1/enrol", 405, Code::MethodNotAllowed, "application/cbor-seq"),
    ("POST", "/v1/receipts/00", 405, Code::MethodNotAllowed, "application/cbor-seq"),
    ("GET", "/v1/receipts", 404, Code::NotFound, "application/cbor-seq"),
    ("POST", "/v1/sync/again", 404, Code::NotFound, "application/cbor-seq"),
    ("GET", "/v1/nowhere", 404, Code::NotFound, "application/problem+json"),
    ("POST", "/v1/synchronise", 404, Code::NotFound, "application/problem+json"),
    ("GET", "/v1/enrol-codes", 405, Code::MethodNotAllowed, "application/problem+json"),
    ("POST", "/v1/totals", 405, Code::MethodNotAllowed, "application/problem+json"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_route_takes_is_answered_in_cbor_to_devices_and_in_json_to_the_office() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let client = server.client()?;
    for (method, path, status, code, content_type) in ASKED_WRONGLY {
        let reply = client.call(method, path, &json!({})).await?;
        ensure!(reply.status == status, "{method} {path}: {}", reply.status);
        ensure!(reply.content_type == content_type, "{method} {path}: {}", reply.content_type);
        ensure!(reply.code().as_deref() == Some(code.as_str()), "{method} {path}: {}", reply.text());
        let is_json = serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok();
        ensure!(is_json == (content_type == "application/problem+json"), "{method} {path}: {}", reply.text());
    }
    Ok(())
}

/// A header in which `areas` holds the progress alone, as long as no version came.
fn header_with_progress(phone: &Phone, progress: Option<&[u8]>) -> Vec<u8> {
    let header = RequestHeader { budget: Some(limits::BUDGET_MIN), ..phone.header() };
    let encoded = encode_request::<Vec<u8>>(&header, &[]);
    let Some(progress) = progress else { return encoded };
    let mut bytes = Vec::new();
    cbor::write_byte_string(&mut bytes, progress);
    let mut areas = MapWriter::new();
    areas.raw("progress", &bytes);
    let mut map = MapWriter::new();
    for (key, value) in sync_protocol::prepass::entries(&encoded).unwrap_or_default() {
        map.raw(key, value);
    }
    map.raw("areas", &areas.finish()).finish()
}

/// Records that leave: more than the smallest budget has room for.
const HERE: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_change_of_areas_that_is_cut_goes_on_from_its_progress_without_a_version() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (mut author, mut reader) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let bundle = author.reports(HERE);
        author.sync(&[bundle]).await?;
        while reader.sync::<Vec<u8>>(&[]).await?.end().is_some_and(|end| end.more) {}
        let office = Office::new(&server.url, &server.token)?;
        office.area(reader.person, &[[-10, -10, 10, 10]]).await?;
        let (mut leaves, mut cuts, mut progress) = (0, 0, None);
        let version = loop {
            let body = header_with_progress(&reader, progress.as_deref());
            let reply = reader.client.sync(body).await?;
            ensure!(reply.status == 200, "after {cuts} cuts: {:?}", reply.error());
            leaves += reply.frames.iter().filter(|frame| matches!(frame, Frame::Leave(_))).count();
            reader.keep(&reply);
            let whole = reply.frames.iter().find_map(|frame| match frame {
                Frame::Areas(version) => Some(*version),
                _ => None,
            });
            if let Some(version) = whole {
                break version;
            }
            let cursor = reply.cursor().context("no cursor")?;
            progress = Some(cursor.progress.clone().context("no progress within a change of areas")?);
            cuts += 1;
        };
        ensure!(version > 0 && cuts > 0, "version {version} after {cuts} cuts");
        ensure!(leaves == HERE, "{leaves} of {HERE} records left, each once");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_that_stands_twice_in_a_request_is_taken_once_and_answered_twice() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let good = phone.reports(2);
        let broken = [&good[..good.len() - 1], &[good.last().copied().unwrap_or(0) ^ 1]].concat();
        let reply = phone.sync(&[broken.clone(), good.clone(), good.clone(), broken.clone()]).await?;
        let receipts = reply.raw_receipts();
        ensure!(receipts.len() == 2 && receipts.first() == receipts.last(), "{receipts:?}");
        let refused: Vec<BundleHash> = reply.refused().iter().map(|refused| refused.bundle).collect();
        ensure!(refused == [BundleHash::of(&broken); 2], "{refused:?}");
        let checked = server.check().await?;
        ensure!(checked.get("received") == Some(&json!(ENROLLED + 2)), "{checked}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_device_of_the_district_reads_a_receipt_by_its_hash_and_none_of_another_does() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (mut author, colleague) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let bundle = author.reports(1);
        let receipts = author.sync(std::slice::from_ref(&bundle)).await?.raw_receipts();
        let receipt = receipts.first().context("no receipt")?;
        let name = BundleHash::of(&bundle).to_string();
        for path in [name.to_lowercase(), name.to_uppercase()] {
            let reply = colleague.client.get(&format!("/v1/receipts/{path}")).await?;
            ensure!(reply.status == 200 && reply.body == receipt.as_bytes(), "{path}: {}", reply.status);
            ensure!(reply.content_type == "application/cbor", "{}", reply.content_type);
        }
        let elsewhere = server.add_district("elsewhere").await?;
        let person = add_person_in(&server, "elsewhere").await?;
        let code = server
            .command_text(&["enrol-code", "--district", "elsewhere", "--person", &person], "code")
            .await?;
        let stranger = Phone::enrol_in(&server, &elsewhere, &code).await?;
        let reply = stranger.client.get(&format!("/v1/receipts/{name}")).await?;
        ensure!(reply.status == 404, "{}", reply.status);
    }
    Ok(())
}

async fn add_person_in(server: &Server, district: &str) -> Result<String> {
    let arguments = ["person", "add", "--district", district, "--name", "乙", "--role", "inspector"];
    server.command_text(&arguments, "person").await
}

/// The view of a record that came last in a reply.
fn view_in(reply: &SyncReply, record: RecordId) -> Result<View> {
    let item = reply.items().into_iter().rfind(|item| item.record == record).context("no such item")?;
    View::decode(item.view.as_bytes()).context("no view")
}

/// Pushes operations as one bundle of their own each, and gives the last reply.
async fn push(phone: &mut Phone, operations: &[Operation]) -> Result<SyncReply> {
    let bundles: Vec<Vec<u8>> =
        operations.iter().map(|operation| phone.seal(std::slice::from_ref(operation))).collect();
    phone.sync(&bundles).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_operation_that_names_heads_is_folded_as_having_seen_them() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let report = phone.report("general");
        let observed = phone.on(report.record, Kind::Observed, []).with("severity", &"critical");
        let stray = Identity::of(b"of another record").head();
        let report = report.after([head_of(&observed), stray]);
        let reply = push(&mut phone, &[observed.clone(), report.clone()]).await?;
        let view = view_in(&reply, report.record)?;
        ensure!(!view.is_provisional && view.state == State::Reported, "{view:?}");
        ensure!(view.heads == [head_of(&report)] && view.missing == [stray], "{view:?}");
        // It had seen the worse severity and said another: that one shows.
        ensure!(view.severity.as_deref() == Some("general"), "{view:?}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_signed_on_top_of_a_quarantined_operation_is_settled_by_an_act_that_names_both() -> Result<()>
{
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let report = phone.report("serious");
        let bad = phone.on(report.record, Kind::Observed, [head_of(&report)]).with("count", &-1);
        let early = phone.on(report.record, Kind::Rectified, [head_of(&bad)]);
        let reply = push(&mut phone, &[report.clone(), bad.clone(), early.clone()]).await?;
        let view = view_in(&reply, report.record)?;
        let mut heads = vec![head_of(&report), head_of(&early)];
        heads.sort_unstable();
        ensure!(view.state == State::Disputed && view.heads == heads, "{view:?}");
        ensure!(view.missing == [head_of(&bad)], "{view:?}");
        let mut later = phone.on(report.record, Kind::Rectified, view.heads);
        later.lacking = view.missing;
        let view = view_in(&push(&mut phone, std::slice::from_ref(&later)).await?, report.record)?;
        ensure!(view.state == State::Rectified && view.heads == [head_of(&later)], "{view:?}");
        ensure!(view.missing == [head_of(&bad)], "its name stays: {view:?}");
        server.check().await?;
    }
    Ok(())
}

/// Whom the notices of these phones tell of an operation.
async fn told(phone: &Phone, operation: Head) -> Result<Vec<PersonId>> {
    let reply = phone.client.sync(phone.request::<Vec<u8>>(&[])).await?;
    let notice = |frame: &Frame| match frame {
        Frame::Notice(Notice { operation: Some(of), person, .. }) if *of == operation => Some(*person),
        _ => None,
    };
    Ok(reply.frames.iter().filter_map(notice).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_quarantine_the_author_is_told_or_everybody_of_the_phone_where_that_is_not_known() -> Result<()>
{
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (mut shared, other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let second = server.add_person("inspector").await?;
        let code = server.enrol_code(&second).await?;
        shared.bind(&server, &code).await?;
        let second = PersonId(second.parse()?);
        let own = shared.report("general").with("count", &-1);
        let mut strangers = shared.report("general");
        strangers.author = other.person;
        let unreadable = b"\xff".to_vec();
        let bytes = vec![own.encode(), strangers.encode(), unreadable.clone()];
        let bundle = shared.seal_bytes(bytes);
        shared.sync(&[bundle]).await?;
        let mut everybody = vec![shared.person, second];
        everybody.sort_unstable();
        for (head, persons) in [
            (head_of(&own), vec![shared.person]),
            (head_of(&strangers), everybody.clone()),
            (Identity::of(&unreadable).head(), everybody),
        ] {
            let mut found = told(&shared, head).await?;
            found.sort_unstable();
            ensure!(found == persons, "{head}: {found:?} for {persons:?}");
            ensure!(told(&other, head).await?.is_empty(), "{head}: a stranger was told");
        }
    }
    Ok(())
}

/// A header with empty lists where the page says absent.
fn header_with_empty_lists(phone: &Phone) -> Vec<u8> {
    let encoded = encode_request::<Vec<u8>>(&phone.header(), &[]);
    let mut map = MapWriter::new();
    for (key, value) in sync_protocol::prepass::entries(&encoded).unwrap_or_default() {
        map.raw(key, value);
    }
    map.raw("acknowledged", &[0x80]).raw("collections", &[0x80]).finish()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_page_says_a_server_takes_is_taken() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let reply = phone.client.sync(header_with_empty_lists(&phone)).await?;
    ensure!(reply.status == 200 && reply.end().is_some(), "empty lists in a header: {reply:?}");
    // Another schema, and an id of another version.
    let mut later = phone.report("general");
    later.schema = 7;
    let mut random = phone.report("general");
    let id = uuid::Builder::from_random_bytes([9; 16]).into_uuid();
    (random.id.0, random.record.0) = (id, id);
    let bundle = phone.seal(&[later, random]);
    // Whatever the Content-Type says, the body is read.
    let body = phone.request(&[bundle]);
    let reply = phone.client.post_bytes("/v1/sync", body, &[("content-type", "text/plain")]).await?;
    ensure!(reply.status == 200 && reply.content_type == "application/cbor-seq", "{reply:?}");
    let checked = server.check().await?;
    ensure!(checked.pointer("/dispositions/applied") == Some(&json!(ENROLLED + 2)), "{checked}");
    // What was withdrawn is listed, and stays in effect.
    let report = phone.report("critical");
    let withdrawal = phone.on(report.record, Kind::Withdrawn, [head_of(&report)]);
    let withdrawal = withdrawal.with("withdraws", &Identity::of(&report.encode()));
    let view = view_in(&push(&mut phone, &[report.clone(), withdrawal]).await?, report.record)?;
    ensure!(view.withdrawn.contains(&head_of(&report)) && view.state == State::Reported, "{view:?}");
    ensure!(view.shown("severity").and_then(Raw::as_text) == Some("critical"), "{view:?}");
    repeated_enrolment(&server, &mut phone).await
}

/// The same key is given the same token, by a code as by its certificate.
async fn repeated_enrolment(server: &Server, phone: &mut Phone) -> Result<()> {
    let token = phone.token().to_owned();
    let client: Client = server.client_of("")?;
    phone.register_again(&client).await?;
    ensure!(phone.token() == token, "another token for the same key");
    Ok(())
}
