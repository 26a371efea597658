//! `firebreak unit …`: the organisations that own, operate and put right.

use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;
use uuid::Uuid;

use super::{DistrictArg, find, print_json};
use crate::domain::UnitId;
use crate::sync::Engine;
use crate::sync::audit::Actor;
use crate::sync::units::{self, UnitWritten, Which};

#[derive(Debug, Subcommand)]
pub(super) enum UnitCommand {
    /// Add a unit, or write one anew.
    Set {
        /// The unit to write anew; without it a new one.
        #[arg(long)]
        unit: Option<Uuid>,
        /// Name.
        #[arg(long)]
        name: String,
        /// responsible, owner or operator.
        #[arg(long, default_value = "responsible")]
        kind: String,
        /// Whom to ask for.
        #[arg(long, default_value = "")]
        contact: String,
        /// Phone number.
        #[arg(long, default_value = "")]
        phone: String,
        /// The unit above it.
        #[arg(long)]
        parent: Option<Uuid>,
        #[command(flatten)]
        district: DistrictArg,
    },
    /// List the units of a district, retired ones too.
    List(DistrictArg),
    /// Retire a unit: nothing new is given to it.
    Retire {
        #[arg(long)]
        unit: Uuid,
        #[command(flatten)]
        district: DistrictArg,
    },
}

pub(super) async fn run(engine: &Arc<Engine>, command: UnitCommand) -> anyhow::Result<()> {
    match command {
        UnitCommand::Set { unit, name, kind, contact, phone, parent, district } => {
            let district = find(engine, district).await?;
            let which = unit.map_or(Which::New, |unit| Which::Known(UnitId(unit)));
            let written = UnitWritten { name, kind, contact, phone, parent };
            let unit = units::write(engine, &district, which, written, Actor::Operator).await?;
            print_json(&json!({ "unit": unit.to_string() }))
        }
        UnitCommand::List(district) => {
            let district = find(engine, district).await?;
            for unit in units::list(engine, &district).await? {
                print_json(&serde_json::to_value(unit)?)?;
            }
            Ok(())
        }
        UnitCommand::Retire { unit, district } => {
            let district = find(engine, district).await?;
            units::retire(engine, &district, UnitId(unit), Actor::Operator).await?;
            print_json(&json!({ "unit": unit.to_string(), "retired": true }))
        }
    }
}
