//! What the office enters for what no device made: whether it says enough to be counted, in the words of the field.
//!
//! Types and ranges of values are `sync_protocol::check`. Phones are never held to this: what they record is kept
//! however little it says. Start at [`check_entry`].

use sync_protocol::cbor::Raw;
use sync_protocol::field::{self, FieldType};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
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
pub fn check_entry(kind: Kind, fields: &Fields) -> Result<(), EntryFault> {
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

struct Entry<'a>(&'a Fields);

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
            let known = known.ok_or_else(|| EntryFault::Unknown(name.to_string()))?;
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

    fn fields(text: &[(&str, &str)], numbers: &[(&str, i64)]) -> Fields {
        let texts = text.iter().map(|(name, value)| (*name, Raw::of(value)));
        texts.chain(numbers.iter().map(|(name, value)| (*name, Raw::of(value)))).collect()
    }

    fn needed(name: &'static str) -> Result<(), EntryFault> {
        Err(EntryFault::Needed(name, field::find(name).unwrap().zh))
    }

    const FELLING: (&str, &str) = ("work_type", "corridor_felling");
    const CONVERSION: (&str, &str) = ("work_type", "covered_conversion");
    const UPGRADE: (&str, &str) = ("work_type", "grid_upgrade");
    const LINE: (&str, &str) = ("line_name", "青杠线");
    const FROM: (&str, &str) = ("structure_from", "N01");
    const TO: (&str, &str) = ("structure_to", "N04");
    const FIRST: (&str, &str) = ("project", "一期");

    #[test]
    fn a_work_says_what_it_must_and_no_more() {
        let together = Err(EntryFault::Together("structure_from", "structure_to"));
        let order = Err(EntryFault::Order("chainage_from_dm", "chainage_to_dm"));
        let chainage = |to: i64| vec![("chainage_from_dm", 500), ("chainage_to_dm", to)];
        for (texts, numbers, expected) in [
            (vec![], vec![], needed("work_type")),
            (vec![FELLING], vec![], Err(EntryFault::Where)),
            (vec![FELLING, FROM, TO], vec![], Err(EntryFault::Where)),
            (vec![FELLING, LINE], vec![], Err(EntryFault::Where)),
            (vec![FELLING, LINE, FROM], vec![], together),
            (vec![FELLING, LINE, FROM, TO], vec![], Ok(())),
            (vec![FELLING, LINE], chainage(500), order),
            (vec![FELLING, LINE], chainage(501), Ok(())),
            (vec![CONVERSION], vec![("length_dm", 9)], needed("project")),
            (vec![CONVERSION, FIRST], vec![("length_dm", 9)], Ok(())),
            (vec![CONVERSION, FIRST], vec![], needed("length_dm")),
            (vec![UPGRADE, FIRST], vec![], needed("funds_fen")),
            (vec![UPGRADE, ("project", " ")], vec![("funds_fen", 1)], needed("project")),
            (vec![("work_type", "substation")], vec![], needed("voltage")),
            (
                vec![("work_type", "pole_breaker")],
                vec![("quantity", 0)],
                Err(EntryFault::AtLeastOne("quantity")),
            ),
            (vec![("work_type", "relocation_gas")], vec![("quantity", 2)], Ok(())),
        ] {
            let found = check_entry(Kind::WorkDone, &fields(&texts, &numbers));
            assert_eq!(found, expected, "{texts:?} {numbers:?}");
        }
    }

    #[test]
    fn a_drawing_says_where_a_work_was_done() {
        let mut drawn = fields(&[FELLING], &[]);
        drawn.insert("drawing", Raw::of(&[[300_000_000_i64, 1_030_000_000]]));
        assert_eq!(check_entry(Kind::WorkDone, &drawn), Err(EntryFault::Where), "one point is no stretch");
        let two = [[300_000_000_i64, 1_030_000_000], [300_010_000, 1_030_000_000]];
        drawn.insert("drawing", Raw::of(&two));
        assert_eq!(check_entry(Kind::WorkDone, &drawn), Ok(()));
    }

    #[test]
    fn other_entries_say_what_they_must_and_no_unknown_word() {
        let (category, activity) = (("category", "corridor"), ("activity_type", "宣传"));
        let unknown = |name: &str| Err(EntryFault::Unknown(name.to_owned()));
        for (kind, texts, numbers, expected) in [
            (Kind::InspectionMade, vec![], vec![("findings", 2)], needed("unit")),
            (Kind::ActivityHeld, vec![activity], vec![("people", 30)], Ok(())),
            (Kind::ActivityHeld, vec![activity, ("colour", "red")], vec![], unknown("colour")),
            (Kind::ActivityHeld, vec![activity, ("reason", "x")], vec![], unknown("reason")),
            (Kind::Reported, vec![category], vec![], needed("type")),
            (Kind::Reported, vec![category, ("type", "tree"), FROM], vec![], Ok(())),
        ] {
            assert_eq!(check_entry(kind, &fields(&texts, &numbers)), expected, "{texts:?}");
        }
        let term = check_entry(Kind::WorkDone, &fields(&[("work_type", "tunnel")], &[]));
        assert!(matches!(term, Err(EntryFault::Term("work_type", _))), "{term:?}");
    }
}
