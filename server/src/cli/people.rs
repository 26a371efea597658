//! `firebreak person …`, `area …`, `token …`, `enrol-code …`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use sync_protocol::ids::PersonId;
use uuid::Uuid;

use super::{DistrictArg, find, print_json};
use crate::accounts::actions::Actions;
use crate::config::Settings;
use crate::domain::{Role, Roles, UnitId};
use crate::geometry::GeoBox;
use crate::store::TokenBounds;
use crate::sync::admin::Reach;
use crate::sync::audit::Actor;
use crate::sync::people::{self, Tokens};
use crate::sync::{Engine, admin};
use crate::tls;

/// Who gives a command, in the audit log.
const BY: Actor = Actor::Operator;

#[derive(Debug, Subcommand)]
pub(super) enum PersonCommand {
    /// Add a person.
    Add {
        #[command(flatten)]
        district: DistrictArg,
        /// Name.
        #[arg(long)]
        name: String,
        /// inspector, unit, reviewer, clerk, reinspector, leader, planner or admin; may be repeated.
        #[arg(long, default_value = "inspector")]
        role: Vec<String>,
        /// The unit that they belong to.
        #[arg(long)]
        unit: Option<Uuid>,
    },
    /// List the people of a district, those who were removed too.
    List(DistrictArg),
    /// Remove a person: tokens and enrolment codes end, phones are bound to them no more. What they recorded stays;
    /// what their phones hand in later waits in quarantine.
    Remove {
        /// The person.
        #[arg(long)]
        person: PersonId,
        #[command(flatten)]
        district: DistrictArg,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum AreaCommand {
    /// Set a person's area; without a box it is the whole district.
    Set {
        #[command(flatten)]
        district: DistrictArg,
        /// The person.
        #[arg(long)]
        person: PersonId,
        /// Longitudes and latitudes in degrees, such as `103,29,104,30`; may be repeated.
        #[arg(long = "box", value_name = "WEST,SOUTH,EAST,NORTH", allow_hyphen_values = true)]
        boxes: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token. It is shown once.
    Create {
        /// The person it speaks for.
        #[arg(long)]
        person: PersonId,
        /// What it is called.
        #[arg(long, default_value = "")]
        name: String,
        /// read, export, write or admin; may be repeated. Without it: whatever the person may.
        #[arg(long)]
        scope: Vec<String>,
        /// Days after which it ends.
        #[arg(long, value_name = "DAYS")]
        expires_days: Option<u32>,
        #[command(flatten)]
        district: DistrictArg,
    },
    /// List the tokens of a district: never the tokens themselves, but ids to revoke them by.
    List(DistrictArg),
    /// End tokens at once.
    #[command(group(clap::ArgGroup::new("which").required(true)))]
    Revoke {
        /// The id of one token, from `token list`.
        #[arg(long, group = "which")]
        id: Option<String>,
        /// Every token of this person.
        #[arg(long, group = "which")]
        person: Option<PersonId>,
        #[command(flatten)]
        district: DistrictArg,
    },
}

#[derive(Debug, Args)]
pub(super) struct EnrolCodeArgs {
    /// The person who will use the phone.
    #[arg(long)]
    person: PersonId,
    #[command(flatten)]
    district: DistrictArg,
    /// The server's address as phones see it.
    #[arg(long)]
    address: Option<String>,
    /// The TLS certificate that phones will see, to be pinned (PEM). Default: that of the settings.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
}

pub(super) async fn run_person(engine: &Arc<Engine>, command: PersonCommand) -> anyhow::Result<()> {
    match command {
        PersonCommand::Add { district, name, role, unit } => {
            let district = find(engine, district).await?;
            let roles = roles(&role)?;
            let person = admin::add_person(engine, &district, &name, (roles, unit.map(UnitId)), BY).await?;
            print_json(&json!({ "person": person.to_string() }))
        }
        PersonCommand::List(district) => {
            let district = find(engine, district).await?;
            for person in people::list(engine, &district).await? {
                print_json(&serde_json::to_value(person)?)?;
            }
            Ok(())
        }
        PersonCommand::Remove { person, district } => {
            let district = find(engine, district).await?;
            people::remove(engine, &district, person, BY).await?;
            print_json(&json!({ "person": person.to_string(), "removed": true }))
        }
    }
}

pub(super) async fn run_area(engine: &Arc<Engine>, command: AreaCommand) -> anyhow::Result<()> {
    let AreaCommand::Set { district, person, boxes } = command;
    let district = find(engine, district).await?;
    let boxes = boxes.iter().map(|text| parse_box(text)).collect::<anyhow::Result<_>>()?;
    let version = admin::set_area(engine, &district, person, boxes, BY).await?;
    print_json(&json!({ "person": person.to_string(), "version": version }))
}

pub(super) async fn run_token(engine: &Arc<Engine>, command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create { person, name, scope, expires_days, district } => {
            let district = find(engine, district).await?;
            let bounds = bounds(engine, name, &scope, expires_days)?;
            let token = admin::create_token(engine, &district, person, &bounds, BY).await?;
            print_json(&json!({ "token": token }))
        }
        TokenCommand::List(district) => {
            let district = find(engine, district).await?;
            for token in people::tokens(engine, &district).await? {
                print_json(&serde_json::to_value(token)?)?;
            }
            Ok(())
        }
        TokenCommand::Revoke { id, person, district } => {
            let district = find(engine, district).await?;
            let named = id.map(Tokens::Named).or(person.map(Tokens::Of));
            let which = named.context("say which: --id ID or --person PERSON")?;
            let revoked = people::revoke_tokens(engine, &district, &which, BY).await?;
            print_json(&json!({ "revoked": revoked }))
        }
    }
}

pub(super) async fn run_enrol_code(
    engine: &Arc<Engine>,
    settings: &Settings,
    arguments: EnrolCodeArgs,
) -> anyhow::Result<()> {
    let district = find(engine, arguments.district).await?;
    let certificate = arguments.tls_cert.as_ref().or(settings.tls_cert.as_ref());
    let pin = certificate.map(|path| tls::pin(path)).transpose()?;
    let reach = Reach {
        address: arguments.address.as_deref().or(settings.public_url.as_deref()),
        pin: pin.as_deref(),
    };
    let code = admin::enrol_code(engine, &district, arguments.person, reach, BY).await?;
    show_qr(&code.uri)?;
    print_json(&serde_json::to_value(code)?)
}

fn roles(names: &[String]) -> anyhow::Result<Roles> {
    Roles::named(names.iter().map(String::as_str)).with_context(|| {
        let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        format!("`{}` are no roles; roles are {}", names.join(" "), known.join(", "))
    })
}

fn bounds(
    engine: &Engine,
    name: String,
    scopes: &[String],
    days: Option<u32>,
) -> anyhow::Result<TokenBounds> {
    let scopes = match scopes {
        [] => Actions::EVERY,
        scopes => Actions::named(scopes.iter().map(String::as_str))
            .with_context(|| format!("`{}`: scopes are read, export, write, admin", scopes.join(" ")))?,
    };
    let expires_ms = days.map(|days| engine.clock.now_ms() + i64::from(days) * 86_400_000);
    Ok(TokenBounds { name, scopes: scopes.names().join(" "), expires_ms, made_by: None })
}

/// A box as the API takes it.
fn parse_box(text: &str) -> anyhow::Result<GeoBox> {
    GeoBox::in_degrees(text).with_context(|| {
        format!(
            "`{text}` is no box: it is WEST,SOUTH,EAST,NORTH in degrees, such as 103,29,104,30, west and south \
             first, longitudes to 180 and latitudes to 90"
        )
    })
}

/// The QR goes to standard error, for people; the JSON to standard output, for scripts.
fn show_qr(text: &str) -> anyhow::Result<()> {
    use std::io::{IsTerminal as _, Write as _};
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let code = qrcode::QrCode::new(text)?;
        let picture = code.render::<qrcode::render::unicode::Dense1x2>().build();
        writeln!(out, "{picture}\n{text}")?;
    }
    Ok(())
}
