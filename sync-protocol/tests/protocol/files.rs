//! Where the files of the project are, and how a missing golden file comes to be.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::diagnostic;

/// Whether missing golden files and generated parts may be written.
pub(crate) fn may_write() -> bool {
    std::env::var_os("FIREBREAK_WRITE").is_some_and(|value| value == "1")
}

/// A path of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A text file of the project.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Says that the running test is skipped, on a line of the file that `make test` shows at its end.
pub(crate) fn skipped(why: &str) {
    let line = format!("{}: {why}\n", std::thread::current().name().unwrap_or("a test"));
    eprint!("skipped: {line}");
    if let Some(path) = std::env::var_os("FIREBREAK_SKIPPED") {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

/// The golden file of this name. `make` is called where the file is missing and may be written.
pub(crate) fn golden(name: &str, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    static WRITING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = project(&format!("fixtures/golden/{name}.cbor"));
    if !path.exists() && may_write() {
        let bytes = make();
        fs::write(project(&format!("fixtures/golden/{name}.diag")), diagnostic::sequence(&bytes)).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("golden file {name}: {error}"))
}

/// Checks that the diagnostic text beside a golden file is that of its bytes.
pub(crate) fn assert_text_is_of(name: &str, bytes: &[u8]) {
    let text = text(&format!("fixtures/golden/{name}.diag"));
    assert_eq!(text, diagnostic::sequence(bytes), "{name}.diag is not the text of {name}.cbor");
}

/// The part of a text between the lines `begin NAME` and `end NAME`, whatever comments them.
pub(crate) fn part<'a>(text: &'a str, name: &str) -> &'a str {
    let (start, end) = bounds(text, name);
    &text[start..end]
}

/// Checks that a generated part of a file is what it should be; brings it up to date where that is allowed.
pub(crate) fn assert_part_is(path: &str, name: &str, expected: &str) {
    let whole = text(path);
    if part(&whole, name) == expected {
        return;
    }
    if may_write() {
        let (start, end) = bounds(&whole, name);
        fs::write(project(path), format!("{}{expected}{}", &whole[..start], &whole[end..])).unwrap();
    } else {
        assert_eq!(part(&whole, name), expected, "{path}: the part {name} has drifted from the source");
    }
}

fn bounds(text: &str, name: &str) -> (usize, usize) {
    let begin = text.find(&format!("begin {name} ")).unwrap_or_else(|| panic!("no line begins {name}"));
    let start = begin + text[begin..].find('\n').unwrap() + 1;
    let end =
        start + text[start..].find(&format!("end {name} ")).unwrap_or_else(|| panic!("no line ends {name}"));
    let end = text[..end].rfind('\n').unwrap() + 1;
    (start, end)
}
