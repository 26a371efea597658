//! One hazard as four inspectors and the office make it: at most six operations, each in its maker's chain.
//!
//! Every scenario has one schedule of [`Schedule::ALL`] at its heart and chance around it. Which schedules it
//! really holds is then read off its operations, not off how it was made.

use std::collections::BTreeSet;

use firebreak_tests::district::{DEVICES, OFFICE, Team};
use firebreak_tests::phone::MORNING_MS;
use fixtures::dice::Dice;
use sync_protocol::cbor::Raw;
use sync_protocol::ids::{Chain, Head, Identity, OperationId, PhotoHash, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use sync_protocol::operation::{Identified, Operation, Photo, Position, Stamp};

const OPERATIONS: usize = 6;

/// A schedule that must be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Schedule {
    ConcurrentCures,
    DangerAndCure,
    VoidAndVerify,
    /// An author's copy named an ancestor and did not have it.
    LackingAncestor,
    Release,
    Fork,
    SameIdOtherBytes,
    LateDuplicateClose,
    PhotoVerified,
    /// Of a later version.
    UnknownKind,
}

impl Schedule {
    pub(super) const ALL: [Self; 10] = [
        Self::ConcurrentCures,
        Self::DangerAndCure,
        Self::VoidAndVerify,
        Self::LackingAncestor,
        Self::Release,
        Self::Fork,
        Self::SameIdOtherBytes,
        Self::LateDuplicateClose,
        Self::PhotoVerified,
        Self::UnknownKind,
    ];
}

/// One operation.
pub(super) struct Step {
    pub(super) lane: usize,
    /// A cloned phone goes on in branch 1.
    pub(super) branch: usize,
    pub(super) made: Identified,
    pub(super) bytes: Vec<u8>,
    pub(super) is_quarantined: bool,
}

/// Operations in the order in which they were made.
pub(super) struct Scenario {
    pub(super) steps: Vec<Step>,
    /// A lane whose phone is revoked, and the point of its chain up to which it is trusted.
    pub(super) revoked: Option<(usize, (u64, Chain))>,
    record: RecordId,
    dice: Dice,
    team: Vec<sync_protocol::ids::PersonId>,
}

impl Scenario {
    /// The scenario of a number.
    pub(super) fn new(seed: u64, number: usize, team: &Team) -> Self {
        let mut dice = Dice::named(seed, &format!("scenario {number}"));
        let record = RecordId(dice.uuid_at(MORNING_MS));
        let mut scenario =
            Self { steps: Vec::new(), revoked: None, record, dice, team: team.persons.clone() };
        let report = scenario.report();
        let report = scenario.add(0, 0, report);
        scenario.heart(Schedule::ALL[number % Schedule::ALL.len()], report);
        while scenario.steps.len() < OPERATIONS && scenario.dice.chance(80) {
            scenario.anything();
        }
        // Sometimes the report never comes.
        if scenario.dice.chance(15) && scenario.steps.iter().filter(|step| step.lane == 0).count() == 1 {
            scenario.steps.remove(0);
        }
        if number >= Schedule::ALL.len() {
            scenario.revoke();
        }
        scenario
    }

    /// Revokes the phone of lane 1 or 2 somewhere in its chain: what lies beyond waits, whatever comes first.
    fn revoke(&mut self) {
        let lane = 1 + self.dice.index(2);
        let main = |step: &&Step| step.lane == lane && step.branch == 0;
        let identities: Vec<Identity> =
            self.steps.iter().filter(main).map(|step| step.made.identity).collect();
        let is_alone = self.steps.iter().all(|step| step.lane == lane || step.is_quarantined);
        if identities.is_empty() || is_alone {
            return;
        }
        let kept = self.dice.index(identities.len());
        let (trusted, beyond) = identities.split_at(kept);
        let chain = trusted.iter().fold(Chain::START, |chain, identity| chain.next(identity));
        self.revoked = Some((lane, (u64::try_from(kept).unwrap(), chain)));
        for step in self.steps.iter_mut().filter(|step| step.lane == lane) {
            step.is_quarantined |= step.branch > 0 || beyond.contains(&step.made.identity);
        }
    }

