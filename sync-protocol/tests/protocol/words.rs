//! What the golden operations on hazards and rounds assert. Nothing here may change.

use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Photo, Position};

use crate::story::{BEGIN_MS, numbered, photo};

/// A photo of this role.
pub(crate) fn named_photo(role: &str, name: &str, bytes: u64) -> Photo {
    Photo { role: role.into(), bytes, sha256: photo(name) }
}

fn position(lat_e7: i64, lon_e7: i64) -> Position {
    Position { lat_e7, lon_e7, accuracy_dm: Some(46), fix_ms: Some(BEGIN_MS + 57_000), ..Position::default() }
}

pub(crate) fn say_hazard(mut operation: Operation, kind: Kind) -> Operation {
    match kind {
        Kind::Reported => {
            operation.photos = vec![named_photo("before", "before", 2_310_555)];
            let original = Position {
                datum: Some("gcj02".into()),
                original: Some("103.012493,29.977211".into()),
                altitude_dm: Some(14_870),
                ..position(299_800_000, 1_030_100_000)
            };
            operation
                .with("position", &original)
                .with("category", &"corridor")
                .with("type", &"tree")
                .with("severity", &"serious")
                .with("description", &"杉木距导线约两米，风大时可能碰线")
                .with("found_at_ms", &BEGIN_MS)
                .with("township", &"云顶")
                .with("line_name", &"10kV云顶线")
                .with("structure_from", &"N045")
                .with("structure_to", &"N046")
                .with("species", &"杉木")
                .with("tree_height_dm", &182)
                .with("vertical_dm", &21)
                .with("forest", &true)
        }
        Kind::Observed => operation.with("severity", &"critical").with("vertical_dm", &12),
        Kind::Rectified => {
            operation.photos = vec![named_photo("after", "after", 1_904_331)];
            operation
                .with("measures", &"伐除")
                .with("count", &3)
                .with("completed_at_ms", &(BEGIN_MS + 3_600_000))
        }
        Kind::MadeSafe => operation.with("measures", &"拉绳固定"),
        Kind::NotFound => operation.with("position", &position(299_800_120, 1_030_100_045)),
        Kind::Verified => operation
            .with("verdict", &"合格")
            .with("measured_dm", &64)
            .with("verified_at_ms", &(BEGIN_MS + 7_200_000)),
        _ => operation.with("reason", &"侧枝未清理").with("measured_dm", &18),
    }
}

pub(crate) fn say_rounds(operation: Operation, kind: Kind) -> Operation {
    let point = |step: i64| {
        let at = (299_800_000 + step * 900, 1_030_100_000 + step * 1_100, BEGIN_MS + step * 5_000);
        (at.0, at.1, at.2, Some(46), Option::<i64>::None)
    };
    match kind {
        Kind::PatrolStarted => operation.with("line_name", &"10kV云顶线").with("started_at_ms", &BEGIN_MS),
        Kind::PatrolTrack => operation.with("piece", &1).with("points", &[point(0), point(1), point(2)]),
        Kind::PatrolFinished => {
            operation.with("finished_at_ms", &(BEGIN_MS + 5_400_000)).with("length_dm", &42_300)
        }
        Kind::WorkDone => operation
            .with("work_type", &"corridor_felling")
            .with("line_name", &"10kV云顶线")
            .with("chainage_from_dm", &12_000)
            .with("chainage_to_dm", &15_500)
            .with("length_dm", &3_500),
        Kind::InspectionMade => operation.with("unit", &"云顶供电所").with("findings", &2),
        _ => operation
            .with("activity_type", &"入户宣传")
            .with("sessions", &1)
            .with("people", &63)
            .with("material", &120)
            .with("amount_fen", &0),
    }
}

pub(crate) fn say_office(operation: Operation, kind: Kind) -> Operation {
    let reason = |operation: Operation, text: &str| operation.with("reason", &text);
    match kind {
        Kind::Graded => operation.with("severity", &"serious").with("rule_version", &"2026-1"),
        Kind::Returned => reason(operation, "请补充杆号"),
        Kind::Void => reason(operation, "误报"),
        Kind::Duplicate => reason(operation, "同一处").with("duplicate_of", &RecordId(numbered(900))),
        Kind::NotOurs => reason(operation, "通信线路"),
        Kind::Ordered => operation
            .with("order_number", &"整改〔2026〕17号")
            .with("responsible_unit", &"云顶供电所")
            .with("measures", &"伐除超高树木")
            .with("remedy", &"by_deadline")
            .with("deadline_ms", &(BEGIN_MS + 604_800_000)),
        Kind::Receipted => operation.with("responsible_person", &"值班员"),
        Kind::Disputed => reason(operation, "产权不清"),
        Kind::ExtensionAsked => {
            reason(operation, "连续降雨").with("deadline_ms", &(BEGIN_MS + 1_209_600_000))
        }
        Kind::ExtensionGranted => operation.with("deadline_ms", &(BEGIN_MS + 1_209_600_000)),
        Kind::ExtensionRefused => reason(operation, "处于防火期"),
        Kind::Carried => {
            operation.with("plan", &"每周测距一次").with("review_at_ms", &(BEGIN_MS + 2_592_000_000))
        }
        Kind::CarriedReviewed => reason(operation, "已停电，可以施工"),
        Kind::MajorConfirmed => operation.with("major", &true).with("supervision_level", &"市级"),
        Kind::DeadlineTightened => operation
            .with("deadline_ms", &(BEGIN_MS + 259_200_000))
            .with("rule_version", &"2026-1")
            .with("reason", &"高火险期"),
        Kind::Reordered => reason(operation, "责任单位有误")
            .with("order_number", &"整改〔2026〕18号")
            .with("responsible_unit", &"河口供电所")
            .with("measures", &"伐除超高树木")
            .with("deadline_ms", &(BEGIN_MS + 259_200_000)),
        Kind::MajorPlanned => operation
            .with("responsibility_text", &"供电所负责")
            .with("responsibility_at_ms", &(BEGIN_MS + 86_400_000)),
        Kind::Closed => operation.with("closed_at_ms", &(BEGIN_MS + 10_800_000)),
        _ => reason(operation, "复查发现新枝"),
    }
}
