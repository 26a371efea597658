//! What the office enters for what no device made: whether it says enough to be counted, in the words of the field.
//!
//! Types and ranges of values are `sync_protocol::check`. Phones are never held to this: what they record is kept
//! however little it says. Start at [`check_entry`].

use std::collections::BTreeMap;

use sync_protocol::cbor::Raw;
use sync_protocol::field::{self, FieldType};
use sync_protocol::kind::Kind;
use sync_protocol::prepass;

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// No field has this name.
    #[error("{0}: 没有这个字段 (there is no such field)")]
    Unknown(String),
    /// The field is needed here.
    #[error("{0}: 请填写{1} (is needed here)")]
    Needed(&'static str, &'static str),
    /// The value is not one of the list.
    #[error("{0}: 不在可选值之内 (is none of the terms: {1})")]
    Term(&'static str, String),
    /// Two fields go together.
    #[error("{0} 与 {1} 须同时填写 (go together)")]
    Together(&'static str, &'static str),
    /// From and to are in the wrong order.
    #[error("{0} 须小于 {1} (must be less)")]
    Order(&'static str, &'static str),
    /// The count must be at least one.
    #[error("{0}: 至少为 1 (at least 1)")]
    AtLeastOne(&'static str),
    /// A work that is measured in km along a line does not say where.
    #[error(
        "请给出线路上的起止：线路与起止杆号、线路与起止里程，或图上绘制 (say where: line_id or line_name with \
         structure_from and structure_to or with chainage_from_dm and chainage_to_dm, or a drawing)"
    )]
    Where,
}

/// Kinds that the office enters for what no device made.
pub const ENTRIES: &[Kind] = &[Kind::Reported, Kind::WorkDone, Kind::InspectionMade, Kind::ActivityHeld];

/// Whether an entry of a kind says enough.
///
/// # Errors
/// The first thing that it lacks.
pub fn check_entry(kind: Kind, fields: &BTreeMap<String, Raw>) -> Result<(), EntryFault> {
    let entry = Entry(fields);
    entry.terms()?;
    entry.pairs()?;
    match kind {
        Kind::Reported => {
            entry.needed("category")?;
            entry.needed("type")
        }
        Kind::WorkDone => entry.work(),
        Kind::InspectionMade => entry.needed("unit"),
        Kind::ActivityHeld => entry.needed("activity_type"),
        _ => Ok(()),
    }
}

struct Entry<'a>(&'a BTreeMap<String, Raw>);

