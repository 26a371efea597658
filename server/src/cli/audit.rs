//! `firebreak audit …`: where the audit log stands, and whether anybody changed it behind the server's back.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{find, print_json};
use crate::sync::Engine;
use crate::sync::audit::{self, AuditHash, Chain};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Print where the chain stands: keep it elsewhere, on paper best.
    Head(ChainArgs),
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

pub(super) async fn run(engine: &Arc<Engine>, command: AuditCommand) -> anyhow::Result<ExitCode> {
    let (chain, kept, is_head) = match command {
        AuditCommand::Head(chain) => (chain, None, true),
        AuditCommand::Verify { chain, head } => (chain, head, false),
    };
    let district = if chain.deployment { None } else { Some(find(engine, chain.district).await?) };
    let name = district.as_ref().map(|district| district.code.clone());
    let chain = district.as_ref().map_or(Chain::Deployment, Chain::District);
    if is_head {
        let link = audit::head(engine, chain).await?;
        print_json(&json!({ "district": name, "sequence": link.sequence, "head": link.hash.to_string() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let verdict = audit::verify(engine, chain, kept).await?;
    let mut printed = serde_json::to_value(&verdict)?;
    if let Some(printed) = printed.as_object_mut() {
        printed.insert("district".to_owned(), json!(name));
    }
    print_json(&printed)?;
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
