//! Programs of `tests/browser`, which drive a headless Chromium through node.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::python::project;

/// Whether everything is there that a program needs; else a line that says what is skipped and why.
pub fn is_there(what: &str, packages: &[&str]) -> bool {
    let folder = project("tests/browser/node_modules");
    let chromium = std::env::var("FIREBREAK_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    let mut needed = vec![chromium.into(), folder.join("playwright-core")];
    needed.extend(packages.iter().map(|package| folder.join(package)));
    let missing = needed.into_iter().find(|path: &std::path::PathBuf| !path.exists());
    if let Some(path) = &missing {
        fixtures::skipped(&format!("{what}, there is no {}", path.display()));
    }
    missing.is_none()
}

/// Runs a program of `tests/browser` with something on its standard input; the JSON that it prints.
pub async fn program(name: &str, arguments: &[&str], input: &str) -> Result<Value> {
    let mut running = Command::new("node")
        .arg(project("tests/browser").join(name))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = running.stdin.take().context("no standard input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = running.wait_with_output().await?;
    let (printed, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{printed} {errors}");
    serde_json::from_str(printed.trim()).with_context(|| format!("{printed} {errors}"))
}
