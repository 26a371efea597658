//! The fold once more, as naively as its definitions read: for every operation the set of operations it sees, and
//! every rule as a question over all pairs. No fast path, no code shared with the fold but its input and output
//! types. For tests: its cost is cubic.

use std::collections::{BTreeMap, BTreeSet};

use crate::cbor::Raw;
use crate::field::{self, Rule};
use crate::ids::{Head, PersonId, PhotoHash};
use crate::kind::{Kind, RecordType, Signer};
use crate::named::Fields;
use crate::operation::{Identified, KindName, decode_fields};
use crate::view::{
    Act, Closure, Conflict, Disposition, FieldValue, FieldView, PhotoState, PhotoView, Stage, Standing,
    State, View, Writer, WriterIndex,
};

type Set = BTreeSet<Head>;

/// One operation as its definitions see it.
struct Op<'a> {
    said: &'a Identified,
    kind: Option<Kind>,
    name: KindName,
    author: PersonId,
    fields: Fields,
    sees: Set,
    stands: bool,
}

/// All operations by head.
struct Record<'a>(BTreeMap<Head, Op<'a>>);

/// Folds a whole set.
pub fn fold(operations: &[Identified]) -> View {
    let mut by_head: BTreeMap<Head, &Identified> = BTreeMap::new();
    for operation in operations {
        let entry = by_head.entry(operation.head()).or_insert(operation);
        if operation.identity < entry.identity {
            *entry = operation;
        }
    }
    let mut record =
        Record(by_head.iter().map(|(head, said)| (*head, read(&by_head, *head, said))).collect());
    for head in record.retracted() {
        record.0.entry(head).and_modify(|op| op.stands = false);
    }
    for (head, field) in record.redacted() {
        record.0.entry(head).and_modify(|op| {
            if let Some(value) = op.fields.get_mut(&field).filter(|value| value.as_text().is_some()) {
                *value = Raw::of(&"〔已脱敏〕");
            }
        });
    }
    record.view()
}

fn read<'a>(all: &BTreeMap<Head, &'a Identified>, head: Head, said: &'a Identified) -> Op<'a> {
    let operation = &said.operation;
    let mut op = Op {
        said,
        kind: operation.kind.known(),
        name: operation.kind.clone(),
        author: operation.author,
        fields: operation.fields.clone(),
        sees: Set::new(),
        stands: true,
    };
    if op.kind == Some(Kind::Released) {
        let text = operation.fields.get("effective_kind").and_then(Raw::as_text);
        op.kind = text.and_then(Kind::parse).filter(|kind| *kind != Kind::Released);
        op.name = op.kind.map_or(op.name, KindName::Known);
        op.author = operation.fields.get("effective_author").and_then(Raw::decode).unwrap_or(op.author);
        let fields = operation.fields.get("effective_fields");
        op.fields = fields.and_then(|raw| decode_fields(raw.as_bytes()).ok()).unwrap_or_default();
    }
    let mut open: Vec<Head> = operation.heads.iter().copied().filter(|name| *name != head).collect();
    while let Some(name) = open.pop() {
        let Some(ancestor) = all.get(&name) else {
            continue;
        };
        if !operation.lacking.contains(&name) && op.sees.insert(name) {
            open.extend(&ancestor.operation.heads);
        }
    }
    op
}

