//! What an import came to, for whoever made it: counts, refused rows with their reasons, assumptions, warnings.

use std::collections::BTreeMap;

use serde::Serialize;
use sync_protocol::reference::Reference;
use utoipa::ToSchema;

use super::Refusal;
use super::plan::Plan;
use crate::rules::voltage::Assumption;

/// Refused rows that are listed; the others are counted.
const REFUSED_LISTED: usize = 200;
/// Examples of an assumption.
const EXAMPLES: usize = 5;

/// What an import came to.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = ImportReport)]
pub struct Report {
    /// Rows of the files.
    pub read: u64,
    /// Lines in force after it; of regions, none.
    pub lines: u64,
    /// Structures on lines; one on several counts for each.
    pub structures: u64,
    /// Structures that stand alone.
    pub structures_alone: u64,
    /// Districts and townships in force after it.
    pub regions: u64,
    /// Rows of the ledger that are new.
    pub added: u64,
    /// Rows that are another than before, the returned ones too.
    pub changed: u64,
    /// Of the changed: rows that had been retired.
    pub returned: u64,
    /// Rows that the files no longer name.
    pub retired: u64,
    /// Rows that stay as they were.
    pub unchanged: u64,
    /// Rows that were left out.
    pub refused: u64,
    /// The first of them.
    pub refused_rows: Vec<RefusedRow>,
    /// Rows that are no part of it, by what they are.
    pub passed_over: BTreeMap<String, u64>,
    /// What was assumed to read voltages.
    pub assumptions: Vec<Assumed>,
    /// What the importer should look at.
    pub warnings: Vec<Warning>,
    /// The version that is in force now: hexadecimal SHA-256.
    pub version: String,
    /// Whether anything was written.
    pub has_changed: bool,
}

/// A row that was left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefusedRow {
    /// The file.
    pub file: String,
    /// The row, counted from 1; 0 where none is to blame.
    pub row: u64,
    /// Why: a stable code.
    pub code: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// The value at fault.
    pub at: String,
}

/// Something that was assumed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ImportAssumption)]
pub struct Assumed {
    /// A stable code.
    pub code: String,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Of how many lines.
    pub lines: u64,
    /// Voltages as they were given.
    pub examples: Vec<String>,
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// A stable code.
    pub code: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// How many it concerns.
    pub count: u64,
}

impl Warning {
    /// A warning.
    pub fn new(code: &str, zh: impl Into<String>, en: impl Into<String>, count: u64) -> Self {
        Self { code: code.to_owned(), zh: zh.into(), en: en.into(), count }
    }
}

impl Report {
    /// Notes refused rows of a file.
    pub fn refuse(&mut self, file: &str, refused: &[Refusal]) {
        self.refused += u64::try_from(refused.len()).unwrap_or(0);
        let room = REFUSED_LISTED.saturating_sub(self.refused_rows.len());
        self.refused_rows.extend(refused.iter().take(room).map(|it| RefusedRow {
            file: file.to_owned(),
            row: it.row,
            code: it.code.as_str(),
            zh: it.code.zh(),
            en: it.code.en(),
            at: it.at.clone(),
        }));
    }

    /// Warns where it concerns anything.
    pub fn warn(&mut self, code: &str, zh: &str, en: &str, count: u64) {
        if count > 0 {
            self.warnings.push(Warning::new(code, zh, en, count));
        }
    }

    /// Notes what is in force after the import.
    pub fn count(&mut self, items: &[Reference]) {
        let mut assumed: BTreeMap<&str, (u64, Vec<String>)> = BTreeMap::new();
        for item in items {
            match item {
                Reference::Line(line) => {
                    self.lines += 1;
                    self.structures += u64::try_from(line.structures.len()).unwrap_or(0);
                    for code in &line.assumptions {
                        let (lines, examples) = assumed.entry(code).or_default();
                        *lines += 1;
                        let example = line.voltage.clone().unwrap_or_default();
                        if examples.len() < EXAMPLES && !example.is_empty() && !examples.contains(&example) {
                            examples.push(example);
                        }
                    }
                }
                Reference::Structure(_) => self.structures_alone += 1,
                Reference::Region(_) => self.regions += 1,
            }
        }
        self.assumptions.extend(assumed.into_iter().map(|(code, (lines, examples))| {
            let known = Assumption::ALL.iter().find(|known| known.code() == code);
            let (zh, en) = known.map_or(("", ""), |known| (known.zh(), known.en()));
            Assumed { code: code.to_owned(), zh, en, lines, examples }
        }));
    }

    /// Notes the datum that a file of ours was read in, because it says so itself.
    pub fn datum_of_file(&mut self, datum: &str, rows: u64) {
        self.assumptions.push(Assumed {
            code: "datum_of_file".to_owned(),
            zh: "文件注明了坐标系，已按其读取",
            en: "the file says its datum, and was read in it",
            lines: rows,
            examples: vec![datum.to_owned()],
        });
    }

    /// Notes what was changed.
    pub fn planned(&mut self, plan: &Plan) {
        self.added = plan.added;
        self.changed = plan.changed;
        self.returned = plan.returned;
        self.retired = plan.retired;
        self.unchanged = plan.unchanged;
        self.has_changed = !plan.rows.is_empty();
        self.version = hex::encode(plan.version);
    }
}
