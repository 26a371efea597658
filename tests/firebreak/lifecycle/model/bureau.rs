//! The bureau's own table and rules, written down once more: they share nothing with the server's. Start at [`RULES`] for
//! who may do what from where, and at [`Deed::lawful`] for what else must hold of a command that was done.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Command, the states that it may be given in, who may give it.
pub(super) type Rule = (&'static str, &'static [&'static str], &'static [&'static str]);

const REVIEW: &[&str] = &["reviewer", "leader", "admin"];
const ISSUE: &[&str] = &["clerk", "leader", "admin"];
const UNCURED: &[&str] =
    &["held", "reported", "returned", "graded", "ordered", "rectifying", "carried", "not_found", "disputed"];
/// Open.
const OPEN: &[&str] = &[
    "held", "reported", "returned", "graded", "ordered", "rectifying", "carried", "not_found", "disputed",
    "rectified", "verified",
];

pub(super) const RULES: &[Rule] = &[
    ("grade", &["reported", "graded", "ordered", "rectifying", "carried"], REVIEW),
    ("return", &["reported"], REVIEW),
    ("resubmit", &["returned"], &["reviewer", "clerk", "leader", "admin"]),
    ("void", UNCURED, REVIEW),
    ("duplicate", UNCURED, REVIEW),
    ("not-ours", &["held", "reported", "returned", "graded", "not_found", "disputed"], REVIEW),
    ("confirm-major", &["reported", "graded", "ordered", "rectifying"], &["leader"]),
    ("plan-major", &["graded", "ordered", "rectifying", "carried"], ISSUE),
    ("order", &["graded"], ISSUE),
    ("reorder", &["ordered", "rectifying"], ISSUE),
    ("receipt", &["ordered"], ISSUE),
    ("dispute", &["ordered"], ISSUE),
    ("ask-extension", &["rectifying"], ISSUE),
    ("grant-extension", &["rectifying"], REVIEW),
    ("refuse-extension", &["rectifying"], REVIEW),
    ("carry", &["rectifying", "carried"], &["leader"]),
    ("review-carried", &["carried"], &["leader"]),
    ("make-safe", OPEN, &["reinspector", "reviewer", "clerk", "leader", "admin"]),
    ("not-found", OPEN, &["reinspector", "reviewer", "clerk", "leader", "admin"]),
    ("rectify", &["reported", "graded", "ordered", "rectifying", "carried"], ISSUE),
    ("verify", &["rectified", "verified", "disputed"], &["reinspector", "admin"]),
    ("uphold", &["disputed"], REVIEW),
    ("fail-verification", &["rectified", "verified", "disputed"], &["reinspector", "admin"]),
    ("close", &["verified", "not_found", "closed"], REVIEW),
    ("reopen", &["disputed", "not_found", "void", "duplicate", "not_ours"], REVIEW),
];

/// What leads on to closure.
pub(super) const ONWARDS: [(&str, &str); 7] = [
    ("reported", "grade"),
    ("graded", "order"),
    ("ordered", "receipt"),
    ("rectifying", "rectify"),
    ("rectified", "verify"),
    ("verified", "close"),
    ("not_found", "close"),
];

/// Texts and dates of the five commitments.
pub(super) const COMMITMENTS: [&str; 10] = [
    "responsibility_text", "responsibility_at_ms", "measures_text", "measures_at_ms", "funds_text",
    "funds_at_ms", "time_limit_text", "time_limit_at_ms", "contingency_text", "contingency_at_ms",
];

const DAY_MS: i64 = 86_400_000;

/// What a command must say, and the photo that it rests on.
fn needs(command: &str) -> (&'static [&'static str], Option<&'static str>) {
    match command {
        "grade" => (&["severity"], None),
        "return" | "void" | "not-ours" | "dispute" | "refuse-extension" | "review-carried" | "uphold"
        | "reopen" => (&["reason"], None),
        "duplicate" => (&["duplicate_of", "reason"], None),
        "confirm-major" => (&["supervision_level"], None),
        "order" => (&["responsible_unit", "measures"], None),
        "reorder" => (&["responsible_unit", "measures", "reason"], None),
        "ask-extension" => (&["deadline_ms", "reason"], None),
        "carry" => (&["plan", "review_at_ms"], None),
        "make-safe" => (&["measures"], Some("site")),
        "not-found" => (&["position"], Some("site")),
        "rectify" => (&["quantity"], Some("after")),
        // Every hazard here is in the corridor.
        "verify" | "fail-verification" => (&["verdict", "measured_dm"], None),
        _ => (&[], None),
    }
}

/// A command that was done, with the hazard as it was before.
pub(super) struct Deed<'a> {
    pub(super) role: &'a str,
    pub(super) person: &'a str,
    pub(super) command: &'a str,
    pub(super) body: &'a Value,
    /// The hazard before it.
    pub(super) before: &'a Value,
    /// Where it stood for whoever gave it.
    pub(super) stood: &'a str,
    /// It was written beside what came since: who gave it had not seen that.
    pub(super) is_beside: bool,
    pub(super) reply: &'a Value,
    pub(super) now_ms: i64,
}

/// Where it stands for a command: a hazard that was made safe goes on from below that, and one that is to be rectified
/// though nobody was ordered to is the office's again.
pub(super) fn stands(told: &Value) -> String {
    let state = told["state"].as_str().unwrap_or_default();
    if state == "rectifying" && ["ordered", "reordered"].iter().all(|kind| authors(told, kind).is_empty()) {
        return if authors(told, "graded").is_empty() { "reported" } else { "graded" }.to_owned();
    }
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

fn operations(told: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    told["operations"].as_array().into_iter().flatten()
}

pub(super) fn authors<'a>(told: &'a Value, kind: &str) -> BTreeSet<&'a str> {
    operations(told).filter(|it| it["kind"] == kind).filter_map(|it| it["author"].as_str()).collect()
}

