//! `firebreak user …`: accounts, the first administrator, one-time links.

use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use sync_protocol::ids::PersonId;

use super::{DistrictArg, find, print_json};
use crate::config::Settings;
use crate::domain::{District, Role, Roles};
use crate::sync::audit::Actor;
use crate::sync::users::{self, Place};
use crate::sync::{Engine, admin};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add an account, and print a one-time link by which its owner chooses a password.
    Add {
        /// What they will type to sign in.
        #[arg(long)]
        login: String,
        /// Their name.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        address: AddressArg,
    },
    /// List every account, with the districts and provinces that it is let into.
    List,
    /// Keep an account out at once.
    Disable {
        #[arg(long)]
        login: String,
    },
    /// Let an account in again.
    Enable {
        #[arg(long)]
        login: String,
    },
    /// A forgotten password: end the account's sessions and print a one-time link to a new one.
    Reset {
        #[arg(long)]
        login: String,
        #[command(flatten)]
        address: AddressArg,
    },
    /// Print a one-time link by which a person of a district gets an account.
    #[command(group(clap::ArgGroup::new("whom").required(true)))]
    Link {
        /// A new administrator of the district: the first one.
        #[arg(long, group = "whom")]
        admin: bool,
        /// This person.
        #[arg(long, group = "whom")]
        person: Option<PersonId>,
        /// The name of the new administrator.
        #[arg(long, default_value = "管理员", requires = "admin")]
        name: String,
        #[command(flatten)]
        district: DistrictArg,
        #[command(flatten)]
        address: AddressArg,
    },
    /// Let an account into a district as a person of it, or let it see the districts of a province.
    Grant {
        #[arg(long)]
        login: String,
        /// The person that it is in the district.
        #[arg(long, conflicts_with = "province")]
        person: Option<PersonId>,
        #[command(flatten)]
        district: DistrictArg,
        /// The code of a province.
        #[arg(long)]
        province: Option<String>,
    },
    /// Take an account out of a district or a province at once.
    Revoke {
        #[arg(long)]
        login: String,
        #[command(flatten)]
        district: DistrictArg,
        /// The code of a province.
        #[arg(long, conflicts_with = "district")]
        province: Option<String>,
    },
}

/// Where the office's pages are.
#[derive(Debug, Args)]
pub(super) struct AddressArg {
    /// The server's address as browsers see it, for the link. Default: `public_url`, else where the server listens.
    #[arg(long)]
    address: Option<String>,
}

impl AddressArg {
    fn link(&self, settings: &Settings, secret: &str) -> String {
        let scheme = if settings.tls_cert.is_some() { "https" } else { "http" };
        let address = self.address.clone().or_else(|| settings.public_url.clone());
        let address = address.unwrap_or_else(|| format!("{scheme}://{}", settings.listen));
        format!("{}/link/{secret}", address.trim_end_matches('/'))
    }
}

pub(super) async fn run(
    engine: &Arc<Engine>,
    settings: &Settings,
    command: UserCommand,
) -> anyhow::Result<()> {
    match command {
        UserCommand::Add { login, name, address } => {
            let (account, made) = users::create(engine, &login, &name).await?;
            let link = address.link(settings, &made.secret);
            print_json(
                &json!({ "account": account.to_string(), "link": link, "expires_ms": made.expires_ms }),
            )
        }
        UserCommand::List => {
            for user in users::list(engine).await? {
                print_json(&serde_json::to_value(user)?)?;
            }
            Ok(())
        }
        UserCommand::Disable { login } => disable(engine, &login, true).await,
        UserCommand::Enable { login } => disable(engine, &login, false).await,
        UserCommand::Reset { login, address } => {
            let account = users::find(engine, &login).await?;
            let made = users::reset(engine, account.id).await?;
            let link = address.link(settings, &made.secret);
            print_json(
                &json!({ "account": account.id.to_string(), "link": link, "expires_ms": made.expires_ms }),
            )
        }
        UserCommand::Link { admin, person, name, district, address } => {
            let district = find(engine, district).await?;
            let person = match person {
                Some(person) if !admin => person,
                _ => {
                    let what = (Roles::from(Role::Admin), None);
                    admin::add_person(engine, &district, &name, what, Actor::Operator).await?
                }
            };
            let made = users::link_of_person(engine, &district, person, Actor::Operator).await?;
            let link = address.link(settings, &made.secret);
            print_json(&json!({ "person": person.to_string(), "link": link, "expires_ms": made.expires_ms }))
        }
        UserCommand::Grant { login, person, district, province } => {
            let place = match (province, person) {
                (Some(province), _) => Place::Province(province),
                (None, person) => {
                    let person = person.context("say as whom: --person PERSON, or --province CODE")?;
                    Place::District(find(engine, district).await?, person)
                }
            };
            let account = users::find(engine, &login).await?;
            users::grant(engine, account.id, &place).await?;
            print_json(&json!({ "account": account.id.to_string(), "granted": true }))
        }
        UserCommand::Revoke { login, district, province } => {
            let account = users::find(engine, &login).await?;
            let district: Option<District> = match province {
                Some(_) => None,
                None => Some(find(engine, district).await?),
            };
            users::revoke(engine, account.id, district.as_ref(), province.as_deref()).await?;
            print_json(&json!({ "account": account.id.to_string(), "revoked": true }))
        }
    }
}

async fn disable(engine: &Arc<Engine>, login: &str, is_disabled: bool) -> anyhow::Result<()> {
    let account = users::find(engine, login).await?;
    users::set_disabled(engine, account.id, is_disabled).await?;
    print_json(&json!({ "account": account.id.to_string(), "disabled": is_disabled }))
}
