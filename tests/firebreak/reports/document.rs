//! The document opens in an office suite and says in Chinese what the report says.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::office_suite;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use tempfile::TempDir;

use super::NOVEMBER;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_opens_in_libreoffice_and_says_what_the_report_says() -> Result<()> {
    if !office_suite::is_there() {
        eprintln!(
            "SKIPPED the_document_opens_in_libreoffice…: soffice is not installed (scripts/setup test)"
        );
        return Ok(());
    }
    let server = Server::start(Backend::Sqlite).await?;
    let folder = TempDir::with_prefix("firebreak-docx")?;
    let document = folder.path().join("report.docx");
    let out = document.to_str().context("path")?;
    let days = ["--from", "2026-11-01", "--to", "2026-11-30"];
    let mut arguments = vec!["report", "--district", DISTRICT, "--format", "docx", "--out", out];
    arguments.extend(days);
    let (done, said) = server.command(&arguments).await?;
    ensure!(done && said["bytes"].as_u64().is_some_and(|bytes| bytes > 1_000), "{said}");
    let text = office_suite::text_of(&document, folder.path())?;
    let report = server.client()?.json(&format!("/v1/reports/work?{NOVEMBER}")).await?;
    for wanted in [
        "测试林区电力线路森林防灭火工作报告",
        "草稿（未签发）",
        report["sentence_zh"].as_str().context("no sentence")?,
        report["sentence_en"].as_str().context("no sentence")?,
        "一二次融合柱上断路器",
        "消缺核对",
    ] {
        ensure!(text.contains(wanted), "the document lacks {wanted}:\n{text}");
    }
    Ok(())
}
