//! Random lifecycles: people of every role, phones that know too little, acts that arrive late and out of order, days that
//! pass. Whatever happens, a command is done only where the bureau's rules let it be, and a closed hazard has its evidence.
//!
//! The rules were written anew from the bureau's and share nothing with the server's: [`bureau`]. Half of what is tried is
//! wrong on purpose: by who signed before, without what is needed, with dates that cannot be.

mod bureau;

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
use bureau::{COMMITMENTS, Deed, ONWARDS, RULES, Rule, authors, stands};

/// Two people of each role: who may not sign for themselves finds another.
const ROLES: [&str; 5] = ["reviewer", "clerk", "leader", "reinspector", "admin"];
const HAZARDS: usize = 8;
const STEPS: usize = 160;
/// After so many steps so many days have passed: deadlines of serious hazards, then those of all.
const DAYS: [(usize, i64); 3] = [(70, 6), (110, 12), (145, 400)];
const DAY_MS: i64 = 86_400_000;
/// The last day of the calendar that the wire knows.
const NEVER_MS: i64 = 253_402_214_400_000;

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
    /// Role, account, person.
    people: Vec<(&'static str, Client, String)>,
    ahead_ms: i64,
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
            people.push((role, server.client_of(&server.create_token(&person).await?)?, person));
        }
        let mut phones = Vec::new();
        let mut hazards = Vec::new();
        for nth in 0..3_usize {
            let mut phone = Phone::enrol(&server).await?;
            let reports: Vec<Operation> = (nth..HAZARDS)
                .step_by(3)
                .map(|nth| phone.report(["general", "serious", "general", "critical"][nth % 4]))
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
            ahead_ms: 0,
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

    /// So many days later.
    async fn wait(&mut self, days: i64) -> Result<()> {
        self.ahead_ms += days * DAY_MS;
        self.server.stop().await?;
        self.server.set("FIREBREAK_CLOCK_AHEAD_S", &(self.ahead_ms / 1_000).to_string());
        self.server.resume().await?;
        self.office = self.office.at(&self.server.url);
        for (_, client, _) in &mut self.people {
            *client = client.at(&self.server.url);
        }
        for phone in &mut self.phones {
            phone.client = phone.client.at(&self.server.url);
        }
        // A server that starts looks once at deadlines that the new day tightens. Nothing is read before that is done: by
        // it, once everything is derived, or by setting a level of danger that tightens none.
        self.office.derived().await?;
        self.office.call("PUT", "/v1/danger", &json!({"level": 1})).await?.json("danger")?;
        Ok(())
    }

    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond() + self.ahead_ms
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
        let (mut role, mut client, mut person) = self.dice.pick(&self.people).context("no people")?.clone();
        // Mostly something that leads on.
        let fitting: Vec<&Rule> = RULES
            .iter()
            .filter(|(_, from, who)| from.contains(&state.as_str()) && who.contains(&role))
            .collect();
        let (mut command, mut from, mut who) = match self.dice.pick(&fitting) {
            Some(fitting) if self.dice.chance(75) => **fitting,
            _ => *self.dice.pick(RULES).context("no rules")?,
        };
        // Mostly it goes on as it should; one time in three of these by somebody who signed before, if they can.
        let next = ONWARDS.iter().find(|(at, _)| *at == state).filter(|_| self.dice.chance(65));
        if let Some((_, onwards)) = next {
            (command, from, who) = *RULES.iter().find(|(name, ..)| name == onwards).context("no rule")?;
            let signed: BTreeSet<String> = ["rectified", "verified", "not_found"]
                .iter()
                .flat_map(|kind| authors(&before, kind))
                .map(str::to_owned)
                .collect();
            let able: Vec<_> = self.people.iter().filter(|it| who.contains(&it.0)).collect();
            let again: Vec<_> = able.iter().copied().filter(|it| signed.contains(&it.2)).collect();
            let one = if self.dice.chance(33) && !again.is_empty() { &again } else { &able };
            (role, client, person) = (*self.dice.pick(one).context("nobody")?).clone();
        }
        let mut body = self.body(command, record);
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
                let now_ms = self.now_ms();
                let told = reply.json(command)?;
                let (role, person, before, reply) = (role, person.as_str(), &before, &told);
                let (stood, is_beside) = (judged.as_str(), beside);
                let deed =
                    Deed { role, person, command, body: &body, before, stood, is_beside, reply, now_ms };
                deed.lawful()
                    .with_context(|| format!("{role} {person} {command} {body}: {told} on {before}"))?;
                self.met.done += 1;
                self.met.beside += u64::from(beside);
            }
            // Beside too, where it would vanish without a trace.
            412 if earlier.is_some() => self.met.moved_on += 1,
            409 | 403 => self.met.refused += 1,
            status => anyhow::bail!("{command}: {status} {}", reply.text()),
        }
        Ok(())
    }

    /// What a command says: mostly enough.
    fn body(&mut self, command: &str, record: RecordId) -> Value {
        let now_ms = self.now_ms();
        let in_days = |days: i64| now_ms + days * DAY_MS;
        let digit = self.dice.word(&["1", "2", "3", "4"]);
        let mut body = match command {
            "grade" => json!({"fields": {"severity": self.dice.word(&["general", "general", "serious"])}}),
            "return" | "void" | "not-ours" | "dispute" | "refuse-extension" | "review-carried" | "uphold"
            | "reopen" => json!({"fields": {"reason": "情况属实"}}),
            "duplicate" => {
                let other = self.dice.pick(&self.hazards).copied().unwrap_or(record);
                json!({"fields": {"reason": "同一处", "duplicate_of": other.to_string()}})
            }
            "confirm-major" => json!({"fields": {"supervision_level": "市级"}}),
            "plan-major" => {
                let said = COMMITMENTS.iter().filter(|_| self.dice.chance(95)).map(|name| {
                    let value = if name.ends_with("_ms") { json!(in_days(30)) } else { json!("已落实") };
                    ((*name).to_owned(), value)
                });
                json!({"fields": said.collect::<serde_json::Map<_, _>>()})
            }
            "resubmit" => json!({"fields": {"remarks": "已补充"}}),
            "order" | "reorder" => json!({"fields": {
                "responsible_unit": "云顶供电所", "measures": "伐除超高树木", "reason": "情况属实",
            }}),
            "ask-extension" | "grant-extension" => {
                json!({"fields": {"reason": "等采伐许可", "deadline_ms": in_days(self.dice.between(5, 400))}})
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
        if command == "grade" && self.dice.chance(35) {
            body["fields"]["major"] = json!(self.dice.chance(70));
        }
        if command == "grant-extension" && self.dice.chance(50) {
            body = json!({});
        }
        if self.dice.chance(30) { self.twist(command, body) } else { body }
    }

    /// The same with something wrong: a field less, no photo, a date that cannot be, nothing at all.
    fn twist(&mut self, command: &str, mut body: Value) -> Value {
        let dates: &[&str] = match command {
            "order" | "reorder" | "ask-extension" | "grant-extension" | "review-carried" => &["deadline_ms"],
            "carry" => &["review_at_ms"],
            "rectify" => &["completed_at_ms"],
            "verify" | "fail-verification" => &["verified_at_ms"],
            "close" => &["closed_at_ms"],
            _ => &[],
        };
        let now_ms = self.now_ms();
        match self.dice.between(0, 3) {
            0 => {
                let names: Vec<String> = body["fields"]
                    .as_object()
                    .into_iter()
                    .flat_map(|fields| fields.keys().cloned())
                    .collect();
                if let (Some(name), Some(fields)) =
                    (self.dice.pick(&names), body.get_mut("fields").and_then(Value::as_object_mut))
                {
                    fields.remove(name);
                }
            }
            1 => body["photos"] = json!([]),
            2 if !dates.is_empty() => {
                let moments = [
                    now_ms - 30 * DAY_MS,
                    now_ms - DAY_MS,
                    now_ms + 2 * DAY_MS,
                    now_ms + 300 * DAY_MS,
                    NEVER_MS,
                ];
                for name in dates {
                    body["fields"][*name] = json!(self.dice.pick(&moments));
                }
            }
            _ => body = json!({}),
        }
        body
    }

    /// Everything that must hold of a hazard at the end.
    fn judge(&mut self, told: &Value) -> Result<()> {
        bureau::deadlines_only_shorten(told)?;
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
    for step in 0..STEPS {
        if let Some((_, days)) = DAYS.iter().find(|(at, _)| *at == step) {
            if world.ahead_ms == 0 {
                // Before the days pass: who looks at the map here has a clock of their own.
                crate::map::Map::open(&world.server).await?.agrees().await?;
            }
            world.wait(*days).await?;
        }
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
    // Numbers of orders have no gaps in any year.
    let mut years: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for number in numbers.keys() {
        let (year, ordinal) = number.split_once('〕').context("no year")?;
        years.entry(year).or_default().insert(ordinal.trim_end_matches('号').parse()?);
    }
    for ordinals in years.values() {
        ensure!(ordinals.iter().copied().eq(1..=ordinals.len()), "{numbers:?}");
    }
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