impl Op<'_> {
    fn is(&self, kinds: &[Kind]) -> bool {
        self.kind.is_some_and(|kind| kinds.contains(&kind))
    }

    fn writes(&self) -> BTreeMap<&str, &Raw> {
        const SILENT: &[Kind] = &[
            Kind::Commented,
            Kind::Photographed,
            Kind::PatrolTrack,
            Kind::Withdrawn,
            Kind::ExtensionAsked,
            Kind::PhotoVerified,
            Kind::Retracted,
        ];
        let is_field = |name: &str| {
            !field::is_argument(name) && !["graded_severity", "lifecycle"].contains(&name) && name.len() <= 64
        };
        if self.kind.is_none() || self.is(SILENT) || !self.stands {
            return BTreeMap::new();
        }
        if self.is(&[Kind::Resolved, Kind::Restored]) {
            let field = self.fields.get("field").and_then(Raw::as_text).filter(|name| is_field(name));
            return field.zip(self.fields.get("value")).into_iter().collect();
        }
        let mut writes: BTreeMap<&str, &Raw> = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .filter(|(name, _)| is_field(name))
            .collect();
        let graded = writes.remove("severity").map(|severity| {
            (if self.is(&[Kind::Graded]) { "graded_severity" } else { "severity" }, severity)
        });
        writes.extend(graded);
        writes
    }
}

const AUTHORITATIVE: &[Kind] = &[Kind::VerificationFailed, Kind::Returned, Kind::Reopened];
const DANGERS: &[Kind] =
    &[Kind::Reported, Kind::Observed, Kind::VerificationFailed, Kind::Returned, Kind::Reopened];
const CURES: &[Kind] = &[Kind::Rectified, Kind::MadeSafe, Kind::NotFound, Kind::Verified, Kind::Closed];
const ENDS: &[Kind] = &[Kind::Void, Kind::Duplicate, Kind::NotOurs];

fn rung(standing: Standing) -> u8 {
    match standing {
        Standing::MadeSafe => 1,
        Standing::Rectified | Standing::NotFound => 2,
        Standing::Verified => 3,
        Standing::Closed | Standing::ClosedNotFound => 4,
        Standing::Unfounded | Standing::Void | Standing::Duplicate | Standing::NotOurs => 0,
    }
}

fn is_not_found(standing: Standing) -> bool {
    matches!(standing, Standing::NotFound | Standing::ClosedNotFound)
}

fn is_end(standing: Standing) -> bool {
    matches!(standing, Standing::Void | Standing::Duplicate | Standing::NotOurs)
}

fn is_closing(standing: Standing) -> bool {
    matches!(standing, Standing::Closed | Standing::ClosedNotFound)
}

fn state_of(standing: Standing) -> State {
    match standing {
        Standing::ClosedNotFound => State::Closed,
        other => State::parse(other.as_str()).unwrap_or(State::Disputed),
    }
}

/// An act before it becomes one of the view.
struct Candidate {
    head: Head,
    standing: Standing,
}

impl<'a> Record<'a> {
    fn sees(&self, later: Head, earlier: Head) -> bool {
        self.0.get(&later).is_some_and(|op| op.sees.contains(&earlier))
    }

    fn all(&self) -> impl Iterator<Item = (Head, &Op<'a>)> {
        self.0.iter().map(|(head, op)| (*head, op))
    }

    /// The members of a set that no other member sees.
    fn maximal(&self, set: &Set) -> Set {
        set.iter().copied().filter(|one| !set.iter().any(|other| self.sees(*other, *one))).collect()
    }

    /// What the office took back: decisions of its own that a retraction names and sees.
    fn retracted(&self) -> Set {
        const DECISIONS: &[Kind] =
            &[Kind::Void, Kind::Duplicate, Kind::NotOurs, Kind::Resolved, Kind::Restored];
        let retractions = self.0.values().filter(|op| op.is(&[Kind::Retracted]));
        let named = retractions.filter_map(|op| {
            let identity = op.fields.get("operation")?.as_byte_string().filter(|hash| hash.len() == 32)?;
            let head = Head::try_from(identity.get(..16)?).ok()?;
            op.sees.contains(&head).then_some(head)
        });
        named.filter(|head| self.0.get(head).is_some_and(|op| op.is(DECISIONS))).collect()
    }