fn shown<'a>(told: &'a Value, name: &str) -> &'a Value {
    let fields = told["fields"].as_array().into_iter().flatten();
    fields.into_iter().find(|field| field["name"] == name).map_or(&Value::Null, |field| &field["value"])
}

/// The deadline that people were told, by the operations behind it.
fn told_ms(told: &Value) -> Option<i64> {
    const SET: [&str; 6] =
        ["ordered", "reordered", "extension_granted", "carried_reviewed", "deadline_tightened", "graded"];
    let set = operations(told).filter(|it| it["kind"].as_str().is_some_and(|kind| SET.contains(&kind)));
    set.filter_map(|it| it["fields"]["deadline_ms"].as_i64()).next_back()
}

/// The extension that waits: until when, and who asked for it.
fn asked(told: &Value) -> Option<(i64, &str)> {
    const ANSWERS: [&str; 7] = [
        "extension_asked", "extension_granted", "extension_refused", "ordered", "reordered", "carried",
        "disputed",
    ];
    let last =
        operations(told).rfind(|it| it["kind"].as_str().is_some_and(|kind| ANSWERS.contains(&kind)))?;
    let is_asked = last["kind"] == "extension_asked";
    is_asked.then_some((last["fields"]["deadline_ms"].as_i64()?, last["author"].as_str()?))
}

fn is_major(told: &Value) -> bool {
    shown(told, "major") == &Value::Bool(true)
}

