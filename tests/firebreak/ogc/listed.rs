//! `docs/conformance.md` names a test for every requirement, and every test that it names is there.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::python::project;

/// The names of the tests of a folder and below it.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            tests_in(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            // A test is a function behind its attribute.
            for part in text.split("test").skip(1).filter(|part| part.starts_with([']', '('])) {
                let Some((_, rest)) = part.split_once("fn ") else { continue };
                found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
        }
    }
    Ok(())
}

#[test]
fn every_requirement_has_a_test_that_is_there() -> Result<()> {
    let page = std::fs::read_to_string(project("docs/conformance.md"))?;
    let mut tests = BTreeSet::new();
    tests_in(&project("tests/firebreak"), &mut tests)?;
    tests_in(&project("server/src"), &mut tests)?;
    let mut requirements = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `/req/")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [requirement, _what, test] = cells.as_slice() else { anyhow::bail!("{row}") };
        ensure!(requirements.insert((*requirement).to_owned()), "{requirement} stands twice");
        let named: Vec<&str> = test.split(", ").map(|name| name.trim_matches('`')).collect();
        for name in named {
            let name = name.split("::").last().context("no name")?;
            ensure!(tests.contains(name), "{requirement}: there is no test {name}");
        }
    }
    ensure!(requirements.len() > 70, "only {} requirements", requirements.len());
    Ok(())
}
