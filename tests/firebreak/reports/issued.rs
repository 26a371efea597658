//! A known month in the sentence, word for word; drafts that follow the ledger; issued reports that do not.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::{MORNING_MS, Phone};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};

use super::{NOVEMBER, draft, enter, figure, import_line, month};

/// The whole line is six spans of 482.5 m; three of them were felled, one was cleared.
const SENTENCE_HEAD: &str = "共排查出隐患 2 处，其中 1 处本体隐患、1 处通道隐患，累计排查线路 1 条共 2.89 公里、累计完成通道砍伐 1.45 公里、\
     通道易燃物清理 0.48 公里，";
const SENTENCE_TAIL: &str = "。实施森林防灭火绝缘化改造项目 1 个，更换绝缘线路 0.50 公里，安装小电流接地选线系统 2 套，\
     安装一二次融合柱上断路器 3 套。对森林防灭火督导检查共计 1 次，发现和督促整改隐患 1 个。开展了 1 处电力线路迁改、2 处通讯线路迁改、\
     1 处天然气迁改。农网升级改造项目 1 个 123.45 万元。新建 110 kV 变电站 1 个。";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sentence_of_a_known_month_is_said_word_for_word() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        import_line(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        let hazards = month(&server, &mut phone).await?;
        let office = server.client()?;
        let open = draft(&office).await?;
        let against = "尚未完成全部隐患消缺（未销号 3 处，其中销号存疑 0 处、报告缺失 0 处、待补 0 处；隔离待审记录 0 条；\
                       有记录未上传的设备 0 台、期后尚未联系的设备 0 台）";
        assert_eq!(open["sentence_zh"], format!("{SENTENCE_HEAD}{against}{SENTENCE_TAIL}"), "{backend:?}");
        assert_eq!(open["eliminated"], false);
        // Void ones are out of the count, and nothing is open any more.
        for hazard in &hazards {
            let act = json!({"fields": {"reason": "测试"}});
            let reply = office.post(&format!("/v1/hazards/{hazard}/commands/void"), &act).await?;
            ensure!(reply.status == 200, "{}", reply.text());
        }
        let done = draft(&office).await?;
        let sentence = done["sentence_zh"].as_str().context("no sentence")?;
        ensure!(
            sentence.starts_with("共排查出隐患 0 处") && sentence.contains("，已完成全部隐患消缺。"),
            "{sentence}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_holds_back_what_it_recorded_stands_against_the_claim() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let office = server.client()?;
    assert_eq!(draft(&office).await?["eliminated"], true, "nothing was found");
    let _held_back = phone.reports(1);
    let sent = phone.reports(1);
    phone.sync(&[sent]).await?;
    let report = draft(&office).await?;
    let sentence = report["sentence_zh"].as_str().context("no sentence")?;
    ensure!(sentence.contains("有记录未上传的设备 1 台") && report["eliminated"] == false, "{sentence}");
    Ok(())
}

async fn files(office: &Client, number: &str) -> Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    for format in ["text", "json", "html", "docx"] {
        let reply = office.get(&format!("/v1/reports/{number}?format={format}")).await?;
        ensure!(reply.status == 200, "{}", reply.text());
        files.push(reply.body);
    }
    Ok(files)
}

