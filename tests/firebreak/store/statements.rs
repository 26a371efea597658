//! Every statement that stands in the store as text is one that both databases understand.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::server::Backend;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqlSafeStr as _};

use super::open;

/// Statements for one database alone, each beside another for the same.
const SQLITE_ALONE: &[&str] = &[];
const POSTGRES_ALONE: &[&str] = &["OPERATIONS_BY_COLUMN", "PHOTOS_BY_COLUMN", "RECORDS_BY_COLUMN"];
/// PostgreSQL cannot tell the type of a parameter by itself: it comes with the value.
const TYPE_UNKNOWN: &str = "could not determine data type of parameter";

/// Whole statements of a source file, by the names of their constants: parts, which end in a blank, a bracket or an equals
/// sign, are prepared with what completes them, by the tests that use them.
fn statements(source: &str) -> Vec<(String, String)> {
    let constants = source.split("\nconst ").skip(1);
    let found = constants.filter_map(|rest| {
        let (name, rest) = rest.split_once(": &str =")?;
        let mut text = String::new();
        let mut letters = rest.trim_start().strip_prefix('"')?.chars();
        loop {
            match letters.next()? {
                '"' => break,
                '\\' => match letters.next()? {
                    '\n' => letters = letters.as_str().trim_start().chars(),
                    escaped => text.push(escaped),
                },
                letter => text.push(letter),
            }
        }
        let begins = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH "];
        let is_whole = begins.iter().any(|verb| text.starts_with(verb)) && !text.ends_with([' ', '(', '=']);
        is_whole.then(|| (name.to_owned(), text))
    });
    found.collect()
}

#[test]
fn statements_are_read_from_a_source() {
    let source = "const A: u32 = 1;\nconst ONE: &str = \"SELECT 1 \\\n     FROM t\";\nconst PART: &str = \"SELECT a FROM t WHERE b = \";\n";
    assert_eq!(statements(source), [("ONE".to_owned(), "SELECT 1 FROM t".to_owned())]);
}

#[tokio::test]
async fn both_databases_prepare_every_statement() -> Result<()> {
    let (sqlite, postgres) = (open(Backend::Sqlite).await?, open(Backend::Postgres).await?);
    let url = postgres.server.database().context("no address")?;
    let (mut sqlite, mut postgres) = (sqlite.server.sqlite().await?, sqlx::PgConnection::connect(url).await?);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src/store");
    let (mut count, mut alone, mut faults) = (0, BTreeSet::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // A GeoPackage is a database of its own.
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("geopackage")) {
            continue;
        }
        let source = std::fs::read_to_string(&path)?;
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for (name, text) in statements(source) {
            let on_sqlite = sqlite.prepare(AssertSqlSafe(text.clone()).into_sql_str()).await.err();
            let on_postgres = postgres.prepare(AssertSqlSafe(text.clone()).into_sql_str()).await.err();
            let comes_later = |error: &sqlx::Error| {
                error.as_database_error().is_some_and(|error| error.message().starts_with(TYPE_UNKNOWN))
            };
            let on_postgres = on_postgres.filter(|error| !comes_later(error));
            count += 1;
            let at = format!("{}: {name}", path.display());
            match (on_sqlite, on_postgres) {
                (None, None) => {}
                (None, Some(_)) if SQLITE_ALONE.contains(&name.as_str()) => drop(alone.insert(name)),
                (Some(_), None) if POSTGRES_ALONE.contains(&name.as_str()) => drop(alone.insert(name)),
                (sqlite, postgres) => {
                    faults.extend(sqlite.map(|error| format!("{at}: SQLite says {error}")));
                    faults.extend(postgres.map(|error| format!("{at}: PostgreSQL says {error}")));
                }
            }
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    println!("{count} statements, {} of them for one database alone", alone.len());
    ensure!(count > 200, "only {count} statements were found");
    let listed: BTreeSet<String> =
        SQLITE_ALONE.iter().chain(POSTGRES_ALONE).map(|name| (*name).to_owned()).collect();
    ensure!(alone == listed, "listed, but understood by both: {:?}", listed.difference(&alone));
    Ok(())
}
