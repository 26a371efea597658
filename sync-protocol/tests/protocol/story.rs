//! What the golden operations say: one of each kind, in one small district, at fixed times.
//!
//! Operations follow [`Kind::ALL`], the ones of a later version, then [`ADDED`]; each names the one before it on its record. The device signs its kinds in
//! one chain, the server the others in another. Nothing here may change: the golden files hold its bytes.

use std::collections::BTreeMap;

use serde::Serialize;
use sync_protocol::bundle::{Binding, Run};
use sync_protocol::cbor::Raw;
use sync_protocol::ids::{
    Chain, DeploymentId, DistrictId, Head, Identity, OperationId, PersonId, PhotoHash, RecordId, sha256,
};
use sync_protocol::kind::{Kind, RecordType, Signer};
use sync_protocol::named::Fields;
use sync_protocol::operation::{KindName, Operation, Stamp};
use uuid::{Builder, Uuid};

use crate::keys::Key;
use crate::words::{named_photo, say_hazard, say_office, say_rounds};

/// 2026-04-12 09:30 in the district.
pub(crate) const BEGIN_MS: i64 = 1_775_957_400_000;

/// An id of version 4 that follows from a name.
pub(crate) fn named(name: &str) -> Uuid {
    let hash = sha256(format!("firebreak golden {name}").as_bytes());
    Builder::from_random_bytes(*hash.first_chunk().unwrap()).into_uuid()
}

/// An id of version 7 that follows from a number: one a minute.
pub(crate) fn numbered(number: u64) -> Uuid {
    let hash = sha256(format!("firebreak golden {number}").as_bytes());
    let millis = u64::try_from(BEGIN_MS).unwrap() + number * 60_000;
    Builder::from_unix_timestamp_millis(millis, hash.first_chunk().unwrap()).into_uuid()
}

/// The deployment and district of every golden file.
pub(crate) fn binding() -> Binding {
    Binding { deployment: DeploymentId(named("deployment")), district: DistrictId(named("district")) }
}

/// The inspector whose phone it is.
pub(crate) fn inspector() -> PersonId {
    PersonId(named("inspector"))
}

/// The reviewer in the office.
pub(crate) fn reviewer() -> PersonId {
    PersonId(named("reviewer"))
}

/// The hash of a photo that never was.
pub(crate) fn photo(name: &str) -> PhotoHash {
    PhotoHash(sha256(format!("firebreak golden photo {name}").as_bytes()))
}

/// One golden bundle: its name, who signs it, and the run.
pub(crate) struct Golden {
    pub(crate) name: String,
    pub(crate) key: Key,
    pub(crate) run: Run,
}

/// Kinds that came when golden files were there: they come last, so that nothing before them changes.
const ADDED: &[Kind] = &[
    Kind::Retracted,
    Kind::CarriedReviewed,
    Kind::MajorConfirmed,
    Kind::MajorPlanned,
    Kind::DeadlineTightened,
    Kind::Reordered,
];

/// Every golden bundle: one for each kind, the one of a later version among them.
pub(crate) fn bundles() -> Vec<Golden> {
    let mut story = Story::default();
    let first = Kind::ALL.iter().filter(|kind| !ADDED.contains(kind));
    let mut bundles: Vec<Golden> = first.map(|kind| story.golden(*kind)).collect();
    let operations = story.later();
    bundles.push(Golden {
        name: "bundle-later".into(),
        key: Key::Device,
        run: story.run(Key::Device, &operations),
    });
    bundles.extend(ADDED.iter().map(|kind| story.golden(*kind)));
    bundles
}

/// The golden bundle of this name.
pub(crate) fn bundle(name: &str) -> Golden {
    bundles().into_iter().find(|golden| golden.name == name).unwrap()
}

/// How far a chain is.
struct Link {
    next: u64,
    chain: Chain,
}

struct Story {
    number: u64,
    heads: BTreeMap<RecordId, Identity>,
    device: Link,
    server: Link,
}

impl Default for Story {
    fn default() -> Self {
        let start = || Link { next: 1, chain: Chain::START };
        Self { number: 0, heads: BTreeMap::new(), device: start(), server: start() }
    }
}

impl Story {
    fn run(&mut self, key: Key, operations: &[Operation]) -> Run {
        let link = match key {
            Key::Device => &mut self.device,
            Key::Server => &mut self.server,
        };
        let operations: Vec<Vec<u8>> = operations.iter().map(Operation::encode).collect();
        let run = Run { device: key.device(), first: link.next, previous: link.chain, operations };
        link.next = run.last() + 1;
        link.chain = run.chain();
        run
    }

    fn golden(&mut self, kind: Kind) -> Golden {
        let operation = self.operation(kind);
        let key = if kind.signer() == Signer::Field { Key::Device } else { Key::Server };
        Golden { name: format!("bundle-{kind}"), key, run: self.run(key, &[operation]) }
    }

    /// The next operation of a kind, after the one before it on the same record.
    fn operation(&mut self, kind: Kind) -> Operation {
        self.number += 1;
        let id = numbered(self.number);
        let record = RecordId(if kind.opens() { id } else { record_of(kind) });
        let author = match kind.signer() {
            Signer::Field => inspector(),
            Signer::Office => reviewer(),
            Signer::Server => PersonId(Uuid::nil()),
        };
        let operation = Operation::new(OperationId(id), record, kind, author, self.stamp(kind.signer()));
        let operation = self.say(operation, kind).after(self.heads.get(&record).map(Identity::head));
        self.heads.insert(record, Identity::of(&operation.encode()));
        operation
    }

