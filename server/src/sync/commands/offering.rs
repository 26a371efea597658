//! What an account may think of on a hazard: each command, whether it may be given now, and what it needs.

use std::sync::Arc;

use serde::Serialize;
use sync_protocol::ids::{PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use utoipa::ToSchema;

use super::filling::{Known, filled};
use super::{Command, MovedOn, giving, judged};
use crate::domain::{District, Roles};
use crate::lifecycle::{self, Refusal, table};
use crate::sync::derive::{self, Context};
use crate::sync::{Engine, SyncError};

/// A command that an account may think of.
#[derive(Debug, Serialize, ToSchema)]
pub struct Offered {
    /// Its name.
    pub command: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Whether it may be given now, once it says what it needs.
    pub allowed: bool,
    /// Fields and photo roles that it needs.
    pub needs: Vec<Needed>,
    /// What stands against it beside what it does not say yet.
    pub refusals: Vec<Refusal>,
}

/// A field or a photo that a command needs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Needed {
    /// The field, or none.
    pub field: Option<&'static str>,
    /// The role of a photo, or none.
    pub photo: Option<&'static str>,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

/// Every command on a hazard: whether an account may give it now, and what it needs.
///
/// # Errors
/// `not-found`, the store's.
pub async fn offered(
    engine: &Arc<Engine>,
    district: &District,
    record: RecordId,
    (person, roles): (PersonId, Roles),
) -> Result<(Vec<String>, Vec<Offered>), SyncError> {
    let context = Context::of(engine, district).await?;
    let now_ms = engine.clock.now_ms();
    let mut reading = engine.store.read().await?;
    let mut judged = judged(&mut reading, district, &context, record, now_ms).await?;
    judged.case.fresh_ms = derive::fresh_ms(&context, &judged.row, &judged.view, &judged.case, now_ms);
    let known = Known { context: &context, district, ordinal: None, unit: None, now_ms };
    let offered = lifecycle::Command::ALL.iter().map(|command| {
        let (fields, photos) = (Fields::new(), Vec::new());
        let (made_from, moved_on) = (None, MovedOn::Refuse);
        let given = Command { command: *command, record, fields, photos, person, roles, made_from, moved_on };
        let fields = filled(&given, &judged, &known);
        let giving = giving(&given, &fields, engine.profile, now_ms);
        let refusals = lifecycle::allowed(&judged.case, *command, &giving).err().unwrap_or_default();
        let refusals: Vec<Refusal> =
            refusals.into_iter().filter(|refusal| refusal.code != lifecycle::Reason::Needed).collect();
        let needs = table::needs(*command, &judged.case).into_iter().filter(|need| !need.is_met(&giving));
        Offered {
            command: command.as_str(),
            zh: command.zh(),
            en: command.en(),
            allowed: refusals.is_empty(),
            needs: needs.map(needed).collect(),
            refusals,
        }
    });
    let offered = offered.collect();
    Ok((judged.view.heads.iter().map(ToString::to_string).collect(), offered))
}

fn needed(need: table::Need) -> Needed {
    match need {
        table::Need::Field(name) => {
            let (zh, en) =
                sync_protocol::field::find(name).map_or((name, name), |field| (field.zh, field.en));
            Needed { field: Some(name), photo: None, zh, en }
        }
        table::Need::Photo(role) => Needed { field: None, photo: Some(role), zh: "照片", en: "a photo" },
        table::Need::Anything => Needed { field: None, photo: None, zh: "任一字段", en: "any field" },
    }
}

/// Whether an act of this kind may be given by these roles: the commands that write it.
pub fn may_act(kind: Kind, roles: Roles) -> bool {
    let commands = lifecycle::Command::ALL.iter().filter(|command| command.kind() == kind);
    commands.map(|command| table::rule(*command)).any(|rule| roles.has_any(rule.who))
}