impl Deed<'_> {
    fn said(&self, name: &str) -> Option<i64> {
        self.body["fields"][name].as_i64()
    }

    /// Whether it may have been done: what it says, who did it, when.
    pub(super) fn lawful(&self) -> Result<()> {
        let (fields, photo) = needs(self.command);
        for name in fields {
            ensure!(!self.body["fields"][*name].is_null(), "without {name}");
        }
        let photos = self.body["photos"].as_array().into_iter().flatten();
        let has = |role: &str| photos.clone().any(|photo| photo["role"] == role);
        ensure!(photo.is_none_or(has), "without its photo");
        self.persons()?;
        self.dates()?;
        match self.command {
            "close" => self.closed(),
            "order" | "reorder" => self.ordered(),
            "ask-extension" | "grant-extension" => self.extended(),
            "review-carried" => self.within_ninety_days(),
            "rectify" if is_major(self.before) => self.planned(),
            "duplicate" => {
                let own = self.before["id"].as_str().unwrap_or_default();
                ensure!(self.body["fields"]["duplicate_of"] != own, "a duplicate of itself");
                Ok(())
            }
            "grade" => {
                let is_less = self.body["fields"]["major"] == false;
                let is_confirmed = !authors(self.before, "major_confirmed").is_empty();
                ensure!(
                    !is_less || !is_confirmed || self.role == "leader",
                    "made less by another than a leader"
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Two-person rules.
    fn persons(&self) -> Result<()> {
        let is_of = |kind: &str| authors(self.before, kind).contains(self.person);
        if matches!(self.command, "verify" | "fail-verification" | "uphold" | "close") {
            ensure!(!is_of("rectified"), "by who rectified it");
        }
        ensure!(self.command != "close" || !is_of("verified"), "by who verified it");
        Ok(())
    }

    /// What happened is past, what is planned is ahead, and neither is out of this world.
    fn dates(&self) -> Result<()> {
        for name in ["completed_at_ms", "verified_at_ms", "closed_at_ms", "ordered_at_ms"] {
            ensure!(
                self.said(name).is_none_or(|at_ms| at_ms <= self.now_ms + 2 * DAY_MS),
                "{name} lies ahead"
            );
        }
        for (name, days) in [("review_at_ms", 367), ("deadline_ms", 3 * 367)] {
            let Some(at_ms) = self.said(name) else { continue };
            // Of an order on paper, its own day.
            let from_ms = self.said("ordered_at_ms").unwrap_or(self.now_ms);
            ensure!(at_ms > from_ms - 60_000, "{name} lies behind");
            ensure!(at_ms <= self.now_ms + days * DAY_MS, "{name} is never reached");
        }
        Ok(())
    }

    fn closed(&self) -> Result<()> {
        ensure!(!is_major(self.before) || self.role == "leader", "a major hazard closed by no leader");
        if self.stood == "not_found" {
            let visits: Vec<&Value> =
                operations(self.before).filter(|it| it["kind"] == "not_found").collect();
            let visitors = authors(self.before, "not_found");
            let photos: BTreeSet<&str> = visits
                .iter()
                .flat_map(|it| it["photos"].as_array().into_iter().flatten())
                .filter_map(|photo| photo["sha256"].as_str())
                .collect();
            let is_second = visitors.len() > 1 || (visits.len() > 1 && photos.len() > 1);
            ensure!(
                is_second || !self.body["fields"]["reason"].is_null(),
                "after one visit without a reason"
            );
            ensure!(visitors.iter().any(|visitor| *visitor != self.person), "by who alone did not find it");
        }
        if self.stood == "verified" {
            let failed = |it: &Value| it["kind"] == "verification_failed" || it["kind"] == "reopened";
            let all: Vec<&Value> = operations(self.before).collect();
            let since = all.iter().rposition(|it| failed(it)).map_or(0, |at| at + 1);
            let by = |kind: &str| -> BTreeSet<&str> {
                let round = all.iter().skip(since).filter(|it| it["kind"] == kind);
                round.filter_map(|it| it["author"].as_str()).collect()
            };
            let is_verified = !by("verified").is_subset(&by("rectified"));
            ensure!(is_verified || self.is_beside, "verified by nobody but who rectified it");
            let mut photos = self.before["photos"].as_array().into_iter().flatten();
            ensure!(photos.any(|it| it["role"] == "after"), "without a photo of after");
            if is_major(self.before) {
                self.planned()?;
            }
        }
        Ok(())
    }

    fn planned(&self) -> Result<()> {
        for name in COMMITMENTS {
            ensure!(!shown(self.before, name).is_null(), "a major hazard without {name}");
        }
        Ok(())
    }

    /// A deadline that is ahead, no later than the longest term from now, nor than people were told before.
    fn ordered(&self) -> Result<()> {
        let at_ms = self.reply["deadline_ms"].as_i64().context("no deadline")?;
        let issued_ms = self.said("ordered_at_ms").unwrap_or(self.now_ms);
        ensure!(at_ms > issued_ms - 60_000, "a deadline behind its order");
        let days = match self.before["severity"].as_str() {
            Some("general") => 181,
            // The voltage is known of none: seven days, as of a transmission line.
            Some("serious") => 8,
            _ => 1,
        };
        let told_ms = told_ms(self.before).filter(|_| self.command == "reorder");
        let is_kept = told_ms.is_some_and(|told_ms| at_ms <= told_ms);
        let is_within = at_ms <= self.now_ms + days * DAY_MS + 60_000;
        ensure!(is_kept || is_within, "a deadline later than any term");
        if is_major(self.before) {
            ensure!(
                self.command != "order" || !authors(self.before, "major_confirmed").is_empty(),
                "unconfirmed"
            );
        }
        let is_lengthened = told_ms.is_some_and(|told_ms| at_ms > told_ms);
        let had_passed = told_ms.is_some_and(|told_ms| told_ms <= self.now_ms);
        ensure!(!is_lengthened || (had_passed && self.role == "leader"), "lengthened by an order");
        Ok(())
    }

    fn extended(&self) -> Result<()> {
        let told_ms = told_ms(self.before).context("nothing to extend")?;
        ensure!(told_ms > self.now_ms - 60_000, "after the deadline");
        if self.command == "ask-extension" {
            ensure!(self.reply["deadline_ms"] == told_ms, "asking moved it");
            ensure!(self.said("deadline_ms").is_some_and(|at_ms| at_ms > told_ms), "no later than it was");
        } else {
            let (until_ms, asker) = asked(self.before).context("nobody asked")?;
            ensure!(asker != self.person, "by who asked for it");
            let at_ms = self.reply["deadline_ms"].as_i64().context("no deadline")?;
            ensure!(at_ms > told_ms && at_ms <= until_ms, "not as it was asked for");
        }
        self.within_ninety_days()
    }

    fn within_ninety_days(&self) -> Result<()> {
        let Some(at_ms) = self.said("deadline_ms").filter(|_| is_major(self.before)) else { return Ok(()) };
        let received_ms = self.before["received_ms"].as_i64().context("no time")?;
        ensure!(at_ms <= received_ms + 91 * DAY_MS, "a major hazard beyond ninety days");
        Ok(())
    }
}

/// No deadline moved to a later one but by an extension, or by an order where it had passed.
pub(super) fn deadlines_only_shorten(told: &Value) -> Result<()> {
    let mut before: Option<i64> = None;
    for step in told["deadlines"].as_array().into_iter().flatten() {
        let (Some(kind), Some(at_ms)) = (step["kind"].as_str(), step["at_ms"].as_i64()) else { continue };
        if matches!(kind, "extension_asked" | "extension_refused") {
            continue;
        }
        let is_later = before.is_some_and(|before| at_ms > before);
        let had_passed =
            before.zip(step["received_ms"].as_i64()).is_some_and(|(told, at)| told <= at + 60_000);
        let may = matches!(kind, "extension_granted" | "carried_reviewed" | "ordered");
        ensure!(
            !is_later || may || (had_passed && kind == "reordered"),
            "{kind} lengthened a deadline: {told}"
        );
        before = Some(at_ms);
    }
    Ok(())
}