    fn stamp(&self, signer: Signer) -> Stamp {
        let minutes = i64::try_from(self.number).unwrap();
        let wall_ms = BEGIN_MS + minutes * 60_000;
        if signer != Signer::Field {
            return Stamp { wall_ms, ..Stamp::default() };
        }
        Stamp {
            wall_ms,
            boot: Some(*sha256(b"firebreak golden boot").first_chunk().unwrap()),
            uptime_ms: Some(7_200_000 + self.number * 60_000),
            after_ms: Some(BEGIN_MS - 1_800_000),
            after_uptime_ms: Some(5_400_000),
            gps_ms: (self.number == 1).then_some(wall_ms + 412),
        }
    }

    fn say(&self, operation: Operation, kind: Kind) -> Operation {
        match kind.record_type() {
            Some(RecordType::Hazard) if kind.signer() == Signer::Field => say_hazard(operation, kind),
            Some(RecordType::Hazard) => say_office(operation, kind),
            Some(RecordType::Device | RecordType::Reference) => self.say_server(operation, kind),
            Some(_) => say_rounds(operation, kind),
            None => self.say_about(operation, kind),
        }
    }

    /// Kinds that fit any record.
    fn say_about(&self, mut operation: Operation, kind: Kind) -> Operation {
        let before = self.heads.get(&hazard()).copied();
        match kind {
            Kind::Corrected => operation.with("township", &"云顶乡").with("village", &Option::<&str>::None),
            Kind::Withdrawn => operation.with("withdraws", &before),
            Kind::Commented => {
                operation.lacking = vec![Identity::of(b"firebreak golden lacking").head()];
                operation.with("text", &"护林员说上月已通知产权单位\n等待回复")
            }
            Kind::Photographed => {
                operation.photos =
                    vec![named_photo("site", "site", 1_048_576), named_photo("before", "wide", 24)];
                operation
            }
            Kind::Resolved => operation.with("field", &"township").with("value", &"云顶镇"),
            Kind::Restored => operation.with("field", &"species").with("value", &"杉木"),
            Kind::Released => operation
                .with("operation", &Identity::of(b"firebreak golden quarantined"))
                .with("effective_kind", &Kind::Observed.as_str())
                .with("effective_fields", &BTreeMap::from([("severity", "serious")]))
                .with("effective_author", &inspector())
                .with("reason", &"坐标已核对"),
            Kind::WrittenOff => {
                operation.with("photo", &photo("after")).with("reason", &"手机损坏，照片无法找回")
            }
            Kind::Redacted => operation
                .with("operation", &Identity::of(b"firebreak golden redacted"))
                .with("field", &"phone")
                .with("reason", &"当事人要求"),
            Kind::PhotoVerified => operation.with("photo", &photo("before")),
            Kind::Retracted => operation
                .with("operation", &Identity::of(b"firebreak golden duplicate"))
                .with("reason", &"两处是不同的树"),
            other => unreachable!("{other} belongs to one type of record"),
        }
    }

    fn say_server(&self, operation: Operation, kind: Kind) -> Operation {
        let operation = match kind {
            Kind::RuleVersion => return operation.with("version", &"2026-1"),
            Kind::GridVersion => return operation.with("version", &"2026-04-01"),
            _ => operation.with("device", &Key::Device.device()),
        };
        match kind {
            Kind::DeviceRevoked => operation
                .with("sequence", &(self.device.next - 1))
                .with("chain", &self.device.chain)
                .with("reason", &"手机遗失"),
            Kind::DeviceForked => operation.with("sequence", &2).with("chain", &Chain::START),
            _ => operation,
        }
    }

    /// What an app of a later version may say: all of it is kept.
    fn later(&mut self) -> Vec<Operation> {
        let mut reported =
            self.operation(Kind::Reported).with("severity", &"catastrophic").with("canopy_gap_dm", &[31, 28]);
        reported.unknown.insert("weather", Raw::of(&BTreeMap::from([("wind_dm_s", 84), ("humidity", 21)])));
        reported.schema = 2;
        let head = Identity::of(&reported.encode()).head();
        let mut surveyed = self.operation(Kind::Commented).after([head]);
        surveyed.kind = KindName::Unknown("drone_surveyed".into());
        surveyed.record = reported.record;
        surveyed.lacking.clear();
        surveyed.fields = Fields::from([("flight", Raw::of(&[1, 2, 3]))]);
        surveyed.schema = 2;
        vec![reported, surveyed]
    }
}

/// The hazard that most operations are about: the first operation reports it.
pub(crate) fn hazard() -> RecordId {
    RecordId(numbered(1))
}

fn record_of(kind: Kind) -> Uuid {
    match kind.record_type() {
        Some(RecordType::Patrol) => {
            let place = Kind::ALL.iter().position(|other| *other == Kind::PatrolStarted).unwrap();
            numbered(u64::try_from(place).unwrap() + 1)
        }
        Some(RecordType::Device) => Key::Device.device().0,
        Some(RecordType::Reference) => named(kind.as_str()),
        _ => hazard().0,
    }
}

/// A value that serde encodes, as the codec keeps it.
pub(crate) fn raw<T: Serialize>(value: &T) -> Raw {
    Raw::of(value)
}

/// The heads of the hazard's record after the kinds before this one.
pub(crate) fn head_of(name: &str) -> Head {
    let golden = bundle(name);
    Identity::of(golden.run.operations.first().unwrap()).head()
}
