//! Law 5: nothing is lost silently. Every value is kept, a conflict waits, and the overridden are told, on whichever
//! of their phones, wherever their areas are, until they have seen it.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::exchange::{Frame, Notice, encode_request};
use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;

/// Notices in the next reply to a phone.
async fn told(phone: &Phone, seen: &[&Notice]) -> Result<Vec<Notice>> {
    let mut header = phone.header();
    header.acknowledged = seen.iter().map(|notice| notice.id).collect();
    let reply = phone.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
    let notice = |frame: &Frame| match frame {
        Frame::Notice(notice) => Some(notice.clone()),
        _ => None,
    };
    Ok(reply.frames.iter().filter_map(notice).collect())
}

fn of<'a>(notices: &'a [Notice], record: RecordId, field: &str, code: Code) -> Option<&'a Notice> {
    notices.iter().find(|notice| {
        notice.record == Some(record)
            && notice.field.as_deref() == Some(field)
            && notice.code == code.as_str()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_overridden_is_told_on_any_phone_until_it_is_acknowledged_and_can_be_restored() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let person = server.add_person("inspector").await?;
        let mut author = Phone::enrol_for(&server, &person).await?;
        let second = Phone::enrol_for(&server, &person).await?;
        let mut other = Phone::enrol(&server).await?;
        // Far from anything that is reported: notices ignore areas.
        let office = fixtures::office::Office::new(&server.url, &server.token)?;
        office.area(author.person, &[[-10, -10, 10, 10]]).await?;
        let report = author.report("general");
        let bundle = author.seal(std::slice::from_ref(&report));
        author.sync(&[bundle]).await?;
        let head = head_of(&report);
        let mine = author.on(report.record, Kind::Observed, [head]);
        let mine = mine.with("severity", &"general").with("description", &"甲");
        let theirs = other.on(report.record, Kind::Observed, [head]);
        let theirs = theirs.with("severity", &"critical").with("description", &"乙");
        for (phone, operation) in [(&mut author, mine.clone()), (&mut other, theirs.clone())] {
            let bundle = phone.seal(&[operation]);
            phone.sync(&[bundle]).await?;
        }
        // By a rule: the worse severity shows. By no rule: both wait.
        for phone in [&author, &second] {
            for _ in 0..2 {
                let notices = told(phone, &[]).await?;
                let overridden = of(&notices, report.record, "severity", Code::NoticeOverridden);
                let overridden = overridden.with_context(|| format!("not told: {notices:?}"))?;
                let texts = [&overridden.yours, &overridden.shown]
                    .map(|raw| raw.as_ref().and_then(|raw| raw.as_text()).map(str::to_owned));
                ensure!(texts == [Some("general".to_owned()), Some("critical".to_owned())], "{overridden:?}");
                let conflict = of(&notices, report.record, "description", Code::NoticeConflict);
                ensure!(conflict.is_some_and(|it| it.operation == Some(head_of(&mine))), "{notices:?}");
            }
        }
        let others = told(&other, &[]).await?;
        ensure!(of(&others, report.record, "description", Code::NoticeConflict).is_some(), "{others:?}");
        ensure!(of(&others, report.record, "severity", Code::NoticeOverridden).is_none(), "{others:?}");
        // Seen on one phone is seen on both; the other person's is not touched.
        let notices = told(&author, &[]).await?;
        let seen: Vec<&Notice> = notices.iter().collect();
        ensure!(told(&author, &seen).await?.is_empty() && told(&second, &[]).await?.is_empty());
        ensure!(!told(&other, &[]).await?.is_empty());
        // Nobody can acknowledge another's.
        let others = told(&other, &[]).await?;
        told(&author, &others.iter().collect::<Vec<_>>()).await?;
        ensure!(told(&other, &[]).await?.len() == others.len(), "another acknowledged it");
        // A named person settles it, and both are told.
        let conflicts = server.client()?.json("/v1/conflicts").await?;
        let id = conflicts.pointer("/conflicts/0/id").and_then(|id| id.as_str()).context("no conflict")?;
        let resolve = format!("/v1/conflicts/{id}/resolve");
        let reply = server.client()?.post(&resolve, &json!({"value": "甲"})).await?;
        ensure!(reply.status == 200, "{}", reply.text());
        for phone in [&second, &other] {
            let notices = told(phone, &[]).await?;
            let settled = of(&notices, report.record, "description", Code::NoticeSettled);
            ensure!(settled.is_some(), "{notices:?}");
        }
        let again = server.client()?.post(&resolve, &json!({"value": "乙"})).await?;
        ensure!(again.status == 409 && again.code().as_deref() == Some(Code::ConflictClosed.as_str()));
        // A later value that had not seen the decision opens it again.
        let late = other.on(report.record, Kind::Corrected, [head]).with("description", &"丙");
        let bundle = other.seal(&[late]);
        other.sync(&[bundle]).await?;
        let conflicts = server.client()?.json("/v1/conflicts").await?;
        ensure!(conflicts.pointer("/conflicts/0/id").is_some(), "a later value does not reopen it");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_words_for_another_event_are_told_again() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (mut author, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let report = author.report("general");
        let bundle = author.seal(std::slice::from_ref(&report));
        author.sync(&[bundle]).await?;
        let head = head_of(&report);
        let mine = author.on(report.record, Kind::Observed, [head]).with("severity", &"general");
        let bundle = author.seal(std::slice::from_ref(&mine));
        author.sync(&[bundle]).await?;
        // Worse, less bad, and as bad as before: the third time says the words of the first.
        let (mut seen, mut last): (Vec<Notice>, _) = (Vec::new(), head);
        for severity in ["critical", "serious", "critical"] {
            let theirs = other.on(report.record, Kind::Observed, [last]).with("severity", &severity);
            last = head_of(&theirs);
            let bundle = other.seal(&[theirs]);
            other.sync(&[bundle]).await?;
            let notices = told(&author, &seen.iter().collect::<Vec<_>>()).await?;
            let overridden = of(&notices, report.record, "severity", Code::NoticeOverridden);
            let overridden = overridden.with_context(|| format!("{backend:?} {severity}: {notices:?}"))?;
            let shown = overridden.shown.as_ref().and_then(|raw| raw.as_text());
            ensure!(shown == Some(severity) && notices.len() == 1, "{backend:?} {severity}: {notices:?}");
            ensure!(told(&author, &[]).await? == notices, "one event is told as two");
            seen.extend(notices);
        }
        // The same operation again is no event.
        let bundle = author.seal(&[mine]);
        author.sync(&[bundle]).await?;
        ensure!(told(&author, &seen.iter().collect::<Vec<_>>()).await?.is_empty());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_of_one_reply_are_bounded_and_all_of_them_come() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (mut author, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let report = author.report("general");
        let head = head_of(&report);
        let bundle = author.seal(std::slice::from_ref(&report));
        author.sync(&[bundle]).await?;
        // Each is told of twelve fields, ten kilobytes each way.
        for (phone, letter) in [(&mut author, "甲"), (&mut other, "乙")] {
            let mut all = Vec::new();
            for nth in 0..40 {
                let texts = vec![letter.repeat(1_300); 3];
                let field = format!("of_tomorrow_{nth}");
                all.push(phone.on(report.record, Kind::Corrected, [head]).with(&field, &texts));
            }
            let bundle = phone.seal(&all);
            phone.sync(&[bundle]).await?;
        }
        let (mut seen, mut replies): (Vec<Notice>, _) = (Vec::new(), 0);
        loop {
            let notices = told(&author, &seen.iter().collect::<Vec<_>>()).await?;
            let bytes: usize = notices.iter().map(|notice| notice.encode().len()).sum();
            ensure!(bytes <= 320 << 10, "{bytes} bytes of notices in a reply");
            if notices.is_empty() {
                break;
            }
            replies += 1;
            seen.extend(notices);
        }
        ensure!(seen.len() == 40 && replies > 1, "{} notices in {replies} replies", seen.len());
    }
    Ok(())
}
