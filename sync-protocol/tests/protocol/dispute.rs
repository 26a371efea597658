//! The page's example of a view in dispute: one report, then two people who had not seen each other's word.

use sync_protocol::fold;
use sync_protocol::ids::{Head, OperationId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Identified, Operation, Position, Stamp};
use sync_protocol::view::State;

use crate::diagnostic;
use crate::story::{BEGIN_MS, inspector, numbered, reviewer};

/// Ids of the example, behind those of the golden operations.
const FIRST: u64 = 900;

/// The report; what the one says, who put it right; what the other says, who saw it worse.
fn operations() -> [Operation; 3] {
    let record = RecordId(numbered(FIRST));
    let make = |number: u64, kind: Kind, author| {
        let wall_ms = BEGIN_MS + i64::try_from(number).unwrap() * 60_000;
        let stamp = Stamp { wall_ms, ..Stamp::default() };
        Operation::new(OperationId(numbered(number)), record, kind, author, stamp)
    };
    let position =
        Position { lat_e7: 299_800_000, lon_e7: 1_030_100_000, accuracy_dm: Some(46), ..Position::default() };
    let report = make(FIRST, Kind::Reported, inspector())
        .with("type", &"tree")
        .with("position", &position)
        .with("severity", &"serious")
        .with("description", &"杉木距导线约两米");
    let head = Identified::decode(&report.encode()).unwrap().head();
    let rectified = make(FIRST + 1, Kind::Rectified, inspector())
        .with("description", &"已修剪")
        .with("measures", &"修剪树冠")
        .after([head]);
    let observed = make(FIRST + 2, Kind::Observed, reviewer())
        .with("severity", &"critical")
        .with("description", &"杉木距导线不足一米")
        .after([head]);
    [report, rectified, observed]
}

fn identified(operations: &[Operation]) -> Vec<Identified> {
    operations.iter().map(|operation| Identified::decode(&operation.encode()).unwrap()).collect()
}

/// What the page shows of it.
pub(crate) fn example() -> String {
    let operations = operations();
    let set = identified(&operations);
    let view = fold::fold(&set);
    assert_eq!(view.state, State::Disputed);
    let mut text = String::from("```\n");
    for (identified, words) in set.iter().zip(["reports", "puts it right", "sees it worse"]) {
        let operation = &identified.operation;
        let fields = sync_protocol::operation::encode_fields(&operation.fields);
        text += &format!("/ {words} / {} {}", identified.head(), operation.kind.as_str());
        let named: Vec<String> = operation.heads.iter().map(Head::to_string).collect();
        if !named.is_empty() {
            text += &format!("\n  heads {}", named.join(" "));
        }
        text += &format!("\n  fields {}\n", diagnostic::sequence(&fields).trim_end());
    }
    text + "\n/ the view / " + &diagnostic::sequence(&view.encode()) + "```\n"
}

#[test]
fn an_act_that_names_both_heads_of_the_dispute_settles_it() {
    let mut operations = operations().to_vec();
    let view = fold::fold(&identified(&operations));
    let mut last = operations.last().unwrap().clone();
    last.id = OperationId(numbered(FIRST + 3));
    last.kind = Kind::Rectified.into();
    last.fields.clear();
    operations.push(last.after(view.heads));
    assert_eq!(fold::fold(&identified(&operations)).state, State::Rectified);
}
