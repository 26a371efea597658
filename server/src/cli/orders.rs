//! `firebreak order …`: which number the next order gets, after a restore.

use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use super::{DistrictArg, find, print_json};
use crate::sync::Engine;
use crate::sync::numbers::{self, Series};

#[derive(Debug, Subcommand)]
pub(super) enum OrderCommand {
    /// Give the next order this number; the numbers before it that no order has are left out, which the audit log and
    /// `check` say. For a restored server: the highest number on paper, and one more.
    Next {
        /// The number within the year.
        #[arg(long)]
        number: i64,
        /// The local year; absent: this one.
        #[arg(long)]
        year: Option<i64>,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        district: DistrictArg,
    },
}

pub(super) async fn run(engine: &Arc<Engine>, command: OrderCommand) -> anyhow::Result<()> {
    let OrderCommand::Next { number, year, reason, district } = command;
    let district = find(engine, district).await?;
    let gap = numbers::set_next(engine, &district, Series::Orders, (year, number), &reason).await?;
    print_json(&json!({ "next": number, "left_out": gap }))
}