    /// Texts that a redaction blanks: of operations that it names and sees.
    fn redacted(&self) -> BTreeSet<(Head, String)> {
        const DECIDING: [&str; 5] = ["field", "effective_kind", "version", "rule_version", "order_number"];
        let mut redacted = BTreeSet::new();
        for op in self.0.values().filter(|op| op.is(&[Kind::Redacted])) {
            let identity = op.fields.get("operation").and_then(Raw::as_byte_string);
            let identity = identity.filter(|hash| hash.len() == 32);
            let head = identity.and_then(|hash| Head::try_from(hash.get(..16)?).ok());
            let field = op.fields.get("field").and_then(Raw::as_text);
            let is_text = |name: &&str| {
                field::find(name)
                    .is_none_or(|known| matches!(known.value, field::FieldType::Text | field::FieldType::Any))
            };
            let field = field.filter(|name| !DECIDING.contains(name)).filter(is_text);
            if let (Some(head), Some(field)) = (head.filter(|head| op.sees.contains(head)), field) {
                redacted.insert((head, field.to_owned()));
            }
        }
        redacted
    }

    fn writer(&self, head: Head) -> WriterIndex {
        // Every operation is a writer at first; `trim` leaves out those without mention.
        self.0
            .keys()
            .position(|known| *known == head)
            .and_then(|at| at.try_into().ok())
            .unwrap_or(WriterIndex::MAX)
    }

    fn writers(&self, heads: &Set) -> Vec<WriterIndex> {
        heads.iter().map(|head| self.writer(*head)).collect()
    }

