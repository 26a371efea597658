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

/// The code of a file without comments and without its modules of tests, wherever they stand.
///
/// The source is formatted: a module ends at the first line that closes a brace at its own indentation.
fn production_code(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push(line.split("//").next().unwrap_or_default());
            continue;
        }
        while lines.next_if(|line| line.trim_start().starts_with("#[")).is_some() {}
        let is_module = |line: &&str| {
            let item = line.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
            item.starts_with("mod ")
        };
        // Anything else that only tests have is looked at like the rest: a false alarm is better than a miss.
        let Some(module) = lines.next_if(is_module) else { continue };
        if module.trim_end().ends_with('{') {
            let indentation = &module[..module.len() - module.trim_start().len()];
            let end = format!("{indentation}}}");
            lines.by_ref().find(|line| *line == end);
        }
    }
    kept.join("\n")
}

/// The words of a path as far as it goes, with each branch of its groups: `crate::{a, b::c}` gives `crate::a` and
/// `crate::b::c`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut path = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            let tails = branches(group).into_iter().flat_map(paths);
            return tails.map(|tail| [path.clone(), tail].concat()).collect();
        }
        let Some(word) = identifier(rest) else {
            path.extend(rest.starts_with('*').then(|| "*".to_owned()));
            return vec![path];
        };
        rest = &rest[word.len()..];
        path.push(word);
        match rest.strip_prefix("::") {
            Some(more) => rest = more.trim_start(),
            None => return vec![path],
        }
    }
}

fn identifier(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// The parts of a group, of which the opening brace is taken off.
fn branches(group: &str) -> Vec<&str> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' => {
                found.push(&group[start..at]);
                break;
            }
            ',' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|branch| !branch.trim().is_empty());
    found
}

/// The top-level modules that code names, given the module it stands in: by `crate::`, or by as many `super::` as lead
/// to the top. `*` where it takes everything from there.
fn modules_used(code: &str, module: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            found.extend(paths(&code[at..]).iter().filter_map(|path| top_of(path, module)));
        }
    }
    found
}

/// The top-level module that a path leads to.
fn top_of(path: &[String], module: &[String]) -> Option<String> {
    let mut place = module.to_vec();
    for word in path {
        match word.as_str() {
            "crate" => place.clear(),
            "self" => {}
            "super" => drop(place.pop()),
            name => {
                place.push(name.to_owned());
                break;
            }
        }
    }
    place.into_iter().next()
}

/// The module that a file of the server is, from the top: `server/src/a/b.rs` and `server/src/a/b/mod.rs` are `a::b`.
fn module_path(file: &Path) -> Option<Vec<String>> {
    let relative = file.strip_prefix(root().join("server/src")).ok()?.with_extension("");
    let mut words: Vec<String> =
        relative.components().filter_map(|part| part.as_os_str().to_str().map(str::to_owned)).collect();
    if words.last().is_some_and(|last| last == "mod") {
        words.pop();
    }
    Some(words)
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// The top-level module that a file of the server belongs to; none for `lib.rs`, which only lists them.
fn server_module(path: &Path) -> Option<String> {
    module_path(path)?.into_iter().next().filter(|module| module != "lib")
}

/// What is wrong with the arrows of one file.
fn wrong_arrows(path: &Path, text: &str) -> Vec<String> {
    let Some(words) = module_path(path) else { return Vec::new() };
    let Some(module) = words.first().filter(|module| *module != "lib") else { return Vec::new() };
    let Some(layer) = layer_of(module) else { return vec![format!("module {module} has no row in LAYERS")] };
    let mut code = production_code(text);
    if module == "main" {
        code = code.replace("firebreak::", "crate::");
    }
    let used = modules_used(&code, &words);
    let is_wrong = |other: &&String| {
        let is_granted = WITHIN_A_ROW.contains(&(module.as_str(), other.as_str()));
        let is_above = layer_of(other).is_some_and(|theirs| theirs <= layer);
        *other != module && !is_granted && (is_above || *other == "*")
    };
    used.iter().filter(is_wrong).map(|other| format!("{}: {module} uses {other}", path.display())).collect()
}

#[test]
fn dependencies_of_the_server_point_one_way() {
    let files = files_under(&root().join("server/src"), "rs");
    let wrong: Vec<String> = files.iter().flat_map(|path| wrong_arrows(path, &read(path))).collect();
    assert!(wrong.is_empty(), "arrows that point back or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn every_form_of_import_is_seen() {
    let code = "use crate::store::Store;\nuse crate::{sync, domain::{ids, Position}, http::Router};\n\
                let x = crate::validate::check(); use mycrate::app; use other::crate::web;\n\
                use super::super::{super::tls, near, super::{keys::Ring, time}};\n\
                use super::beside; use self::below::Thing; use super::super::super::tiles::*;";
    let module = ["grid", "assemble", "tables"].map(str::to_owned);
    let expected = ["domain", "grid", "http", "keys", "store", "sync", "tiles", "time", "tls", "validate"];
    assert_eq!(modules_used(code, &module), expected.map(str::to_owned).into());
    assert_eq!(modules_used("use super::*;", &module), ["grid".to_owned()].into());
    assert_eq!(modules_used("use super::*;", &module[..1]), ["*".to_owned()].into());
}

#[test]
fn an_arrow_that_points_back_is_found_below_tests_and_behind_supers() {
    let file = root().join("server/src/grid/mod.rs");
    let below = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more {\n    use crate::http::x;\n}\nfn f() {}\n";
    assert_eq!(wrong_arrows(&file, below), Vec::<String>::new(), "what tests use is theirs");
    for arrow in ["use crate::http::Router;", "use super::http::Router;", "fn g() { crate::sync::x() }"] {
        let wrong = wrong_arrows(&file, &format!("{below}{arrow}\n"));
        assert_eq!(wrong.len(), 1, "{arrow} below modules of tests: {wrong:?}");
    }
    let deep = root().join("server/src/geometry/track.rs");
    assert_eq!(wrong_arrows(&deep, "use super::super::http::Router;\n").len(), 1);
    assert_eq!(wrong_arrows(&deep, "use super::http::Router;\n"), Vec::<String>::new(), "geometry's own");
    assert_eq!(wrong_arrows(&deep, "use super::super::*;\n").len(), 1, "everything of the top");
    assert_eq!(wrong_arrows(&deep, "// use crate::http;\n"), Vec::<String>::new());
}

#[test]
fn modules_of_tests_are_left_out_wherever_they_stand() {
    let text = "use one;\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n    fn a() {\n        two\n    }\n}\n\
                fn three() {}\nmod inner {\n    #[cfg(test)]\n    mod tests {\n        four\n    }\n    five\n}\n";
    let code = production_code(text);
    for (word, is_kept) in [("one", true), ("two", false), ("three", true), ("four", false), ("five", true)] {
        assert_eq!(names(&code, word), is_kept, "{word}: {code}");
    }
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
fn a_test_that_is_skipped_says_so_where_it_is_seen() {
    // What a passing test prints is shown to nobody: `fixtures::skipped` and its like write it to a file.
    for path in sources() {
        let text = read(&path);
        let is_printed = text.to_lowercase().contains(concat!("println!(\"skip", "ped"));
        assert!(!is_printed, "{} only prints that a test is skipped", path.display());
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