    fn heart(&mut self, schedule: Schedule, report: Head) {
        match schedule {
            Schedule::ConcurrentCures => {
                let others = [Kind::MadeSafe, Kind::NotFound, Kind::Rectified];
                let other = self.dice.pick(&others).copied().unwrap();
                self.act(1, Kind::Rectified, &[report]);
                self.act(2, other, &[report]);
            }
            Schedule::DangerAndCure => {
                let danger = self.operation(1, Kind::Observed, &[report]).with("severity", &"critical");
                self.add(1, 0, danger);
                self.act(2, Kind::Rectified, &[report]);
            }
            Schedule::VoidAndVerify => {
                let cure = self.act(1, Kind::Rectified, &[report]);
                self.act(2, Kind::Verified, &[cure]);
                self.act(OFFICE, Kind::Void, &[cure]);
            }
            Schedule::LackingAncestor => {
                let edit = self.operation(1, Kind::Corrected, &[report]).with("description", &"甲");
                let edit = self.add(1, 0, edit);
                let mut cure = self.operation(2, Kind::Rectified, &[edit]).with("description", &"乙");
                cure.lacking = vec![report];
                self.add(2, 0, cure);
            }
            Schedule::Release => self.release(report),
            Schedule::Fork => {
                let first = self.operation(1, Kind::Observed, &[report]).with("severity", &"general");
                self.add(1, 0, first);
                let clone = self.operation(1, Kind::MadeSafe, &[report]);
                self.add(1, 1, clone);
            }
            Schedule::SameIdOtherBytes => {
                if self.dice.chance(50) {
                    let again = self.report().with("description", &"同一编号，另一内容");
                    self.add(3, 0, again);
                } else {
                    let one = self.operation(1, Kind::Observed, &[report]).with("species", &"杉木");
                    let mut other = one.clone().with("species", &"马尾松");
                    other.author = self.team[2];
                    self.add(1, 0, one);
                    self.add(2, 0, other);
                }
            }
            Schedule::LateDuplicateClose => {
                let cure = self.act(1, Kind::Rectified, &[report]);
                let verified = self.act(2, Kind::Verified, &[cure]);
                self.act(OFFICE, Kind::Closed, &[verified]);
                self.act(OFFICE, Kind::Closed, &[verified]);
            }
            Schedule::PhotoVerified => {
                let mut cure = self.operation(1, Kind::Rectified, &[report]);
                cure.photos = vec![Photo { role: "after".to_owned(), bytes: 9, sha256: PhotoHash([7; 32]) }];
                let cure = self.add(1, 0, cure);
                let verified = self.act(2, Kind::Verified, &[cure]);
                self.act(OFFICE, Kind::Closed, &[verified]);
                let seen = self.operation(OFFICE, Kind::PhotoVerified, &[cure]);
                let seen = seen.with("photo", &PhotoHash([7; 32]));
                self.add(OFFICE, 0, seen);
            }
            Schedule::UnknownKind => {
                let mut later = self.operation(1, Kind::Observed, &[report]).with("severity", &"critical");
                later.kind = "of_tomorrow".into();
                self.add(1, 0, later);
                self.act(2, Kind::Rectified, &[report]);
            }
        }
    }

    /// A cure that is quarantined, for its text or its author, and its release.
    fn release(&mut self, report: Head) {
        let text = self.dice.chance(50);
        let mut bad = self.operation(1, Kind::Rectified, &[report]).with("measures", &"清理");
        if text {
            bad = bad.with("remarks", &"坏\0字");
        } else {
            bad.author = self.team[OFFICE];
        }
        let identity = Identity::of(&bad.encode());
        self.add(1, 0, bad);
        self.steps.last_mut().unwrap().is_quarantined = true;
        let fields = Fields::from([("measures", Raw::of(&"清理"))]);
        let fields = Raw::from_checked(&sync_protocol::operation::encode_fields(&fields));
        let mut release = self.operation(OFFICE, Kind::Released, &[report]);
        release = release.with("operation", &identity).with("effective_kind", &"rectified");
        release = release.with("effective_author", &self.team[1]);
        release.fields.insert("effective_fields", fields);
        self.add(OFFICE, 0, release);
    }

    /// Any kind, after any one or two of what there is.
    fn anything(&mut self) {
        const FIELD: &[Kind] = &[
            Kind::Observed,
            Kind::Corrected,
            Kind::Commented,
            Kind::Rectified,
            Kind::MadeSafe,
            Kind::NotFound,
            Kind::Verified,
            Kind::VerificationFailed,
        ];
        const DESK: &[Kind] =
            &[Kind::Graded, Kind::Returned, Kind::Ordered, Kind::Closed, Kind::Reopened, Kind::NotOurs];
        let lane = self.dice.index(DEVICES + 1);
        let kinds = if lane == OFFICE { DESK } else { FIELD };
        let kind = *self.dice.pick(kinds).unwrap();
        let known: Vec<Head> =
            self.steps.iter().filter(|step| !step.is_quarantined).map(|step| step.made.head()).collect();
        let after: Vec<Head> =
            (0..=self.dice.index(2)).filter_map(|_| self.dice.pick(&known).copied()).collect();
        let mut operation = self.operation(lane, kind, &after);
        if kind == Kind::Commented {
            operation = operation.with("text", &"已通知户主");
        }
        for (field, values) in [
            ("severity", ["critical", "serious", "general"]),
            ("description", ["甲", "乙", "丙"]),
            ("township", ["云顶", "青坪", "石门"]),
        ] {
            if self.dice.chance(40) {
                operation = operation.with(field, &self.dice.word(&values));
            }
        }
        self.add(lane, 0, operation);
    }