    fn view(&self) -> View {
        let kinds = || self.0.values().filter_map(|op| op.kind);
        let opened = kinds().filter(|kind| kind.opens()).filter_map(Kind::record_type).min();
        let record_type = opened.or_else(|| kinds().filter_map(Kind::record_type).min());
        let logged = matches!(record_type, Some(RecordType::Device | RecordType::Reference));
        let named = |op: &Op<'_>| -> Vec<Head> {
            op.said.operation.heads.iter().chain(&op.said.operation.lacking).copied().collect()
        };
        let is_ancestor = |head: Head| {
            self.all().any(|(other, op)| other != head && op.said.operation.heads.contains(&head))
        };
        let missing: Set = self
            .all()
            .flat_map(|(head, op)| named(op).into_iter().filter(move |name| *name != head))
            .filter(|name| !self.0.contains_key(name))
            .collect();
        let mut view = View {
            record_type,
            is_provisional: opened.is_none() && !logged,
            heads: self.0.keys().copied().filter(|head| !is_ancestor(*head)).collect(),
            missing: missing.into_iter().collect(),
            ..View::default()
        };
        view.held =
            self.all().filter(|(_, op)| op.kind.is_none()).map(|(head, _)| self.writer(head)).collect();
        self.rows(&mut view);
        self.fields(&mut view);
        let is_hazard = matches!(record_type, None | Some(RecordType::Hazard));
        if is_hazard {
            self.lifecycle(&mut view);
        } else {
            view.state = State::Recorded;
        }
        let shown = |name| view.shown(name).is_some_and(|value| !value.is_null());
        let bare = |kind: Kind| {
            kind.signer() == Signer::Server
                || matches!(
                    kind,
                    Kind::Reported
                        | Kind::Observed
                        | Kind::Corrected
                        | Kind::Withdrawn
                        | Kind::Commented
                        | Kind::Photographed
                        | Kind::Resolved
                        | Kind::Restored
                        | Kind::Redacted
                        | Kind::WrittenOff
                        | Kind::Retracted
                )
        };
        let standing = || self.0.values().filter(|op| op.stands).filter_map(|op| op.kind);
        if is_hazard && !shown("position") && !shown("category") && !shown("type") && standing().all(bare) {
            view.state = State::Held;
            view.closure = None;
            view.conflicts.clear();
        } else {
            view.conflicts.sort();
            self.dispose(&mut view);
        }
        self.trim(view)
    }

    fn rows(&self, view: &mut View) {
        let mut states: BTreeMap<PhotoHash, PhotoState> = BTreeMap::new();
        let mut names: BTreeMap<PhotoHash, (String, u64)> = BTreeMap::new();
        for op in self.0.values() {
            for photo in &op.said.operation.photos {
                let name = (photo.role.clone(), photo.bytes);
                states.entry(photo.sha256).or_insert(PhotoState::Named);
                names
                    .entry(photo.sha256)
                    .and_modify(|old| *old = name.clone().min(old.clone()))
                    .or_insert(name);
            }
        }
        for (kind, state) in [
            (Kind::WrittenOff, PhotoState::WrittenOff),
            (Kind::PhotoVerified, PhotoState::Verified),
            (Kind::Redacted, PhotoState::Redacted),
        ] {
            for op in self.0.values().filter(|op| op.is(&[kind])) {
                let hash = op.fields.get("photo").and_then(Raw::as_byte_string);
                if let Some(hash) = hash.and_then(|hash| PhotoHash::try_from(hash).ok()) {
                    states.insert(hash, state);
                }
            }
        }
        view.photos = states
            .into_iter()
            .map(|(hash, state)| (hash, PhotoView { state, named: names.get(&hash).cloned() }))
            .collect();
        for op in self.0.values().filter(|op| op.is(&[Kind::WrittenOff])) {
            let lost = op.fields.get("predecessor").and_then(Raw::as_byte_string);
            let lost = lost.and_then(|head| Head::try_from(head).ok());
            view.given_up.extend(lost.filter(|head| view.missing.contains(head)));
        }
        let count = |kind| u64::try_from(self.0.values().filter(|op| op.is(&[kind])).count()).unwrap_or(0);
        view.comments = count(Kind::Commented);
        view.track_pieces = count(Kind::PatrolTrack);
        for op in self.0.values().filter(|op| op.is(&[Kind::Withdrawn])) {
            let target =
                op.fields.get("withdraws").and_then(Raw::as_byte_string).filter(|hash| hash.len() == 32);
            let target = target.and_then(|hash| Head::try_from(hash.get(..16)?).ok());
            let target = target.filter(|head| op.sees.contains(head));
            let is_own = |head: &Head| self.0.get(head).is_some_and(|other| other.author == op.author);
            view.withdrawn.extend(target.filter(is_own));
        }
    }

    fn fields(&self, view: &mut View) {
        let mut all: BTreeMap<&str, BTreeMap<Head, &Raw>> = BTreeMap::new();
        for (head, op) in self.all() {
            for (name, value) in op.writes() {
                all.entry(name).or_default().insert(head, value);
            }
        }
        for (name, writes) in &mut all {
            let is_severity = matches!(*name, "severity" | "graded_severity");
            if is_severity && writes.values().any(|value| !value.is_null()) {
                writes.retain(|_, value| !value.is_null());
            }
            let rule = field::rule(name);
            let set: Set = writes.keys().copied().collect();
            let maximal = self.maximal(&set);
            let value = |head: &Head| writes.get(head).copied();
            let values: BTreeSet<&Raw> = maximal.iter().filter_map(value).collect();
            let mut order: Vec<Head> = maximal.iter().copied().collect();
            let worst = |head: &Head| {
                let value = value(head).filter(|value| !value.is_null());
                value.map_or(0, |value| field::severity_rank(value.as_text().or(Some("unknown"))))
            };
            let accuracy = |head: &Head| {
                let known = value(head).and_then(|value| value.get("accuracy_dm")?.as_integer());
                known.filter(|known| *known >= 0).unwrap_or(i128::MAX)
            };
            let first = match rule {
                Rule::Worse => order.iter().copied().min_by_key(|head| (3 - worst(head), *head)),
                Rule::SmallerAccuracy => order
                    .iter()
                    .copied()
                    .min_by_key(|head| (value(head).is_none_or(Raw::is_null), accuracy(head), *head)),
                Rule::Agree => order.iter().copied().min(),
            };
            order.sort_by_key(|head| (Some(*head) != first, *head));
            let mut base = None;
            if rule == Rule::Agree && values.len() > 1 {
                let known: Set =
                    set.iter().copied().filter(|w| maximal.iter().all(|m| self.sees(*m, *w))).collect();
                let last: BTreeSet<&Raw> = self.maximal(&known).iter().filter_map(value).collect();
                base = last.first().filter(|_| last.len() == 1).map(|value| (*value).clone());
                view.conflicts.push(Conflict {
                    subject: (*name).to_owned(),
                    reason: "values".to_owned(),
                    writers: self.writers(&maximal),
                });
            }
            let values = order
                .iter()
                .filter_map(|head| {
                    Some(FieldValue { writer: self.writer(*head), value: value(head)?.clone() })
                })
                .collect();
            view.fields.insert(*name, FieldView { values, base });
        }
        self.severity(view, &all);
    }

    fn severity(&self, view: &mut View, all: &BTreeMap<&str, BTreeMap<Head, &Raw>>) {
        let empty = BTreeMap::new();
        let of = |name: &str| -> &BTreeMap<Head, &Raw> { all.get(name).unwrap_or(&empty) };
        let gradings: Set = of("graded_severity")
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(head, _)| *head)
            .collect();
        let observed = of("severity");
        let unanswered: Set = self
            .maximal(&observed.keys().copied().collect())
            .into_iter()
            .filter(|head| observed.get(head).is_some_and(|value| !value.is_null()))
            .filter(|head| !gradings.iter().any(|grading| self.sees(*grading, *head)))
            .collect();
        let graded = self.maximal(&gradings);
        let mut terms: Vec<&str> = Vec::new();
        terms.extend(
            unanswered.iter().filter_map(|head| observed.get(head)).map(|v| v.as_text().unwrap_or("unknown")),
        );
        terms.extend(
            graded
                .iter()
                .filter_map(|h| of("graded_severity").get(h))
                .map(|v| v.as_text().unwrap_or("unknown")),
        );
        terms.sort_by_key(|term| match *term {
            "critical" => (0, ""),
            "serious" => (2, ""),
            "general" => (3, ""),
            unknown => (1, unknown),
        });
        view.severity = terms.first().map(|term| (*term).to_owned());
        view.unanswered = self.writers(&unanswered).into_iter().collect();
    }

    fn of_kinds(&self, kinds: &[Kind]) -> Set {
        self.all().filter(|(_, op)| op.is(kinds)).map(|(head, _)| head).collect()
    }

    /// Whether nothing within `sight` answers a cure or end of this standing.
    fn is_live(&self, act: Head, standing: Standing, sight: &Set) -> bool {
        let answers = if standing == Standing::MadeSafe { DANGERS } else { AUTHORITATIVE };
        !sight
            .iter()
            .any(|other| self.0.get(other).is_some_and(|op| op.is(answers)) && self.sees(*other, act))
    }

    fn standing(&self, head: Head, known: &mut BTreeMap<Head, Standing>) -> Standing {
        use Standing::{Closed, ClosedNotFound, MadeSafe, NotFound, Rectified, Unfounded, Verified};
        if let Some(known) = known.get(&head) {
            return *known;
        }
        let Some(op) = self.0.get(&head) else {
            return Unfounded;
        };
        let mut live: BTreeSet<Standing> = BTreeSet::new();
        for cure in op.sees.iter().filter(|seen| self.0.get(seen).is_some_and(|op| op.is(CURES))) {
            let standing = self.standing(*cure, known);
            if self.is_live(*cure, standing, &op.sees) {
                live.insert(standing);
            }
        }
        let any = |standings: &[Standing]| standings.iter().any(|standing| live.contains(standing));
        let standing = match op.kind {
            Some(Kind::MadeSafe) => MadeSafe,
            Some(Kind::NotFound) => NotFound,
            Some(Kind::Verified) if any(&[Rectified, Verified, Closed]) => Verified,
            Some(Kind::Rectified | Kind::Verified) => Rectified,
            _ if any(&[Verified, Closed]) => Closed,
            _ if any(&[NotFound, ClosedNotFound]) => ClosedNotFound,
            _ if any(&[Rectified]) => Rectified,
            _ if any(&[MadeSafe]) => MadeSafe,
            _ => Unfounded,
        };
        known.insert(head, standing);
        standing
    }

    fn acts(&self, view: &mut View) -> Vec<Candidate> {
        let whole: Set = self.0.keys().copied().collect();
        let mut known = BTreeMap::new();
        let mut live: Vec<Candidate> = Vec::new();
        for (head, op) in self.all() {
            let standing = if op.is(CURES) {
                self.standing(head, &mut known)
            } else if op.is(ENDS) && op.stands {
                Standing::parse(op.name.as_str()).unwrap_or(Standing::Void)
            } else {
                continue;
            };
            if self.is_live(head, standing, &whole) {
                live.push(Candidate { head, standing });
            }
        }
        view.evidence = live
            .iter()
            .map(|act| act.standing)
            .filter(|standing| !is_end(*standing) && *standing != Standing::Unfounded)
            .collect();
        let is_superseded = |old: &Candidate| {
            live.iter().filter(|new| self.sees(new.head, old.head)).any(|new| {
                match (is_end(old.standing), is_end(new.standing)) {
                    (true, true) => true,
                    (true, false) => is_closing(new.standing),
                    (false, true) => false,
                    (false, false) if old.standing == Standing::Unfounded => true,
                    (false, false) => {
                        new.standing != Standing::Unfounded && rung(new.standing) >= rung(old.standing)
                    }
                }
            })
        };
        let keep: Vec<bool> = live.iter().map(|act| !is_superseded(act)).collect();
        live.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(act, _)| act).collect()
    }

    #[expect(clippy::too_many_lines, reason = "the rules one after the other, as they are written down")]
    fn lifecycle(&self, view: &mut View) {
        let dangers = self.maximal(&self.of_kinds(DANGERS));
        view.dangers = self.writers(&dangers).into_iter().collect();
        let mut stages = Vec::new();
        for (head, op) in self.all() {
            let Some((state, rank)) = stage(op) else {
                continue;
            };
            let is_replaced = self.all().filter(|(later, _)| self.sees(*later, head)).any(|(_, later)| {
                stage(later).is_some_and(|(_, later_rank)| later_rank >= rank || is_forced(later))
            });
            if !is_replaced {
                stages.push((rank, Stage { writer: self.writer(head), state }));
            }
        }
        let acts = self.acts(view);
        let is_founded = |act: &&Candidate| act.standing != Standing::Unfounded;
        let is_sound = |act: &Candidate| dangers.iter().all(|danger| self.sees(act.head, *danger));
        let cures: Vec<&Candidate> =
            acts.iter().filter(is_founded).filter(|act| !is_end(act.standing)).collect();
        let unseen = |act: &Candidate| -> Set {
            cures
                .iter()
                .map(|cure| cure.head)
                .filter(|cure| *cure != act.head && !self.sees(act.head, *cure))
                .collect()
        };
        for act in &acts {
            let is_outranked = act.standing != Standing::Unfounded
                && !is_end(act.standing)
                && cures.iter().any(|cure| {
                    unseen(act).contains(&cure.head)
                        && rung(cure.standing) > rung(act.standing)
                        && is_not_found(cure.standing) == is_not_found(act.standing)
                });
            view.acts.push(Act {
                writer: self.writer(act.head),
                standing: act.standing,
                is_sound: is_sound(act),
                has_unseen: is_end(act.standing) && !unseen(act).is_empty(),
                is_outranked,
                pending: if is_closing(act.standing) {
                    self.pending(act.head, view)
                } else {
                    BTreeSet::new()
                },
            });
        }
        let founded: Vec<&Candidate> = acts.iter().filter(is_founded).collect();
        let sound: Vec<&Candidate> = founded.iter().copied().filter(|act| is_sound(act)).collect();
        let mut conflict = |reason: &str, heads: Set| {
            let writers = self.writers(&heads);
            view.conflicts.push(Conflict {
                subject: "lifecycle".to_owned(),
                reason: reason.to_owned(),
                writers,
            });
        };
        let heads = |acts: &[&Candidate]| -> Set { acts.iter().map(|act| act.head).collect() };
        let ends: Vec<&Candidate> = founded.iter().copied().filter(|act| is_end(act.standing)).collect();
        let unaware: Vec<&Candidate> = ends.iter().copied().filter(|end| !unseen(end).is_empty()).collect();
        let unseen_cures: Set = unaware.iter().flat_map(|end| unseen(end)).collect();
        let (sound_ends, sound_cures): (Vec<&Candidate>, Vec<&Candidate>) =
            sound.iter().copied().partition(|act| is_end(act.standing));
        let one = |acts: &[&Candidate]| {
            let standings: BTreeSet<Standing> = acts.iter().map(|act| act.standing).collect();
            standings.first().copied().filter(|_| standings.len() == 1)
        };
        view.state = if !sound_cures.is_empty() {
            if !unaware.is_empty() {
                conflict("office-act-waits", &heads(&unaware) | &unseen_cures);
            }
            let knowing: Vec<&Candidate> =
                sound_ends.iter().copied().filter(|end| unseen(end).is_empty()).collect();
            let paths: BTreeSet<bool> = sound_cures.iter().map(|act| is_not_found(act.standing)).collect();
            if !knowing.is_empty() {
                one(&knowing).map_or_else(
                    || {
                        conflict("ends-differ", heads(&knowing));
                        State::Disputed
                    },
                    state_of,
                )
            } else if paths.len() > 1 {
                conflict("ends-differ", heads(&sound_cures));
                State::Disputed
            } else {
                let furthest =
                    sound_cures.iter().map(|act| act.standing).max_by_key(|standing| rung(*standing));
                furthest.map_or(State::Disputed, state_of)
            }
        } else if !sound_ends.is_empty() {
            let blind: Vec<&Candidate> =
                sound_ends.iter().copied().filter(|end| !unseen(end).is_empty()).collect();
            if one(&sound_ends).is_none() {
                conflict("ends-differ", heads(&sound_ends));
            }
            if !blind.is_empty() {
                conflict("disputed", &heads(&blind) | &unseen_cures);
            }
            one(&sound_ends).filter(|_| blind.is_empty()).map_or(State::Disputed, state_of)
        } else if !founded.is_empty() {
            let unknown: Set = dangers
                .iter()
                .copied()
                .filter(|danger| founded.iter().any(|act| !self.sees(act.head, *danger)))
                .collect();
            conflict("disputed", &heads(&founded) | &unknown);
            State::Disputed
        } else {
            stages.iter().max_by_key(|(rank, _)| *rank).map_or(State::Reported, |(_, stage)| stage.state)
        };
        let unfounded: Set =
            acts.iter().filter(|act| act.standing == Standing::Unfounded).map(|act| act.head).collect();
        if !unfounded.is_empty() {
            conflict("closure-unfounded", unfounded);
        }
        view.stage = stages.into_iter().map(|(_, stage)| stage).collect();
        if view.state == State::Closed {
            let closings = view.acts.iter().filter(|act| act.is_sound && is_closing(act.standing));
            let is_final = closings.into_iter().any(|act| act.pending.is_empty());
            view.closure = Some(if is_final { Closure::Final } else { Closure::Pending });
        }
    }

    fn pending(&self, closing: Head, view: &View) -> BTreeSet<PhotoHash> {
        let past = |head: Head| head == closing || self.sees(closing, head);
        self.all()
            .filter(|(head, _)| past(*head))
            .flat_map(|(_, op)| op.said.operation.photos.iter().map(|photo| photo.sha256))
            .filter(|hash| view.photos.get(hash).is_some_and(|photo| photo.state == PhotoState::Named))
            .collect()
    }

    fn dispose(&self, view: &mut View) {
        for writer in self.0.keys().map(|head| self.writer(*head)) {
            let act = view.acts.iter().find(|act| act.writer == writer);
            let is_joined = act.is_some_and(|act| {
                act.standing != Standing::Unfounded
                    && view.acts.iter().any(|other| other.writer != writer && other.standing == act.standing)
            });
            let is_ruled = view.fields.iter().any(|(name, field)| {
                let values: BTreeSet<&Raw> = field.values.iter().map(|value| &value.value).collect();
                field::rule(name) != Rule::Agree
                    && values.len() > 1
                    && field.values.iter().any(|value| value.writer == writer)
            });
            let disposition = if view.held.contains(&writer) {
                Disposition::Held
            } else if view.conflicts.iter().any(|conflict| conflict.writers.contains(&writer)) {
                Disposition::Conflict
            } else if is_joined {
                Disposition::Joined
            } else if is_ruled || act.is_some_and(|act| act.is_outranked) {
                Disposition::Merged
            } else {
                continue;
            };
            view.dispositions.insert(writer, disposition);
        }
    }

    /// Leaves out writers without mention.
    fn trim(&self, mut view: View) -> View {
        let mut used: BTreeSet<WriterIndex> = BTreeSet::new();
        each_index(&mut view, &mut |index| {
            used.insert(*index);
        });
        let new =
            |old: WriterIndex| used.iter().position(|known| *known == old).and_then(|at| at.try_into().ok());
        each_index(&mut view, &mut |index| *index = new(*index).unwrap_or(WriterIndex::MAX));
        view.writers = self
            .all()
            .filter(|(head, _)| used.contains(&self.writer(*head)))
            .map(|(head, op)| Writer { head, kind: op.name.clone(), author: op.author })
            .collect();
        view
    }
}