impl Entry<'_> {
    fn get(&self, name: &str) -> Option<&Raw> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text().map(str::trim).filter(|text| !text.is_empty())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.as_text().is_none_or(|text| !text.trim().is_empty()))
    }

    fn needed(&self, name: &'static str) -> Result<(), EntryFault> {
        let zh = field::find(name).map_or(name, |known| known.zh);
        if self.has(name) { Ok(()) } else { Err(EntryFault::Needed(name, zh)) }
    }

    /// Every field is known, and every term is one of its list.
    fn terms(&self) -> Result<(), EntryFault> {
        for (name, value) in self.0 {
            let known = field::find(name).filter(|known| !field::is_argument(known.name));
            let known = known.ok_or_else(|| EntryFault::Unknown(name.clone()))?;
            if let (FieldType::Term(terms), Some(term)) = (known.value, value.as_text())
                && !terms.contains(&term)
            {
                return Err(EntryFault::Term(known.name, terms.join(", ")));
            }
        }
        Ok(())
    }

    /// What says from and to says both, in this order.
    fn pairs(&self) -> Result<(), EntryFault> {
        for (from, to) in [("structure_from", "structure_to"), ("chainage_from_dm", "chainage_to_dm")] {
            let is_hazard_span = from == "structure_from" && self.has("category");
            if self.has(from) != self.has(to) && !is_hazard_span {
                return Err(EntryFault::Together(from, to));
            }
        }
        let chainage = |name: &str| self.get(name).and_then(Raw::as_integer);
        if let (Some(from), Some(to)) = (chainage("chainage_from_dm"), chainage("chainage_to_dm"))
            && from >= to
        {
            return Err(EntryFault::Order("chainage_from_dm", "chainage_to_dm"));
        }
        Ok(())
    }

    fn work(&self) -> Result<(), EntryFault> {
        self.needed("work_type")?;
        match self.text("work_type").unwrap_or_default() {
            "corridor_felling" | "fuel_clearance" if !self.is_located() => Err(EntryFault::Where),
            "covered_conversion" => {
                self.needed("project")?;
                if self.is_located() { Ok(()) } else { self.needed("length_dm") }
            }
            "grid_upgrade" => {
                self.needed("project")?;
                self.needed("funds_fen")
            }
            "substation" => {
                self.needed("voltage")?;
                self.counted()
            }
            _ => self.counted(),
        }
    }

    fn counted(&self) -> Result<(), EntryFault> {
        match self.get("quantity").and_then(Raw::as_integer) {
            Some(quantity) if quantity < 1 => Err(EntryFault::AtLeastOne("quantity")),
            _ => Ok(()),
        }
    }

    /// Whether it says a stretch of a line.
    fn is_located(&self) -> bool {
        let is_on_line = self.has("line_id") || self.has("line_name");
        let drawn = self.get("drawing").and_then(|drawing| prepass::elements(drawing.as_bytes()));
        (is_on_line && (self.has("structure_from") || self.has("chainage_from_dm")))
            || drawn.is_some_and(|points| points.len() >= 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &[(&str, &str)], numbers: &[(&str, i64)]) -> BTreeMap<String, Raw> {
        let texts = text.iter().map(|(name, value)| ((*name).to_owned(), Raw::of(value)));
        texts.chain(numbers.iter().map(|(name, value)| ((*name).to_owned(), Raw::of(value)))).collect()
    }

    #[test]
    fn each_entry_says_what_it_must_and_no_more() {
        let line = ("line_name", "青杠线");
        let felling = ("work_type", "corridor_felling");
        let upgrade = ("work_type", "grid_upgrade");
        let where_ = || Err(EntryFault::Where);
        let needed = |name: &'static str| Err(EntryFault::Needed(name, field::find(name).unwrap().zh));
        for (kind, texts, numbers, expected) in [
            (Kind::WorkDone, vec![], vec![], needed("work_type")),
            (Kind::WorkDone, vec![("work_type", "tunnel")], vec![], Err(EntryFault::Term("work_type", String::new()))),
            (Kind::WorkDone, vec![felling], vec![], where_()),
            (Kind::WorkDone, vec![felling, ("structure_from", "N01"), ("structure_to", "N04")], vec![], where_()),
            (
                Kind::WorkDone,
                vec![felling, line, ("structure_from", "N01")],
                vec![],
                Err(EntryFault::Together("structure_from", "structure_to")),
            ),
            (Kind::WorkDone, vec![felling, line, ("structure_from", "N01"), ("structure_to", "N04")], vec![], Ok(())),
            (
                Kind::WorkDone,
                vec![felling, line],
                vec![("chainage_from_dm", 500), ("chainage_to_dm", 500)],
                Err(EntryFault::Order("chainage_from_dm", "chainage_to_dm")),
            ),
            (Kind::WorkDone, vec![felling, line], vec![("chainage_from_dm", 0), ("chainage_to_dm", 500)], Ok(())),
            (Kind::WorkDone, vec![("work_type", "covered_conversion")], vec![("length_dm", 9)], needed("project")),
            (
                Kind::WorkDone,
                vec![("work_type", "covered_conversion"), ("project", "一期")],
                vec![("length_dm", 9)],
                Ok(()),
            ),
            (Kind::WorkDone, vec![("work_type", "covered_conversion"), ("project", "一期")], vec![], needed("length_dm")),
            (Kind::WorkDone, vec![upgrade, ("project", "一期")], vec![], needed("funds_fen")),
            (Kind::WorkDone, vec![upgrade, ("project", " ")], vec![("funds_fen", 1)], needed("project")),
            (Kind::WorkDone, vec![("work_type", "substation")], vec![], needed("voltage")),
            (
                Kind::WorkDone,
                vec![("work_type", "pole_breaker")],
                vec![("quantity", 0)],
                Err(EntryFault::AtLeastOne("quantity")),
            ),
            (Kind::WorkDone, vec![("work_type", "relocation_gas")], vec![("quantity", 2)], Ok(())),
            (Kind::InspectionMade, vec![], vec![("findings", 2)], needed("unit")),
            (Kind::ActivityHeld, vec![("activity_type", "宣传")], vec![("people", 30)], Ok(())),
            (Kind::ActivityHeld, vec![("colour", "red")], vec![], Err(EntryFault::Unknown("colour".to_owned()))),
            (Kind::ActivityHeld, vec![("reason", "x")], vec![], Err(EntryFault::Unknown("reason".to_owned()))),
            (Kind::Reported, vec![("category", "corridor")], vec![], needed("type")),
            (Kind::Reported, vec![("category", "corridor"), ("type", "tree"), ("structure_from", "N01")], vec![], Ok(())),
        ] {
            let found = check_entry(kind, &fields(&texts, &numbers));
            match (&found, &expected) {
                // The list of terms is long; its field is what matters.
                (Err(EntryFault::Term(found, _)), Err(EntryFault::Term(expected, _))) => assert_eq!(found, expected),
                _ => assert_eq!(found, expected, "{kind} {texts:?} {numbers:?}"),
            }
        }
    }
}
