//! `firebreak audit …`: where the audit log stands, and whether anybody changed it behind the server's back.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{find, print_json};
use crate::sync::Engine;
use crate::sync::audit::{self, AuditHash, Chain, Filter};

/// Rows that are read at a time.
const ROWS: usize = 500;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Print where the chain stands: keep it elsewhere, on paper best.
    Head(ChainArgs),
    /// List who did what, the newest first.
    List {
        #[command(flatten)]
        chain: ChainArgs,
        /// Rows, at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Read the whole chain; exit status 1 where a row was edited, deleted, reordered or cut off.
    Verify {
        #[command(flatten)]
        chain: ChainArgs,
        /// A head that was kept elsewhere: the chain must hold it.
        #[arg(long, value_name = "HASH")]
        head: Option<AuditHash>,
    },
}

/// Which chain.
#[derive(Debug, Args)]
pub(super) struct ChainArgs {
    #[command(flatten)]
    district: super::DistrictArg,
    /// The deployment's own chain, with logins, in place of a district's.
    #[arg(long, conflicts_with = "district")]
    deployment: bool,
}

/// What is wanted of a chain.
enum Wanted {
    Head,
    Rows(usize),
    Verdict(Option<AuditHash>),
}

/// Prints rows, the newest first, one a line.
async fn list(engine: &Arc<Engine>, chain: Chain<'_>, limit: usize) -> anyhow::Result<()> {
    let all = Filter::default();
    let (mut left, mut from): (usize, Option<String>) = (limit, None);
    loop {
        let rows = u32::try_from(left.min(ROWS)).unwrap_or(u32::MAX);
        let page = match chain {
            Chain::District(district) => audit::page(engine, district, &all, from.as_deref(), rows).await?,
            Chain::Deployment => audit::deployment_page(engine, None, &all, from.as_deref(), rows).await?,
        };
        left = left.saturating_sub(page.rows.len());
        for row in &page.rows {
            print_json(&serde_json::to_value(row)?)?;
        }
        from = page.next;
        if left == 0 || from.is_none() {
            return Ok(());
        }
    }
}

pub(super) async fn run(engine: &Arc<Engine>, command: AuditCommand) -> anyhow::Result<ExitCode> {
    let (chain, wanted) = match command {
        AuditCommand::Head(chain) => (chain, Wanted::Head),
        AuditCommand::List { chain, limit } => (chain, Wanted::Rows(limit)),
        AuditCommand::Verify { chain, head } => (chain, Wanted::Verdict(head)),
    };
    let district = if chain.deployment { None } else { Some(find(engine, chain.district).await?) };
    let name = district.as_ref().map(|district| district.code.clone());
    let chain = district.as_ref().map_or(Chain::Deployment, Chain::District);
    let kept = match wanted {
        Wanted::Head => {
            let link = audit::head(engine, chain).await?;
            let (sequence, head) = (link.sequence, link.hash.to_string());
            print_json(&json!({ "district": name, "sequence": sequence, "head": head }))?;
            return Ok(ExitCode::SUCCESS);
        }
        Wanted::Rows(limit) => {
            list(engine, chain, limit).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Wanted::Verdict(kept) => kept,
    };
    let verdict = audit::verify(engine, chain, kept).await?;
    let mut printed = serde_json::to_value(&verdict)?;
    if let Some(printed) = printed.as_object_mut() {
        printed.insert("district".to_owned(), json!(name));
    }
    print_json(&printed)?;
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