async fn issue(office: &Client) -> Result<Value> {
    let days = json!({"from": "2026-11-01", "to": "2026-11-30"});
    office.post("/v1/reports/work", &days).await?.json("issue")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issued_report_stays_byte_for_byte_and_lists_what_came_late() -> Result<()> {
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        import_line(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        month(&server, &mut phone).await?;
        let office = server.client()?;
        let first = issue(&office).await?;
        let number = first["number"].as_str().context("no number")?.to_owned();
        ensure!(number.starts_with(&format!("{DISTRICT}-")) && number.ends_with("-001"), "{number}");
        assert_eq!(
            issue(&office).await?["number"],
            number.as_str(),
            "nothing changed since: the same report"
        );
        let before = files(&office, &number).await?;
        // An hour late, and a month later: only the first is of the report's days.
        let late = phone.report("serious").with("found_at_ms", &MORNING_MS);
        let elsewhere = phone.report("serious").with("found_at_ms", &(MORNING_MS - 40 * 86_400_000));
        let bundle = phone.seal(&[late.clone(), elsewhere]);
        phone.sync(&[bundle]).await?;
        let work = json!({"work_type": "pole_breaker", "completed_at_ms": MORNING_MS});
        let work = enter(&office, "/v1/works", work).await?;
        assert_eq!(files(&office, &number).await?, before, "{backend:?}");
        let told = office.json(&format!("/v1/reports/{number}/late")).await?;
        let mut ids: Vec<&str> =
            told["rows"].as_array().context("rows")?.iter().filter_map(|row| row["id"].as_str()).collect();
        ids.sort_unstable();
        let mut expected = [late.record.to_string(), work];
        expected.sort_unstable();
        assert_eq!((told["count"].clone(), ids), (json!(2), expected.iter().map(String::as_str).collect()));
        let next = draft(&office).await?;
        assert_eq!(next["late"], json!([{"number": number, "count": 2}]));
        assert_eq!(figure(&next, "hazards")?, 3);
        let second = issue(&office).await?;
        assert!(second["number"].as_str().is_some_and(|number| number.ends_with("-002")), "{second}");
        server.stop().await?;
        server.resume().await?;
        let office = server.client()?;
        assert_eq!(files(&office, &number).await?, before, "after a restart");
        let listed = office.json("/v1/reports?limit=1").await?;
        assert_eq!(listed["reports"][0]["number"], second["number"]);
        let cursor = listed["next"].as_str().context("there is another")?;
        let listed = office.json(&format!("/v1/reports?limit=1&cursor={cursor}")).await?;
        assert_eq!(
            (listed["reports"][0]["number"].as_str(), listed["next"].as_str()),
            (Some(&*number), None)
        );
        assert_eq!(listed["reports"][0]["late"], 2);
        let page = office.get(&format!("/reports?{NOVEMBER}")).await?;
        ensure!(
            page.status == 200 && page.text().contains(&number) && page.text().contains("2 条"),
            "{}",
            page.text()
        );
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_period_and_what_was_never_issued_are_refused() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    for (path, status, code) in [
        ("/v1/reports/work", 400, "bad-parameter"),
        ("/v1/reports/work?from=2026-11-02&to=2026-11-01", 400, "bad-parameter"),
        ("/v1/reports/work?from=2026-11-02&to=2036-12-01", 400, "bad-parameter"),
        ("/v1/reports/work?from=2026-02-29&to=2026-11-01", 400, "bad-parameter"),
        ("/v1/reports/work?from=2026-11-01&to=2026-11-02&format=pdf", 400, "bad-parameter"),
        ("/v1/reports/test-2026-001", 404, "not-found"),
        ("/v1/reports/test-2026-001/late", 404, "not-found"),
    ] {
        let reply = office.get(path).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (status, Some(code)), "{path}");
    }
    Ok(())
}

/// A text that names a person, written where a township belongs.
const SECRET: &str = "王老五家屋后";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redacted_text_is_blanked_in_issued_reports_and_the_hash_of_what_they_were_stays() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let report = phone.report("general").with("found_at_ms", &MORNING_MS).with("township", &SECRET);
        let other = phone.report("general").with("found_at_ms", &MORNING_MS).with("township", &"青杠镇");
        let bundle = phone.seal(&[report.clone(), other]);
        phone.sync(&[bundle]).await?;
        let office = server.client()?;
        let days = json!({"from": "2026-11-01", "to": "2026-11-30"});
        let issued = office.post("/v1/reports/work", &days).await?.json("issue")?;
        assert_eq!(issued["redacted"], json!([]));
        let number = issued["number"].as_str().context("no number")?;
        let forms = ["docx", "html", "json", "text"];
        let files = async || -> Result<Vec<Vec<u8>>> {
            let mut files = Vec::new();
            for form in forms {
                files.push(office.get(&format!("/v1/reports/{number}?format={form}")).await?.body);
            }
            Ok(files)
        };
        let before = files().await?;
        let shows = |files: &[Vec<u8>]| {
            files.iter().filter(|file| String::from_utf8_lossy(file).contains(SECRET)).count()
        };
        assert_eq!(shows(&before), forms.len());
        let identity = sync_protocol::ids::Identity::of(&report.encode()).to_string();
        let redact = json!({"fields": {"operation": identity, "field": "township", "reason": "当事人要求"}});
        let path = format!("/v1/hazards/{}/commands/redact", report.record);
        office.post(&path, &redact).await?.json("redact")?;

        let after = files().await?;
        assert_eq!(shows(&after), 0, "{backend:?}");
        let blanked: Value = serde_json::from_slice(&after[2])?;
        let original: Value = serde_json::from_slice(&before[2])?;
        assert_eq!(blanked["figures"], original["figures"], "figures stay as they were counted");
        let townships = |report: &Value| -> Vec<String> {
            let rows = report["townships"].as_array().into_iter().flatten();
            rows.filter_map(|row| row["township"].as_str().map(str::to_owned)).collect()
        };
        let names = townships(&blanked);
        ensure!(
            names.contains(&"〔已脱敏〕".to_owned()) && names.contains(&"青杠镇".to_owned()),
            "{names:?}"
        );
        let listed = office.json("/v1/reports").await?;
        let redacted = listed["reports"][0]["redacted"].as_array().context("no list")?;
        let hash = |file: &Vec<u8>| json!(hex::encode(sync_protocol::ids::sha256(file)));
        for ((row, form), (was, is)) in redacted.iter().zip(forms).zip(before.iter().zip(&after)) {
            assert_eq!(row["format"], form);
            assert_eq!((&row["original_sha256"], &row["sha256"]), (&hash(was), &hash(is)), "{form}");
        }
        assert_eq!(redacted.len(), forms.len());
        ensure!(office.get("/reports").await?.text().contains("已脱敏"));
        let log = office.json("/v1/audit").await?;
        let rows = log["rows"].as_array().context("no rows")?;
        let noted: Vec<&Value> = rows.iter().filter(|row| row["action"] == "report.redact").collect();
        assert_eq!(noted.len(), 1);
        assert_eq!(
            (&noted[0]["object"], &noted[0]["detail"]["sha256_before"]["json"]),
            (&json!(number), &hash(&before[2]))
        );
        ensure!(!log.to_string().contains(SECRET));
        // A report that does not repeat it is left alone, byte for byte.
        let other_days = json!({"from": "2026-10-01", "to": "2026-10-31"});
        let untouched = office.post("/v1/reports/work", &other_days).await?.json("issue")?;
        assert_eq!(untouched["redacted"], json!([]));
        server.check().await?;
    }
    Ok(())
}
