//! Python with the packages of `tests/python/requirements.txt`, and the programs of `tests/python`.
//!
//! Start at [`program`].

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

/// A path of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Where Python is: `FIREBREAK_PYTHON`, or the project's `.venv`.
fn python() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("FIREBREAK_PYTHON") {
        return Ok(path.into());
    }
    let path = project(".venv/bin/python");
    ensure!(
        path.exists(),
        "no Python environment: `make test` makes one, or by hand: python3 -m venv .venv && .venv/bin/pip install \
         -r tests/python/requirements.txt (FIREBREAK_PYTHON names another)"
    );
    Ok(path)
}

/// Runs a program of `tests/python`; the JSON that it prints. It fails where the program does, with what it said.
pub async fn program<S: AsRef<OsStr>>(name: &str, arguments: &[S]) -> Result<Value> {
    let output = Command::new(python()?)
        .arg(project("tests/python").join(name))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = format!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "tests/python/{name}: {said}");
    serde_json::from_str(printed.trim()).with_context(|| said.clone())
}
