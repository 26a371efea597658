//! `firebreak district …`.

use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use super::{DistrictArg, find, print_json};
use crate::sync::{Engine, admin, users};

#[derive(Debug, Subcommand)]
pub(super) enum DistrictCommand {
    /// Add a district.
    Add {
        /// Short code; 编号 begins with it.
        #[arg(long)]
        code: String,
        /// Name.
        #[arg(long)]
        name: String,
        /// IANA time zone.
        #[arg(long, default_value = "Asia/Shanghai")]
        time_zone: String,
    },
    /// Put a district into a province, whose accounts then see it; without one, into none.
    Province {
        #[command(flatten)]
        district: DistrictArg,
        /// The code of the province.
        #[arg(long)]
        province: Option<String>,
    },
    /// List the districts.
    List,
}

pub(super) async fn run(engine: &Arc<Engine>, command: DistrictCommand) -> anyhow::Result<()> {
    match command {
        DistrictCommand::Add { code, name, time_zone } => {
            let district = admin::add_district(engine, &code, &name, &time_zone).await?;
            print_json(&json!({ "district": district.to_string() }))
        }
        DistrictCommand::Province { district, province } => {
            let district = find(engine, district).await?;
            users::set_province(engine, &district, province.as_deref()).await?;
            print_json(&json!({ "district": district.id.to_string(), "province": province }))
        }
        DistrictCommand::List => {
            for district in engine.districts().await {
                print_json(&json!({
                    "district": district.id.to_string(), "code": district.code, "name": district.name,
                    "time_zone": district.time_zone,
                }))?;
            }
            Ok(())
        }
    }
}
