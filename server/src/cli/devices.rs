//! `firebreak device …`.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use sync_protocol::ids::{Chain, DeviceId};

use super::{DistrictArg, find, print_json};
use crate::domain::DeviceStatus;
use crate::sync::Engine;
use crate::sync::audit::Actor;
use crate::sync::office::{Act, SERVER_AUTHOR};
use crate::sync::trust;

#[derive(Debug, Subcommand)]
pub(super) enum DeviceCommand {
    /// List the devices of a district.
    List(DistrictArg),
    /// Give a device up for lost: what it has not sent is lost too.
    Lost {
        /// The device.
        #[arg(long)]
        device: DeviceId,
        #[command(flatten)]
        district: DistrictArg,
    },
    /// Revoke a device; what lies beyond its last trusted point waits for review.
    Revoke {
        /// The device.
        #[arg(long)]
        device: DeviceId,
        #[command(flatten)]
        district: DistrictArg,
        /// The last trusted sequence; absent: the last received.
        #[arg(long, requires = "last_chain")]
        last_sequence: Option<u64>,
        /// The chain there, hexadecimal.
        #[arg(long, requires = "last_sequence")]
        last_chain: Option<String>,
    },
}

pub(super) async fn run(engine: &Arc<Engine>, command: DeviceCommand) -> anyhow::Result<()> {
    match command {
        DeviceCommand::List(district) => {
            let district = find(engine, district).await?;
            let mut transaction = engine.store.read().await?;
            for id in transaction.device_ids(district.key).await? {
                if let Some(row) = transaction.device(district.key, id).await? {
                    let mut line = json!({
                        "device": id.to_string(), "status": row.device.status.as_str(),
                        "received_through": row.device.head_sequence, "forked": row.device.is_forked,
                        "contact_ms": row.contact_ms, "client": row.client,
                    });
                    let keys = line.as_object_mut();
                    if let (DeviceStatus::Revoked { sequence, chain }, Some(keys)) = (row.device.status, keys)
                    {
                        keys.insert("last_sequence".to_owned(), sequence.into());
                        keys.insert("last_chain".to_owned(), chain.to_string().into());
                    }
                    print_json(&line)?;
                }
            }
            Ok(())
        }
        DeviceCommand::Lost { device, district } => {
            let district = find(engine, district).await?;
            engine.act(&district, Act::Lose { device, by: Actor::Operator }).await?;
            print_json(&json!({ "device": device.to_string(), "status": "lost" }))
        }
        DeviceCommand::Revoke { device, district, last_sequence, last_chain } => {
            let district = find(engine, district).await?;
            let chain = last_chain
                .map(|text| -> anyhow::Result<Chain> {
                    Ok(Chain::try_from(
                        hex::decode(&text).context("the chain is not hexadecimal")?.as_slice(),
                    )?)
                })
                .transpose()?;
            let trusted = match last_sequence {
                Some(sequence) => Some(trust::point_at(engine, &district, device, (sequence, chain)).await?),
                None => None,
            };
            engine.act(&district, Act::Revoke { device, trusted, author: SERVER_AUTHOR }).await?;
            print_json(&json!({ "device": device.to_string(), "status": "revoked" }))
        }
    }
}