fn stage(op: &Op<'_>) -> Option<(State, u8)> {
    Some(match op.kind? {
        Kind::Returned => (State::Returned, 0),
        Kind::Reported | Kind::Observed | Kind::Corrected => (State::Reported, 1),
        Kind::Graded | Kind::Disputed => (State::Graded, 2),
        Kind::Ordered | Kind::Reordered => (State::Ordered, 3),
        Kind::Receipted | Kind::CarriedReviewed | Kind::VerificationFailed | Kind::Reopened => {
            (State::Rectifying, 4)
        }
        Kind::Carried => (State::Carried, 5),
        _ => return None,
    })
}

/// Whether a stage takes the place of a higher one, too.
fn is_forced(op: &Op<'_>) -> bool {
    let only_up = [Kind::Reported, Kind::Observed, Kind::Corrected, Kind::Graded, Kind::Ordered];
    !op.is(&only_up)
}

fn each_index(view: &mut View, visit: &mut dyn FnMut(&mut WriterIndex)) {
    let mut each = |set: &mut BTreeSet<WriterIndex>| {
        let mut all: Vec<WriterIndex> = set.iter().copied().collect();
        all.iter_mut().for_each(&mut *visit);
        *set = all.into_iter().collect();
    };
    each(&mut view.unanswered);
    each(&mut view.dangers);
    each(&mut view.held);
    view.fields.values_mut().flat_map(|field| &mut field.values).for_each(|value| visit(&mut value.writer));
    view.acts.iter_mut().for_each(|act| visit(&mut act.writer));
    view.stage.iter_mut().for_each(|stage| visit(&mut stage.writer));
    view.conflicts.iter_mut().flat_map(|conflict| &mut conflict.writers).for_each(&mut *visit);
    let dispositions: Vec<_> = std::mem::take(&mut view.dispositions).into_iter().collect();
    for (mut writer, disposition) in dispositions {
        visit(&mut writer);
        view.dispositions.insert(writer, disposition);
    }
}

/// Whether one operation of a set sees another.
pub fn sees(operations: &[Identified], later: &Identified, earlier: &Identified) -> bool {
    let by_head = operations.iter().map(|operation| (operation.head(), operation)).collect();
    read(&by_head, later.head(), later).sees.contains(&earlier.head())
}
