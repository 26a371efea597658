//! Rules of the source itself that no lint holds: the direction of dependencies, paired migrations, an
//! opening comment in every module, no escape hatches, a documented code for every fault.
//!
//! Start at [`LAYERS`]. A new module of the server needs a place there; a new arrow between layers is a
//! design change and belongs in `docs/decisions` first.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sync_protocol::codes::Code;

/// The server's modules from top to bottom. A module uses only modules of lower rows: never its own row,
/// nothing above. (`main` → `app` → `http` → `sync` → {`validate`, `reconcile`, `store`} → `domain`.)
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app"],
    &["http"],
    &["web"],
    &["sync"],
    &["telemetry"],
    &["tls"],
    &["config"],
    &["validate", "reconcile", "store"],
    &["report", "lifecycle", "orders"],
    &["domain"],
    &["grid", "exports"],
    &["tiles"],
    &["rules", "duplicates", "accounts", "photos", "layers"],
    &["geometry", "keys", "time", "audit"],
];

/// Arrows within a row: the plan is made of the values that are validated and of the rows that are stored
/// (docs/decisions/0005-values-of-the-core.md). [`PURE`] keeps everything else of the store out of it.
const WITHIN_A_ROW: &[(&str, &str)] = &[("reconcile", "validate"), ("reconcile", "store")];

/// The functional core: values in, values out.
const PURE: &[&str] = &[
    "validate", "reconcile", "report", "rules", "duplicates", "grid", "geometry", "lifecycle", "audit",
    "accounts", "orders", "photos", "layers", "exports", "tiles",
];

/// What the functional core must not name: connections, waiting, clocks, chance, the log.
const FOREIGN_TO_THE_CORE: &[&str] = &[
    "Store", "Transaction", "sqlx", "async", "await", "tokio", "axum", "Clock", "SystemTime", "Instant",
    "rand", "std::fs", "std::env", "tracing", "metrics",
];

/// What the shared contract must not know: it runs on a phone, inside tests and inside the server alike.
const FOREIGN_TO_THE_PROTOCOL: &[&str] =
    &["tokio", "axum", "sqlx", "reqwest", "std::fs", "std::net", "std::env", "SystemTime", "Instant", "rand"];

const CRATES: &[&str] = &["sync-protocol", "server", "fixtures", "tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/")).to_owned()
}

fn files_under(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                found.extend(files_under(&path, extension));
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<PathBuf> {
    CRATES.iter().flat_map(|name| files_under(&root().join(name), "rs")).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The code of a file without comments and without its tests, which come last.
fn production_code(text: &str) -> String {
    let kept = text.split("#[cfg(test)]").next().unwrap_or_default();
    kept.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The first path segments that follow `prefix`, groups included: `crate::{a, b::c}` gives `a` and `b`.
fn roots_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let preceded =
            code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        if preceded {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_roots(group)),
            None => found.extend(identifier(rest)),
        }
    }
    found
}

