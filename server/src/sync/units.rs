//! Units (责任单位, 产权单位, 运维单位) of a district: added, changed, retired; never deleted, since hazards name them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sync_protocol::codes::Code;
use utoipa::ToSchema;
use uuid::Uuid;

use super::admin::named;
use super::audit::{Actor, Entry};
use super::{Engine, SyncError, office};
use crate::accounts::units::{Parents, makes_a_circle};
use crate::domain::{District, UnitId, UnitKind};
use crate::store::UnitRow;

/// Characters of a contact's name and of a phone number.
const CONTACT_CHARACTERS: usize = 100;
/// Units of a district.
const UNITS: usize = 10_000;

/// What is written of a unit.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitWritten {
    /// Its name.
    pub name: String,
    /// `responsible`, `owner` or `operator`.
    pub kind: String,
    /// 责任人.
    #[serde(default)]
    pub contact: String,
    /// 联系电话.
    #[serde(default)]
    pub phone: String,
    /// The unit above it.
    pub parent: Option<Uuid>,
}

/// A unit as the office lists it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UnitListed {
    /// Its id.
    pub unit: String,
    /// Its name.
    pub name: String,
    /// What it is to the lines.
    pub kind: &'static str,
    /// 责任人.
    pub contact: String,
    /// 联系电话.
    pub phone: String,
    /// The unit above it.
    pub parent: Option<String>,
    /// When it was retired.
    pub retired_ms: Option<i64>,
}

/// Every unit of a district, retired ones too.
///
/// # Errors
/// The store's.
pub async fn list(engine: &Engine, district: &District) -> Result<Vec<UnitListed>, SyncError> {
    let units = engine.store.read().await?.units(district.key).await?;
    Ok(units
        .into_iter()
        .map(|unit| UnitListed {
            unit: unit.id.to_string(),
            name: unit.name,
            kind: unit.kind.as_str(),
            contact: unit.contact,
            phone: unit.phone,
            parent: unit.parent.map(|parent| parent.to_string()),
            retired_ms: unit.retired_ms,
        })
        .collect())
}

/// Which unit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// A new one.
    New,
    /// This one, anew: one that was retired returns.
    Known(UnitId),
}

/// Writes a unit.
///
/// # Errors
/// [`Code::NotFound`] of the unit or its parent, [`Code::UnitCircle`], [`Code::BadParameter`].
pub async fn write(
    engine: &Arc<Engine>,
    district: &District,
    which: Which,
    written: UnitWritten,
    by: Actor,
) -> Result<UnitId, SyncError> {
    named("name", &written.name)?;
    let kind = UnitKind::parse(&written.kind);
    let kind = kind.ok_or_else(|| {
        let known = UnitKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        SyncError::RefusedFor(Code::BadParameter, format!("kind: 须为下列之一 must be one of {known}"))
    })?;
    for (what, text) in [("contact", &written.contact), ("phone", &written.phone)] {
        if text.chars().count() > CONTACT_CHARACTERS || text.chars().any(char::is_control) {
            return Err(SyncError::RefusedFor(Code::BadParameter, what.to_owned()));
        }
    }
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let parents: Parents = transaction
        .units(district.key)
        .await?
        .into_iter()
        .map(|unit| (unit.id.0, unit.parent.map(|parent| parent.0)))
        .collect();
    let unknown = |id: Uuid| SyncError::RefusedFor(Code::NotFound, format!("unit {id}"));
    let id = match which {
        Which::New if parents.len() >= UNITS => {
            return Err(SyncError::RefusedFor(Code::BadParameter, format!("more than {UNITS} units")));
        }
        Which::New => UnitId(office::new_id(engine.clock.now_ms())),
        Which::Known(id) if parents.contains_key(&id.0) => id,
        Which::Known(id) => return Err(unknown(id.0)),
    };
    if let Some(parent) = written.parent {
        if !parents.contains_key(&parent) {
            return Err(unknown(parent));
        }
        if makes_a_circle(id.0, parent, &parents) {
            return Err(Code::UnitCircle.into());
        }
    }
    let unit = UnitRow {
        id,
        name: written.name,
        kind,
        contact: written.contact,
        phone: written.phone,
        parent: written.parent.map(UnitId),
        retired_ms: None,
    };
    transaction.put_unit(district.key, &unit).await?;
    transaction.rename_unit_on_map(district.key, id, &unit.name).await?;
    let action = match which {
        Which::New => "unit.add",
        Which::Known(_) => "unit.change",
    };
    let detail =
        json!({ "kind": unit.kind.as_str(), "parent": unit.parent.map(|parent| parent.to_string()) });
    engine.audit(&mut transaction, district, Entry::by(by, action, id.to_string(), detail)).await?;
    // Who stands below whom decides what people of units see.
    engine.commit_admission(transaction).await?;
    Ok(id)
}

/// Retires a unit: nothing new is given to it. Its hazards and people stay with it.
///
/// # Errors
/// [`Code::NotFound`] where there is none, or it was retired already.
pub async fn retire(
    engine: &Arc<Engine>,
    district: &District,
    id: UnitId,
    by: Actor,
) -> Result<(), SyncError> {
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let unit = transaction.unit(district.key, id).await?.filter(|unit| unit.retired_ms.is_none());
    let mut unit = unit.ok_or_else(|| SyncError::RefusedFor(Code::NotFound, format!("unit {id}")))?;
    unit.retired_ms = Some(engine.clock.now_ms());
    transaction.put_unit(district.key, &unit).await?;
    let entry = Entry::by(by, "unit.retire", id.to_string(), json!({}));
    engine.audit(&mut transaction, district, entry).await?;
    transaction.commit().await?;
    Ok(())
}