    fn report(&mut self) -> Operation {
        let stamp = Stamp { wall_ms: MORNING_MS, ..Stamp::default() };
        let position = Position { lat_e7: 299_800_000, lon_e7: 1_030_100_000, ..Position::default() };
        let id = OperationId(self.record.0);
        Operation::new(id, self.record, Kind::Reported, self.team[0], stamp)
            .with("category", &"corridor")
            .with("type", &"tree")
            .with("severity", &"serious")
            .with("position", &position)
    }

    fn operation(&mut self, lane: usize, kind: Kind, after: &[Head]) -> Operation {
        let id = OperationId(self.dice.uuid_at(MORNING_MS));
        let wall_ms = MORNING_MS + i64::try_from(self.steps.len()).unwrap() * 60_000;
        let stamp = Stamp { wall_ms, ..Stamp::default() };
        Operation::new(id, self.record, kind, self.team[lane], stamp).after(after.iter().copied())
    }

    fn act(&mut self, lane: usize, kind: Kind, after: &[Head]) -> Head {
        let operation = self.operation(lane, kind, after);
        self.add(lane, 0, operation)
    }

    fn add(&mut self, lane: usize, branch: usize, mut operation: Operation) -> Head {
        if lane == 3 && operation.kind.as_str() == "reported" {
            operation.author = self.team[3];
        }
        let bytes = operation.encode();
        let made = Identified { identity: Identity::of(&bytes), operation };
        let head = made.head();
        self.steps.push(Step { lane, branch, made, bytes, is_quarantined: false });
        head
    }

    /// What is folded.
    pub(super) fn folded(&self) -> Vec<Identified> {
        self.steps.iter().filter(|step| !step.is_quarantined).map(|step| step.made.clone()).collect()
    }

    pub(super) fn record(&self) -> RecordId {
        self.record
    }

    /// Schedules that the operations hold.
    pub(super) fn schedules(&self) -> BTreeSet<Schedule> {
        use Schedule as S;
        let mut found = BTreeSet::new();
        let cure = |kind| matches!(kind, Kind::Rectified | Kind::MadeSafe | Kind::NotFound | Kind::Verified);
        let danger = |kind| matches!(kind, Kind::Observed | Kind::VerificationFailed);
        for (index, one) in self.steps.iter().enumerate() {
            let Some(kind) = one.made.operation.kind.known() else {
                found.insert(S::UnknownKind);
                continue;
            };
            if one.made.operation.lacking.iter().any(|head| self.is_below(one, *head)) {
                found.insert(S::LackingAncestor);
            }
            if kind == Kind::Released {
                found.insert(S::Release);
            }
            if one.branch > 0 {
                found.insert(S::Fork);
            }
            if kind == Kind::PhotoVerified {
                found.insert(S::PhotoVerified);
            }
            for other in &self.steps[index + 1..] {
                let Some(second) = other.made.operation.kind.known() else { continue };
                if other.made.operation.id == one.made.operation.id {
                    found.insert(S::SameIdOtherBytes);
                }
                if self.sees(other, one) || other.is_quarantined || one.is_quarantined {
                    continue;
                }
                let pair = [(kind, second), (second, kind)];
                if cure(kind) && cure(second) {
                    found.insert(S::ConcurrentCures);
                }
                if pair.iter().any(|(a, b)| danger(*a) && cure(*b)) {
                    found.insert(S::DangerAndCure);
                }
                if pair.contains(&(Kind::Void, Kind::Verified)) {
                    found.insert(S::VoidAndVerify);
                }
                if kind == Kind::Closed && second == Kind::Closed {
                    found.insert(S::LateDuplicateClose);
                }
            }
        }
        found
    }

    /// Whether some author lacked the operation of these bytes.
    pub(super) fn is_lacked(&self, bytes: &[u8]) -> bool {
        let head = Identity::of(bytes).head();
        self.steps.iter().any(|step| step.made.operation.lacking.contains(&head))
    }

    /// What the author of these bytes says that they lacked.
    pub(super) fn lacking(&self, bytes: &[u8]) -> &[Head] {
        let step = self.steps.iter().find(|step| step.bytes == bytes);
        step.map_or(&[], |step| &step.made.operation.lacking)
    }

    /// Whether this is an ancestor of a step, by name: whether or not it ever came.
    fn is_below(&self, step: &Step, ancestor: Head) -> bool {
        let mut open: Vec<Head> = step.made.operation.heads.clone();
        while let Some(head) = open.pop() {
            if head == ancestor {
                return true;
            }
            let named = self.steps.iter().find(|step| step.made.head() == head);
            open.extend(named.into_iter().flat_map(|step| step.made.operation.heads.clone()));
        }
        false
    }

    /// Whether a later step had seen an earlier one.
    fn sees(&self, later: &Step, earlier: &Step) -> bool {
        let mut open: Vec<Head> = later.made.operation.heads.clone();
        let lacking = &later.made.operation.lacking;
        while let Some(head) = open.pop() {
            if lacking.contains(&head) {
                continue;
            }
            if head == earlier.made.head() {
                return true;
            }
            let step = self.steps.iter().find(|step| step.made.head() == head);
            open.extend(step.into_iter().flat_map(|step| step.made.operation.heads.clone()));
        }
        false
    }
}