fn identifier(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

fn group_roots(group: &str) -> Vec<String> {
    let mut roots = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' => {
                roots.extend(identifier(&group[start..at]));
                break;
            }
            ',' if depth == 0 => {
                roots.extend(identifier(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    roots
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// The top-level module that a file of the server belongs to; none for `lib.rs`, which only lists them.
fn server_module(path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root().join("server/src")).ok()?;
    let first = relative.components().next()?.as_os_str().to_str()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (module != "lib").then(|| module.to_owned())
}

#[test]
fn dependencies_of_the_server_point_one_way() {
    let mut wrong = Vec::new();
    for path in files_under(&root().join("server/src"), "rs") {
        let Some(module) = server_module(&path) else { continue };
        let Some(layer) = layer_of(&module) else {
            wrong.push(format!("module {module} has no row in LAYERS"));
            continue;
        };
        let code = production_code(&read(&path));
        let mut used = roots_after(&code, "crate::");
        if module == "main" {
            used.extend(roots_after(&code, "firebreak::"));
        }
        for other in used.iter().filter(|other| **other != module) {
            let is_granted = WITHIN_A_ROW.contains(&(module.as_str(), other.as_str()));
            if !is_granted && layer_of(other).is_some_and(|theirs| theirs <= layer) {
                wrong.push(format!("{}: {module} uses {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point back or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn every_form_of_import_is_seen() {
    let code = "use crate::store::Store;\nuse crate::{sync, domain::{ids, Position}, http::Router};\n\
                let x = crate::validate::check(); use mycrate::app; use other::crate::web;";
    let expected = ["domain", "http", "store", "sync", "validate"].map(str::to_owned).into();
    assert_eq!(roots_after(code, "crate::"), expected);
}

#[test]
fn the_protocol_knows_no_runtime_no_network_and_no_database() {
    let manifest = read(&root().join("sync-protocol/Cargo.toml"));
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or_default();
    for name in ["tokio", "axum", "sqlx", "reqwest", "rand"] {
        assert!(!dependencies.contains(&format!("\n{name}")), "sync-protocol depends on {name}");
    }
    for path in files_under(&root().join("sync-protocol/src"), "rs") {
        let code = production_code(&read(&path));
        for foreign in FOREIGN_TO_THE_PROTOCOL {
            assert!(!names(&code, foreign), "{} names {foreign}", path.display());
        }
    }
}

/// Whether code names this as a whole word.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !joins(before) && !joins(after)
    })
}

#[test]
fn the_core_takes_values_and_gives_values() {
    for path in files_under(&root().join("server/src"), "rs") {
        if server_module(&path).is_none_or(|module| !PURE.contains(&module.as_str())) {
            continue;
        }
        let code = production_code(&read(&path));
        for foreign in FOREIGN_TO_THE_CORE {
            assert!(!names(&code, foreign), "{} names {foreign}", path.display());
        }
    }
}

#[test]
fn migrations_are_paired_by_name() {
    let names = |backend: &str| -> BTreeSet<String> {
        files_under(&root().join("migrations").join(backend), "sql")
            .iter()
            .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
            .collect()
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    assert!(!sqlite.is_empty(), "there are no migrations");
    assert_eq!(sqlite, postgres, "each migration exists for both databases");
    let numbers: BTreeSet<&str> = sqlite.iter().filter_map(|name| name.split('_').next()).collect();
    assert_eq!(numbers.len(), sqlite.len(), "two migrations share a number");
}

#[test]
fn every_module_says_what_it_is_for() {
    for path in sources() {
        let text = read(&path);
        let opening: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let said: usize = opening.iter().map(|line| line.trim_start_matches("//!").trim().len()).sum();
        assert!(said >= 12, "{} does not open with a //! comment that says what it is for", path.display());
    }
}

#[test]
fn every_source_file_is_part_of_a_crate() {
    for path in sources() {
        let (Some(folder), Some(stem)) = (path.parent(), path.file_stem().and_then(|stem| stem.to_str()))
        else {
            continue;
        };
        let is_entry = matches!(stem, "main" | "lib" | "mod" | "build") || folder.ends_with("bin");
        if is_entry || folder.ends_with("examples") {
            continue;
        }
        let mut parents = vec![folder.join("lib.rs"), folder.join("main.rs"), folder.join("mod.rs")];
        parents.push(folder.with_extension("rs"));
        let declared = parents.iter().filter(|parent| parent.exists()).any(|parent| {
            let text = read(parent);
            text.lines().any(|line| line.trim_end().ends_with(&format!("mod {stem};")))
        });
        let is_integration_test = folder.ends_with("tests") && folder.parent() != Some(&root());
        assert!(declared || is_integration_test, "{} is declared by no module", path.display());
    }
}

#[test]
fn no_source_leaves_a_door_open() {
    // Written in two halves so that this file does not find itself.
    let doors = [
        concat!("#[ign", "ore"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[al", "low("),
        concat!("#![al", "low("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("<<<<", "<<< "),
        concat!(">>>>", ">>> "),
    ];
    for path in sources() {
        let text = read(&path);
        let mut previous = "";
        for line in text.lines() {
            // A lint may be allowed where the line before gives the reason.
            let reasoned = previous.contains("clippy::allow_attributes, reason = ");
            let door = doors.iter().find(|door| line.contains(**door) && !reasoned);
            assert!(door.is_none(), "{}: {line}", path.display());
            previous = line;
        }
    }
}

#[test]
fn no_statement_has_a_bare_parameter_as_its_limit() {
    // SQLite prepares such a statement again at every use: the value may change its plan. `$5 + 0` does not.
    for path in sources() {
        let text = production_code(&read(&path));
        let bare = text.match_indices("LIMIT").filter(|(at, _)| {
            let rest = text.get(at + "LIMIT".len()..).unwrap_or_default().trim_start();
            let bound = rest.starts_with("\").push_bind") || rest.starts_with("\")\n");
            let digits = rest
                .strip_prefix('$')
                .map(|rest| rest.trim_start_matches(|digit: char| digit.is_ascii_digit()));
            bound || digits.is_some_and(|rest| !rest.trim_start().starts_with('+'))
        });
        assert_eq!(bare.count(), 0, "{} has a LIMIT of a bare parameter", path.display());
    }
}

#[test]
fn every_code_is_documented() {
    let page = read(&root().join("docs/protocol.md"));
    let absent: Vec<&str> = Code::ALL
        .iter()
        .map(|code| code.as_str())
        .filter(|code| !page.contains(&format!("`{code}`")))
        .collect();
    assert!(absent.is_empty(), "docs/protocol.md does not name {absent:?}");
}

#[test]
fn codes_are_distinct_and_have_words_in_both_languages() {
    let distinct: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(distinct.len(), Code::ALL.len());
    for code in Code::ALL {
        assert!(!code.zh().is_empty() && !code.zh().is_ascii(), "{code} has no Chinese text");
        assert!(!code.en().is_empty() && code.en().is_ascii(), "{code} has no English text");
    }
}
