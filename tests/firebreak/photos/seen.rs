//! Who sees a photo, in which form, and which ones the server waits for.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};
use sync_protocol::limits::PHOTO_CHUNK_BYTES;

use super::{File, report};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_original_is_sealed_and_attached_and_a_thumbnail_is_ours() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let file = File::new(1, 300_000);
    report(&mut phone, &[file.named("before")]).await?;
    file.upload(&phone.client).await?;
    let office = server.client()?;
    let (reply, headers) = office.send("GET", &file.path(), &[], Vec::new()).await?;
    let header = |name: &str| headers.get(name).map(String::as_str);
    assert_eq!((reply.status, reply.body == file.bytes), (200, true));
    assert_eq!(header("content-type"), Some("image/jpeg"));
    assert_eq!(header("x-content-type-options"), Some("nosniff"));
    ensure!(header("content-disposition").is_some_and(|text| text.starts_with("attachment;")));
    ensure!(header("content-security-policy").is_some_and(|text| text.contains("sandbox")));
    for _made_and_kept in 0..2 {
        let small = format!("{}?thumbnail=160", file.path());
        let (reply, headers) = office.send("GET", &small, &[], Vec::new()).await?;
        assert_eq!((reply.status, reply.content_type.as_str()), (200, "image/jpeg"), "{}", reply.text());
        assert_eq!(headers.get("content-disposition").map(String::as_str), Some("inline"));
        assert_eq!(headers.get("x-content-type-options").map(String::as_str), Some("nosniff"));
        ensure!(reply.body.len() < 20_000 && reply.body.starts_with(&[0xff, 0xd8, 0xff]));
    }
    let odd = office.get(&format!("{}?thumbnail=161", file.path())).await?;
    assert_eq!((odd.status, odd.code().as_deref()), (400, Some("bad-parameter")));
    // HEIF is kept and given, and no thumbnail is made of it.
    let mut heif = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
    heif.resize(1_000, 7);
    let heif = File::of(heif);
    report(&mut phone, &[heif.named("before")]).await?;
    assert_eq!(heif.put(&phone.client).await?.0.status, 204);
    assert_eq!(office.get(&heif.path()).await?.content_type, "image/heif");
    let small = office.get(&format!("{}?thumbnail=160", heif.path())).await?;
    assert_eq!((small.status, small.code().as_deref()), (415, Some("photo-no-thumbnail")));
    // Giving an original away is noted.
    let noted = office.json("/v1/audit").await?;
    let rows = noted["rows"].as_array().context("no rows")?;
    let exports = rows.iter().filter(|row| row["action"] == "export.photo").count();
    assert_eq!(exports, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_of_another_district_gives_nothing() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let file = File::new(3, 50_000);
        report(&mut phone, &[file.named("before")]).await?;
        file.upload(&phone.client).await?;
        server.add_district("other").await?;
        let of_other = |command: [&'static str; 2]| {
            let person = ["--name", "外人", "--role", "admin"];
            [&command[..], &["--district", "other"], if command[0] == "person" { &person } else { &[] }]
                .concat()
        };
        let person = server.command_text(&of_other(["person", "add"]), "person").await?;
        let token = ["token", "create", "--district", "other", "--person", &person];
        let stranger = server.client_of(&server.command_text(&token, "token").await?)?;
        let unknown = File::new(4, 50_000);
        for thumbnail in ["", "?thumbnail=160"] {
            let known = stranger.get(&format!("{}{thumbnail}", file.path())).await?;
            let never = stranger.get(&format!("{}{thumbnail}", unknown.path())).await?;
            assert_eq!((known.status, known.text()), (404, never.text()), "the same answer");
        }
        // Nor does it save the stranger the upload: how far it is there is nobody's business.
        let at = file.head(&stranger).await?;
        assert_eq!((at.offset, at.complete), (0, false));
        assert_eq!(at, file.head(&stranger).await?);
        ensure!(file.put(&stranger).await?.1.complete, "it may have a photo of its own with the same bytes");
        assert_eq!(stranger.get(&file.path()).await?.status, 404, "which no record of it names");
        // A phone is shown no photo.
        assert_eq!(phone.client.get(&file.path()).await?.status, 401);
        ensure!(!DISTRICT.is_empty());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_office_sees_which_photos_wait_from_whom_and_since_when() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let files: Vec<File> = (20..25).map(|seed| File::new(seed, 5_000)).collect();
        let photos: Vec<_> = files.iter().map(|file| file.named("before")).collect();
        let record = report(&mut phone, &photos).await?;
        let office = server.client()?;
        let mut seen = Vec::new();
        let mut path = "/v1/photos?outstanding=true&limit=2".to_owned();
        loop {
            let page = office.json(&path).await?;
            seen.extend(page["photos"].as_array().context("no photos")?.clone());
            match page["next"].as_str() {
                Some(next) => path = format!("/v1/photos?outstanding=true&limit=2&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), 5);
        for row in &seen {
            assert_eq!(row["record"], record.to_string());
            assert_eq!(row["device"], phone.device.to_string());
            assert_eq!(row["persons"][0]["id"], phone.person.to_string());
            ensure!(row["since_ms"].as_i64().is_some_and(|since| since > 1_700_000_000_000), "{row}");
        }
        for file in &files {
            file.put(&phone.client).await?;
        }
        let none = office.json("/v1/photos?outstanding=true").await?;
        assert_eq!((none["photos"].as_array().map(Vec::len), &none["next"]), (Some(0), &Value::Null));
        assert_eq!(office.get("/v1/photos?outstanding=false").await?.status, 400);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_units_people_see_photos_of_their_own_hazards_and_know_of_no_others() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let office = server.client()?;
        let unit = json!({"name": "我们单位", "kind": "responsible"});
        let unit = office.post("/v1/units", &unit).await?.json("unit")?["unit"].clone();
        let person = json!({"name": "甲", "roles": ["unit"], "unit": unit});
        let person = office.post("/v1/people", &person).await?.json("person")?["person"].clone();
        let ours = server.client_of(&server.create_token(person.as_str().context("no person")?).await?)?;
        let whole = 2 * PHOTO_CHUNK_BYTES + 5;
        let [own, others, begun, unknown] = [81, 82, 83, 84].map(|seed| File::new(seed, whole));
        let record = report(&mut phone, &[own.named("before")]).await?;
        report(&mut phone, &[others.named("before"), begun.named("site")]).await?;
        for file in [&own, &others] {
            file.upload(&phone.client).await?;
        }
        begun.patch(&phone.client, 0..PHOTO_CHUNK_BYTES).await?;
        // Until it is theirs, they know of none of them.
        assert_eq!(ours.get(&own.path()).await?.status, 404);
        let commands = format!("/v1/hazards/{record}/commands");
        let grade = json!({"fields": {"severity": "serious"}});
        office.post(&format!("{commands}/grade"), &grade).await?.json("grade")?;
        let order = json!({"fields": {"responsible_unit": "我们单位", "responsible_unit_id": unit, "measures": "伐除"}});
        office.post(&format!("{commands}/order"), &order).await?.json("order")?;
        let seen = ours.get(&own.path()).await?;
        assert_eq!((seen.status, seen.body == own.bytes), (200, true));
        assert_eq!(ours.get(&format!("{}?thumbnail=160", own.path())).await?.status, 200);
        ensure!(own.head(&ours).await?.complete);
        // Of everything else, what they are told is what they are told of nothing.
        for file in [&others, &begun] {
            for form in ["", "?thumbnail=160"] {
                let hidden = ours.get(&format!("{}{form}", file.path())).await?;
                let absent = ours.get(&format!("{}{form}", unknown.path())).await?;
                assert_eq!((hidden.status, hidden.text()), (404, absent.text()), "{backend:?}");
            }
            assert_eq!(file.head(&ours).await?, unknown.head(&ours).await?);
            let (reply, at) = file.patch(&ours, 5..10).await?;
            assert_eq!((reply.status, at.offset), (409, 0), "{}", reply.text());
            let (reply, at) = file.patch(&ours, 0..10).await?;
            assert_eq!((reply.status, at.offset, at.complete), (204, 10, false), "{}", reply.text());
        }
        // What they upload wrongly touches nobody else's upload.
        let mut wrong = begun.clone();
        *wrong.bytes.get_mut(whole - 1).context("its last byte")? ^= 1;
        let (reply, _) = wrong.patch(&ours, 10..whole).await?;
        assert_eq!(reply.code().as_deref(), Some("photo-hash-wrong"));
        assert_eq!(begun.head(&ours).await?.offset, 0);
        assert_eq!(begun.upload(&phone.client).await?, whole - PHOTO_CHUNK_BYTES, "{backend:?}");
        // Who has all of its bytes may bring them; no more is told for it.
        let (reply, at) = others.patch(&ours, 10..whole).await?;
        assert_eq!((reply.status, at.complete), (204, true), "{}", reply.text());
        assert_eq!(ours.get(&others.path()).await?.status, 404);
        // Their own evidence, before any hazard names it.
        ensure!(unknown.upload(&ours).await? == whole && unknown.head(&ours).await?.complete);
        server.check().await?;
    }
    Ok(())
}
