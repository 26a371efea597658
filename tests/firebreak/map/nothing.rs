//! Files that no hazard is in: readers open them and see no feature, and they say what they are of.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use firebreak::exports::Format;
use firebreak::exports::about::COUNTING;
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::python;
use firebreak_tests::server::{Backend, Server};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// A filter that none of the reports meets.
const NOTHING: &str = "category=fire_sighting";

/// Features that Debian's GDAL counts; none where it is not installed.
async fn by_ogrinfo(opened: &str, layer: &str) -> Result<Option<u64>> {
    let run = Command::new("ogrinfo").args(["-so", opened, layer]).stdin(Stdio::null()).output().await;
    let Ok(done) = run else { return Ok(None) };
    let said = String::from_utf8(done.stdout)?;
    let error = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success() && !error.contains("ERROR"), "{opened}: {error}");
    let count = said.lines().find_map(|line| line.strip_prefix("Feature Count: "));
    Ok(Some(count.with_context(|| format!("{opened}: {said}"))?.trim().parse()?))
}

/// The file of a format, beside others.
async fn fetched(office: &Client, folder: &Path, format: Format) -> Result<std::path::PathBuf> {
    let name = format!("hazards.{}", format.name());
    let reply = office.get(&format!("/v1/exports/{name}?headings=zh&{NOTHING}")).await?;
    ensure!(reply.status == 200, "{name}: {} {}", reply.status, reply.text());
    let path = folder.join(format!("hazards.{}", format.extension()));
    std::fs::write(&path, reply.body)?;
    Ok(path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_nothing_is_opened_by_two_gdals_and_has_no_feature() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let bundle = phone.reports(3);
    phone.sync(&[bundle]).await?;
    let (office, folder) = (server.client()?, TempDir::new()?);
    for format in Format::ALL.iter().copied().filter(|format| *format != Format::PmTiles) {
        let path = fetched(&office, folder.path(), format).await?;
        let shown = path.display().to_string();
        let opened = if format == Format::Shapefile { format!("/vsizip/{shown}") } else { shown };
        let read = python::program("files.py", std::slice::from_ref(&opened)).await.context(format.name())?;
        let layers = read.as_object().context("no layers")?;
        // A workbook's other sheet says what the file is of, a package's other table has the styles.
        let names = ["hazards", "隐患"];
        let layer = layers.iter().find(|(name, _)| names.contains(&name.as_str()));
        let Some((name, layer)) = layer else {
            // KML has no layers but those that its places make.
            ensure!(matches!(format, Format::Kml | Format::Kmz), "{}: {read}", format.name());
            ensure!(layers.is_empty(), "{read}");
            continue;
        };
        if format == Format::Xlsx {
            // Of a sheet that has one line alone GDAL takes it for a feature and not for headings.
            ensure!(layer["count"] == 1 && layer["fields"][0] == "Field1", "{layer}");
            continue;
        }
        ensure!(layer["count"] == 0, "{}: {layer}", format.name());
        match by_ogrinfo(&opened, name).await? {
            Some(count) => ensure!(count == 0, "{}: {count} features", format.name()),
            None => fixtures::skipped("ogrinfo (Debian package gdal-bin) is not installed"),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_and_a_sequence_say_what_they_are_of_with_features_and_without() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let bundle = phone.reports(3);
    phone.sync(&[bundle]).await?;
    let office = server.client()?;
    for filters in ["counted=true", NOTHING] {
        for name in ["hazards", "ledger"] {
            let text = office.get(&format!("/v1/exports/{name}.csv?{filters}")).await?.text();
            let headings = text.lines().next().context("no headings")?;
            for told in [COUNTING.zh, filters, "规则版本: ", "台账变更号: ", "尚有未上传数据: 无"]
            {
                ensure!(headings.contains(told), "{name}.csv does not tell {told}: {headings}");
            }
            let text = office.get(&format!("/v1/exports/{name}.geojsonseq?{filters}")).await?.text();
            let first = text.lines().next().context("nothing")?.trim_start_matches('\u{1e}');
            let about: Value = serde_json::from_str(first)?;
            let about = &about["firebreak"];
            ensure!(about["counting_rules"]["zh"] == COUNTING.zh, "{name}.geojsonseq: {about}");
            ensure!(about["filters"] == filters && about["unsent"] == serde_json::json!([]), "{about}");
        }
    }
    Ok(())
}
