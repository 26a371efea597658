//! Every code of the catalogue is produced by a test, and the list says by which.

use std::collections::BTreeSet;
use std::path::Path;

use sync_protocol::codes::Code;

/// Codes that only a unit test or another subject's end-to-end test produces, each with the file and test.
const ELSEWHERE: &[(Code, &str, &str)] = &[
    (Code::StorageFull, "storage_full.rs", "storage-full"),
    (Code::NoticeConflict, "laws/told.rs", "NoticeConflict"),
    (Code::NoticeOverridden, "laws/told.rs", "NoticeOverridden"),
    (Code::NoticeSettled, "laws/told.rs", "NoticeSettled"),
    (Code::NoticeReleased, "laws/quarantine.rs", "NoticeReleased"),
    (Code::NotReleasable, "laws/quarantine.rs", "NotReleasable"),
    (Code::StorageUnavailable, "bad_input/store.rs", "StorageUnavailable"),
    (Code::Internal, "bad_input/store.rs", "Internal"),
];

/// The modules of this folder that produce codes by name.
const HERE: &[&str] = &["bundles.rs", "chains.rs", "limits.rs", "operations.rs", "requests.rs"];

#[test]
fn every_code_of_the_catalogue_is_produced_by_a_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("firebreak");
    let read = |file: &str| std::fs::read_to_string(tests.join(file)).expect(file);
    let here: String = HERE.iter().map(|file| read(&format!("bad_input/{file}"))).collect();
    let words: BTreeSet<&str> = here.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let mut missing = Vec::new();
    for code in Code::ALL {
        let name = format!("{code:?}");
        let elsewhere = ELSEWHERE.iter().find(|(known, ..)| known == code);
        match elsewhere {
            Some((_, file, mark)) => assert!(read(file).contains(mark), "{file} does not name {mark}"),
            None if words.contains(name.as_str()) => {}
            None => missing.push(name),
        }
    }
    assert!(missing.is_empty(), "no test produces {missing:?}");
}
