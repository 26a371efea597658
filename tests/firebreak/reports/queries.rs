//! Every figure opens to its rows: each query is followed, and what it lists gives the figure.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::Value;

use super::{draft, figure, import_line, month};

/// Every row of a query, page by page.
async fn rows(office: &Client, query: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let cursor = next.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page = office.json(&format!("{query}&limit=2{cursor}")).await?;
        let lists = page.as_object().context("no object")?;
        let list = lists.values().find_map(Value::as_array).with_context(|| format!("{query}: {page}"))?;
        found.extend(list.iter().cloned());
        next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// What the rows give by the figure's measure.
fn measured(measure: &str, rows: &[Value]) -> Result<i64> {
    if measure == "rows" {
        return Ok(i64::try_from(rows.len())?);
    }
    if measure.starts_with("distinct project") {
        let project =
            |row: &Value| row.pointer("/amounts/project").and_then(Value::as_str).map(str::to_owned);
        let distinct: BTreeSet<String> = rows
            .iter()
            .map(|row| project(row).unwrap_or_else(|| row.get("id").unwrap_or(&Value::Null).to_string()))
            .collect();
        return Ok(i64::try_from(distinct.len())?);
    }
    let (amount, absent) = measure
        .strip_prefix("sum ")
        .and_then(|rest| rest.strip_suffix(" where absent"))
        .and_then(|rest| rest.split_once(", "))
        .with_context(|| format!("measure {measure}"))?;
    let absent: i64 = absent.parse()?;
    let at =
        |row: &Value| row.get(amount).or_else(|| row.get("amounts")?.get(amount)).and_then(Value::as_i64);
    Ok(rows.iter().map(|row| at(row).unwrap_or(absent)).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_query_behind_each_figure_lists_the_rows_that_give_it() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        import_line(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        month(&server, &mut phone).await?;
        let office = server.client()?;
        let report = draft(&office).await?;
        let mut above_zero = 0;
        for one in report["figures"].as_array().context("no figures")? {
            let (key, query) = (one["key"].as_str().context("key")?, one["query"].as_str().context("query")?);
            let found = rows(&office, query).await?;
            let value = measured(one["measure"].as_str().context("measure")?, &found)?;
            ensure!(one["value"] == value, "{key}: {} in the report, {value} by {query}", one["value"]);
            above_zero += usize::from(value > 0);
        }
        ensure!(above_zero > 20, "{above_zero} figures only: {report}");
        for one in report["against"].as_array().context("no counts")? {
            let query = one["query"].as_str().context("query")?;
            let found = rows(&office, query).await?;
            ensure!(one["value"] == found.len(), "{}: {} by {query}", one["key"], found.len());
        }
        assert_eq!(figure(&report, "lines_walked")?, 1, "{backend:?}");
        let not = |kind: &str| format!("/v1/stretches?kind={kind}&from=2026-11-01&to=2026-11-30&done=false");
        assert_eq!(rows(&office, &not("patrol")).await?.len(), 0, "all of the line was walked");
        let not_felled = rows(&office, &not("corridor_felling")).await?;
        let first = not_felled.first().context("three of six spans were not felled")?;
        let (felled, length) = (figure(&report, "felled_mm")?, figure(&report, "walked_mm")?);
        assert_eq!(first.get("length_mm").and_then(Value::as_i64), Some(length - felled));
    }
    Ok(())
}
