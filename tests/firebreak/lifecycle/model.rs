//! Random lifecycles: people of every role, phones that know too little, acts that arrive late and out of order. Whatever
//! happens, a command is done only where the bureau's table says so, and a closed hazard has its evidence.
//!
//! The table here was written from the bureau's rules and shares nothing with the server's: [`RULES`].

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use fixtures::dice::Dice;
use serde_json::{Value, json};
use sync_protocol::ids::{Head, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

use super::photo;

/// Command, the states that it may be given in, who may give it.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str]);

const REVIEW: &[&str] = &["reviewer", "leader", "admin"];
const ISSUE: &[&str] = &["clerk", "leader", "admin"];
const UNCURED: &[&str] =
    &["held", "reported", "returned", "graded", "ordered", "rectifying", "carried", "not_found", "disputed"];

const RULES: &[Rule] = &[
    ("grade", &["reported", "graded", "ordered", "rectifying", "carried"], REVIEW),
    ("return", &["reported"], REVIEW),
    ("resubmit", &["returned"], &["reviewer", "clerk", "leader", "admin"]),
    ("void", UNCURED, REVIEW),
    ("not-ours", &["held", "reported", "returned", "graded", "not_found", "disputed"], REVIEW),
    ("order", &["graded"], ISSUE),
    ("receipt", &["ordered"], ISSUE),
    ("dispute", &["ordered"], ISSUE),
    ("ask-extension", &["ordered", "rectifying"], ISSUE),
    ("grant-extension", &["ordered", "rectifying"], REVIEW),
    ("refuse-extension", &["ordered", "rectifying"], REVIEW),
    ("carry", &["rectifying", "carried"], &["leader"]),
    ("review-carried", &["carried"], &["leader"]),
    ("make-safe", UNCURED, &["reinspector", "reviewer", "clerk", "leader", "admin"]),
    ("not-found", UNCURED, &["reinspector", "reviewer", "clerk", "leader", "admin"]),
    ("rectify", &["reported", "graded", "ordered", "rectifying", "carried"], ISSUE),
    ("verify", &["rectified", "disputed"], &["reinspector", "admin"]),
    ("uphold", &["disputed"], REVIEW),
    ("fail-verification", &["rectified", "verified", "disputed"], &["reinspector", "admin"]),
    ("close", &["verified", "not_found", "closed"], REVIEW),
    ("reopen", &["disputed", "not_found", "void", "duplicate", "not_ours"], REVIEW),
];

/// What leads on to closure.
const ONWARDS: [(&str, &str); 6] = [
    ("reported", "grade"),
    ("graded", "order"),
    ("ordered", "receipt"),
    ("rectifying", "rectify"),
    ("rectified", "verify"),
    ("verified", "close"),
];

/// Two people of each role: who may not sign for themselves finds another.
const ROLES: [&str; 5] = ["reviewer", "clerk", "leader", "reinspector", "admin"];
const HAZARDS: usize = 8;
const STEPS: usize = 160;

/// What each run must have met at least once.
#[derive(Debug, Default)]
struct Met {
    done: u64,
    refused: u64,
    moved_on: u64,
    beside: u64,
    late: u64,
    closed: u64,
    ordered: u64,
}

struct World {
    server: Server,
    office: Client,
    people: Vec<(&'static str, Client)>,
    phones: Vec<Phone>,
    hazards: Vec<RecordId>,
    /// Heads of a hazard as somebody saw them, and where it stood.
    seen: BTreeMap<RecordId, (Value, String)>,
    /// Operations that phones hold back, by phone, in the order of recording.
    kept: Vec<Vec<Operation>>,
    dice: Dice,
    met: Met,
}

impl World {
    async fn new(backend: Backend, seed: u64) -> Result<Self> {
        let server = Server::start(backend).await?;
        let mut people = Vec::new();
        for role in ROLES.into_iter().chain(ROLES) {
            let person = server.add_person(role).await?;
            people.push((role, server.client_of(&server.create_token(&person).await?)?));
        }
        let mut phones = Vec::new();
        let mut hazards = Vec::new();
        for nth in 0..3_usize {
            let mut phone = Phone::enrol(&server).await?;
            let reports: Vec<Operation> = (nth..HAZARDS)
                .step_by(3)
                .map(|nth| phone.report(["general", "serious", "critical"][nth % 3]))
                .collect();
            hazards.extend(reports.iter().map(|report| report.record));
            let bundle = phone.seal(&reports);
            phone.sync(&[bundle]).await?;
            phones.push(phone);
        }
        let (office, dice) = (server.client()?, Dice::named(seed, "lifecycle"));
        let kept = vec![Vec::new(); phones.len()];
        Ok(Self {
            server,
            office,
            people,
            phones,
            hazards,
            seen: BTreeMap::new(),
            kept,
            dice,
            met: Met::default(),
        })
    }

    async fn record(&self, record: RecordId) -> Result<Value> {
        self.office.json(&format!("/v1/hazards/{record}")).await
    }

    /// A phone records something on what it last saw, and perhaps hands in what it kept.
    async fn in_the_field(&mut self) -> Result<()> {
        let nth = self.dice.index(self.phones.len());
        let record = *self.dice.pick(&self.hazards).context("no hazards")?;
        let kinds = [
            Kind::Observed,
            Kind::Rectified,
            Kind::MadeSafe,
            Kind::NotFound,
            Kind::Verified,
            Kind::Commented,
        ];
        let kind = *self.dice.pick(&kinds).context("no kinds")?;
        // It may know nothing but the report.
        let heads = if self.dice.chance(60) { heads(&self.record(record).await?)? } else { Vec::new() };
        let operation = self.phones[nth].on(record, kind, heads).with("remarks", &"现场记录");
        self.kept[nth].push(operation);
        if self.dice.chance(40) {
            self.hand_in(nth).await?;
        }
        Ok(())
    }

    async fn hand_in(&mut self, nth: usize) -> Result<()> {
        let operations = std::mem::take(&mut self.kept[nth]);
        for part in operations.chunks(2) {
            let bundle = self.phones[nth].seal(part);
            // A lost reply: the same bytes again.
            self.phones[nth].sync(std::slice::from_ref(&bundle)).await?;
            self.phones[nth].sync(&[bundle]).await?;
            self.met.late += 1;
        }
        Ok(())
    }

    /// Somebody of the office gives a command, rightly or not.
    async fn at_a_desk(&mut self) -> Result<()> {
        let record = *self.dice.pick(&self.hazards).context("no hazards")?;
        let before = self.record(record).await?;
        let state = before["state"].as_str().context("no state")?.to_owned();
        let (mut role, mut client) = self.dice.pick(&self.people).context("no people")?.clone();
        // Mostly something that leads on.
        let fitting: Vec<&Rule> = RULES
            .iter()
            .filter(|(_, from, who)| from.contains(&state.as_str()) && who.contains(&role))
            .collect();
        let (mut command, mut from, mut who) = match self.dice.pick(&fitting) {
            Some(fitting) if self.dice.chance(75) => **fitting,
            _ => *self.dice.pick(RULES).context("no rules")?,
        };
        // Half of the time it goes on as it should.
        let next = ONWARDS.iter().find(|(at, _)| *at == state).filter(|_| self.dice.chance(50));
        if let Some((_, onwards)) = next {
            (command, from, who) = *RULES.iter().find(|(name, ..)| name == onwards).context("no rule")?;
            let able: Vec<&(&str, Client)> = self.people.iter().filter(|it| who.contains(&it.0)).collect();
            (role, client) = (*self.dice.pick(&able).context("nobody")?).clone();
        }
        let mut body = self.body(command);
        let stands = stands(&before);
        // What was seen earlier, and where it stood then.
        let earlier = self.seen.get(&record).filter(|(heads, _)| *heads != before["heads"]).cloned();
        let earlier = earlier.filter(|_| self.dice.chance(50));
        let beside = earlier.is_some() && self.dice.chance(50);
        let mut judged = stands.clone();
        if let Some((heads, stood)) = &earlier {
            body["heads"] = heads.clone();
            body["beside"] = json!(beside);
            if beside {
                judged.clone_from(stood);
            }
        } else if self.dice.chance(50) {
            body["heads"] = before["heads"].clone();
        }
        if self.dice.chance(30) {
            self.seen.insert(record, (before["heads"].clone(), stands));
        }
        let path = format!("/v1/hazards/{record}/commands/{command}");
        let reply = client.post(&path, &body).await?;
        let may = from.contains(&judged.as_str()) && who.contains(&role);
        match reply.status {
            200 => {
                let is_seen = earlier.is_none() || beside;
                ensure!(may && is_seen, "{role} gave {command} on {state} ({judged}): {}", reply.text());
                self.met.done += 1;
                self.met.beside += u64::from(beside);
            }
            412 if earlier.is_some() && !beside => self.met.moved_on += 1,
            409 | 403 => self.met.refused += 1,
            status => anyhow::bail!("{command}: {status} {}", reply.text()),
        }
        Ok(())
    }

    /// What a command says: mostly enough.
    fn body(&mut self, command: &str) -> Value {
        let in_days = |days: i64| jiff::Timestamp::now().as_millisecond() + days * 86_400_000;
        let digit = self.dice.word(&["1", "2", "3", "4"]);
        let mut body = match command {
            "grade" => {
                json!({"fields": {"severity": self.dice.word(&["general", "serious"])}})
            }
            "return" | "void" | "not-ours" | "dispute" | "refuse-extension" | "review-carried" | "uphold"
            | "reopen" => json!({"fields": {"reason": "情况属实"}}),
            "resubmit" => json!({"fields": {"remarks": "已补充"}}),
            "order" => json!({"fields": {"responsible_unit": "云顶供电所", "measures": "伐除超高树木"}}),
            "ask-extension" | "grant-extension" => {
                json!({"fields": {"reason": "等采伐许可", "deadline_ms": in_days(self.dice.between(20, 400))}})
            }
            "carry" => json!({"fields": {"plan": "每周巡视", "review_at_ms": in_days(30)}}),
            "make-safe" => json!({"fields": {"measures": "拉绳固定"}, "photos": [photo("site", digit)]}),
            "not-found" => json!({
                "fields": {"position": {"lat_e7": 299_800_000, "lon_e7": 1_030_100_000}},
                "photos": [photo("site", digit)],
            }),
            "rectify" => json!({"fields": {"quantity": 3}, "photos": [photo("after", digit)]}),
            "verify" | "fail-verification" => json!({"fields": {"verdict": "现场复查", "measured_dm": 64}}),
            "close" => json!({"fields": {"reason": "已核实"}}),
            _ => json!({}),
        };
        if self.dice.chance(10) {
            body = json!({});
        }
        body
    }

    /// Everything that must hold of a hazard at the end.
    fn judge(&mut self, told: &Value) -> Result<()> {
        let operations = told["operations"].as_array().context("no operations")?;
        let by = |kind: &str| -> BTreeSet<&str> {
            operations.iter().filter(|it| it["kind"] == kind).filter_map(|it| it["author"].as_str()).collect()
        };
        let says = |kind: &str, field: &str| {
            let of_kind = operations.iter().filter(|it| it["kind"] == kind);
            of_kind.clone().count() == of_kind.filter(|it| !it["fields"][field].is_null()).count()
        };
        for (kind, field) in [
            ("graded", "severity"),
            ("returned", "reason"),
            ("void", "reason"),
            ("not_ours", "reason"),
            ("ordered", "order_number"),
            ("ordered", "deadline_ms"),
            ("ordered", "responsible_unit"),
            ("ordered", "measures"),
            ("disputed", "reason"),
            ("extension_granted", "deadline_ms"),
            ("carried", "plan"),
            ("carried", "review_at_ms"),
        ] {
            ensure!(says(kind, field), "a {kind} without {field}: {told}");
        }
        self.met.ordered += u64::from(!by("ordered").is_empty());
        if told["state"] == "closed" {
            self.met.closed += 1;
            let closers = by("closed");
            ensure!(!closers.is_empty(), "closed by nobody: {told}");
            let (cured, verified) = (by("rectified"), by("verified"));
            ensure!(closers.is_disjoint(&cured), "who rectified it closed it: {told}");
            ensure!(closers.is_disjoint(&verified), "who verified it closed it: {told}");
            let after = told["photos"].as_array().into_iter().flatten().any(|it| it["role"] == "after");
            let is_verified = !verified.is_subset(&cured) && after;
            ensure!(is_verified || !by("not_found").is_empty(), "closed without evidence: {told}");
        }
        Ok(())
    }
}

/// Where it stands for a command: a hazard that was made safe goes on from below that.
fn stands(told: &Value) -> String {
    let state = told["state"].as_str().unwrap_or_default();
    if state != "made_safe" {
        return state.to_owned();
    }
    let ranks = ["reported", "graded", "ordered", "rectifying", "carried"];
    let stages = told["lifecycle"]["stage"].as_array().into_iter().flatten();
    let stages = stages.filter_map(|stage| stage["state"].as_str());
    let furthest =
        stages.max_by_key(|stage| ranks.iter().position(|rank| rank == stage).map(|rank| rank + 1));
    furthest.unwrap_or("reported").to_owned()
}

fn heads(told: &Value) -> Result<Vec<Head>> {
    let heads = told["heads"].as_array().context("no heads")?;
    heads
        .iter()
        .map(|head| {
            let bytes = hex::decode(head.as_str().context("no text")?)?;
            Head::try_from(bytes.as_slice()).ok().context("no head")
        })
        .collect()
}

async fn run(backend: Backend, seed: u64) -> Result<Met> {
    println!("seed {seed} on {backend:?}");
    let mut world = World::new(backend, seed).await?;
    for _ in 0..STEPS {
        if world.dice.chance(20) { world.in_the_field().await? } else { world.at_a_desk().await? }
    }
    for nth in 0..world.phones.len() {
        world.hand_in(nth).await?;
    }
    let mut numbers = BTreeMap::new();
    for record in world.hazards.clone() {
        let told = world.record(record).await?;
        world.judge(&told)?;
        for operation in told["operations"].as_array().into_iter().flatten() {
            if let Some(number) = operation["fields"]["order_number"].as_str() {
                let other = numbers.insert(number.to_owned(), record);
                ensure!(other.is_none_or(|other| other == record), "{number} stands on two hazards");
            }
        }
    }
    // Numbers of orders have no gaps.
    let mut ordinals: Vec<u64> = numbers
        .keys()
        .filter_map(|number| number.rsplit_once('〕')?.1.trim_end_matches('号').parse().ok())
        .collect();
    ordinals.sort_unstable();
    let expected: Vec<u64> = (1..).take(ordinals.len()).collect();
    ensure!(ordinals == expected && ordinals.len() == numbers.len(), "{numbers:?}");
    crate::map::Map::open(&world.server).await?.agrees().await?;
    let checked = world.server.check().await?;
    ensure!(checked["ok"] == true, "{checked}");
    Ok(world.met)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_what_and_whenever_it_arrives_no_hazard_skips_a_step_or_its_evidence() -> Result<()> {
    let mut all = Met::default();
    for (backend, seeds) in [(Backend::Sqlite, 1..=4), (Backend::Postgres, 5..=6)] {
        for seed in seeds {
            let met = run(backend, seed).await.with_context(|| format!("seed {seed} on {backend:?}"))?;
            println!("{met:?}");
            all.done += met.done;
            all.refused += met.refused;
            all.moved_on += met.moved_on;
            all.beside += met.beside;
            all.late += met.late;
            all.closed += met.closed;
            all.ordered += met.ordered;
        }
    }
    ensure!(
        [all.done, all.refused, all.moved_on, all.beside, all.late, all.closed, all.ordered]
            .iter()
            .all(|met| *met > 0),
        "not everything was met: {all:?}"
    );
    Ok(())
}
