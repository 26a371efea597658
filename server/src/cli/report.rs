//! `firebreak report …`: the work report as a draft, issued, or given again.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use serde_json::json;

use super::{DistrictArg, find, print_json};
use crate::domain::District;
use crate::report::period::Period;
use crate::report::render::{Format, render};
use crate::sync::audit::{Actor, Entry};
use crate::sync::numbers::{self, Series};
use crate::sync::{Engine, reports};

/// In which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    #[default]
    Text,
    Json,
    Docx,
    Html,
}

impl Form {
    const fn format(self) -> Format {
        match self {
            Self::Text => Format::Text,
            Self::Json => Format::Json,
            Self::Docx => Format::Docx,
            Self::Html => Format::Html,
        }
    }
}

/// Which report.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    district: DistrictArg,
    /// The first day, local to the district: YYYY-MM-DD.
    #[arg(long, required_unless_present_any = ["number", "next_number"])]
    from: Option<Date>,
    /// The last day, included.
    #[arg(long, required_unless_present_any = ["number", "next_number"])]
    to: Option<Date>,
    /// The form.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// Number it, freeze its figures and keep it; otherwise it is a draft.
    #[arg(long)]
    issue: bool,
    /// Give an issued report again, as it was.
    #[arg(long, conflicts_with_all = ["from", "to", "issue"])]
    number: Option<String>,
    /// Give the next report of this year this number; the numbers before it that no report has are left out, which the
    /// audit log and `check` say. For a restored server: the highest number on paper, and one more.
    #[arg(long, conflicts_with_all = ["from", "to", "issue", "number"], requires = "reason")]
    next_number: Option<i64>,
    /// Why numbers are left out.
    #[arg(long, requires = "next_number")]
    reason: Option<String>,
    /// Write it to this file instead of standard output.
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) async fn run(engine: &Arc<Engine>, arguments: ReportArgs) -> anyhow::Result<()> {
    let ReportArgs { district, from, to, format, issue, number, next_number, reason, out } = arguments;
    let district = find(engine, district).await?;
    if let Some(next) = next_number {
        let reason = reason.unwrap_or_default();
        let gap = numbers::set_next(engine, &district, Series::Reports, (None, next), &reason).await?;
        return print_json(&json!({ "next": next, "left_out": gap }));
    }
    let format = format.format();
    let number = match (number, from.zip(to)) {
        (Some(number), _) => Some(number),
        (None, Some((from, to))) if issue => {
            let period = Period::new(from, to)?;
            Some(reports::issue(engine, &district, period, None).await?.number)
        }
        (None, _) => None,
    };
    let bytes = match (&number, from.zip(to)) {
        (Some(number), _) => reports::file(engine, &district, number, format).await?,
        (None, Some((from, to))) => draft(engine, &district, Period::new(from, to)?, format).await?,
        (None, None) => anyhow::bail!("say which days: --from YYYY-MM-DD --to YYYY-MM-DD"),
    };
    let detail = json!({ "format": format.as_str(), "from": from, "to": to });
    let object = number.clone().unwrap_or_default();
    engine.audit_alone(&district, Entry::by(Actor::Operator, "export.report", object, detail)).await?;
    match out {
        None => {
            let mut output = std::io::stdout();
            output.write_all(&bytes)?;
            output.flush()?;
        }
        Some(file) => {
            std::fs::write(&file, &bytes).with_context(|| format!("{} cannot be written", file.display()))?;
            print_json(&json!({
                "file": file.display().to_string(), "number": number, "format": format.as_str(), "bytes": bytes.len(),
            }))?;
        }
    }
    Ok(())
}

async fn draft(
    engine: &Arc<Engine>,
    district: &District,
    period: Period,
    format: Format,
) -> anyhow::Result<Vec<u8>> {
    Ok(render(&reports::draft(engine, district, period).await?, format)?)
}
