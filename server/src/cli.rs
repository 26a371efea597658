//! The command line. It prints JSON on standard output, one line a thing (a list has many, `serve` says where
//! it listens), so that scripts can read it. A file a noun.

mod audit;
mod backup;
mod devices;
mod districts;
mod export;
mod grid;
mod import;
mod orders;
mod people;
mod report;
mod rules;
mod units;
mod users;

use std::process::ExitCode;
use std::sync::Arc;

use audit::AuditCommand;
use backup::BackupCommand;
use clap::{Args, Parser, Subcommand};
use devices::DeviceCommand;
use districts::DistrictCommand;
use import::ImportCommand;
use orders::OrderCommand;
use people::{AreaCommand, EnrolCodeArgs, PersonCommand, TokenCommand};
use rules::RulesCommand;
use sync_protocol::ids::sha256;
use sync_protocol::view::Disposition;
use units::UnitCommand;
use users::UserCommand;

use crate::config::{Flags, ServeFlags, Settings};
use crate::domain::District;
use crate::store::Database;
use crate::sync::{Engine, check};
use crate::{app, http, telemetry};

/// Firebreak: the hazard ledger of a district, synced with inspectors' phones.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve devices and the office until Ctrl-C.
    Serve(ServeFlags),
    /// Districts.
    #[command(subcommand)]
    District(DistrictCommand),
    /// People.
    #[command(subcommand)]
    Person(PersonCommand),
    /// Accounts: who signs in, as whom.
    #[command(subcommand)]
    User(UserCommand),
    /// Units: who owns, operates, puts right.
    #[command(subcommand)]
    Unit(UnitCommand),
    /// Areas of persons.
    #[command(subcommand)]
    Area(AreaCommand),
    /// Tokens of office accounts.
    #[command(subcommand)]
    Token(TokenCommand),
    /// A code that enrols a phone, as text and QR.
    EnrolCode(EnrolCodeArgs),
    /// Import what came by memory stick, GPX tracks, lines, regions.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Devices.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Orders: the number of the next one.
    #[command(subcommand)]
    Order(OrderCommand),
    /// The work report of a period: a draft, or issued.
    Report(report::ReportArgs),
    /// A layer of the map, or the ledger, as a file.
    Export(Box<export::ExportArgs>),
    /// The rules of a district.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Backups: a copy of the ledger, and whether a copy is whole.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// The audit log: where it stands, and whether it was tampered with.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Fold every record again and compare; exit status 1 where anything disagrees.
    Check(DistrictArg),
    /// Print the settings in force, secrets hidden.
    Config,
    /// Print the description of the office's API (OpenAPI 3.1).
    Openapi,
}

/// Which district.
#[derive(Debug, Args)]
struct DistrictArg {
    /// Its code or id; may be left out where there is only one.
    #[arg(long)]
    district: Option<String>,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// In words for the operator.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let serve = if let Command::Serve(serve) = &self.command { Some(serve) } else { None };
        let settings = Settings::load(&self.flags, serve)?;
        telemetry::begin_logging(&settings);
        match self.command {
            Command::Serve(_) => app::serve(&settings).await?,
            Command::Config => {
                let shown = settings.shown().into_iter().map(|(name, value)| (name.to_owned(), value.into()));
                print_json(&serde_json::Value::Object(shown.collect()))?;
            }
            Command::Openapi => print(http::openapi::text().trim_end())?,
            Command::Check(district) => return run_check(&settings, district).await,
            Command::Audit(command) => {
                require_ledger(&settings)?;
                let engine = app::open(&settings).await?;
                let result = audit::run(&engine, command).await;
                engine.store.close().await;
                return result;
            }
            Command::Backup(command) => {
                require_ledger(&settings)?;
                let engine = app::open(&settings).await?;
                let result = backup::run(&engine, &settings, command).await;
                engine.store.close().await;
                return result;
            }
            command => {
                let engine = app::open(&settings).await?;
                let result = run_on(&engine, &settings, command).await;
                engine.store.close().await;
                result?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn run_on(engine: &Arc<Engine>, settings: &Settings, command: Command) -> anyhow::Result<()> {
    match command {
        Command::District(command) => districts::run(engine, command).await,
        Command::Person(command) => people::run_person(engine, command).await,
        Command::User(command) => users::run(engine, settings, command).await,
        Command::Unit(command) => units::run(engine, command).await,
        Command::Area(command) => people::run_area(engine, command).await,
        Command::Token(command) => people::run_token(engine, command).await,
        Command::EnrolCode(arguments) => people::run_enrol_code(engine, settings, arguments).await,
        Command::Import(command) => import::run(engine, command).await,
        Command::Device(command) => devices::run(engine, command).await,
        Command::Order(command) => orders::run(engine, command).await,
        Command::Report(arguments) => report::run(engine, arguments).await,
        Command::Export(arguments) => export::run(engine, *arguments).await,
        Command::Rules(command) => rules::run(engine, command).await,
        Command::Serve(_)
        | Command::Check(_)
        | Command::Audit(_)
        | Command::Backup(_)
        | Command::Config
        | Command::Openapi => Ok(()),
    }
}

async fn run_check(settings: &Settings, district: DistrictArg) -> anyhow::Result<ExitCode> {
    require_ledger(settings)?;
    let engine = app::open(settings).await?;
    let districts = match district.district {
        Some(name) => vec![engine.district(&name).await?],
        None => engine.districts().await,
    };
    let mut all_good = true;
    if districts.is_empty() {
        // A ledger that nobody has begun is in order; a script reads a line all the same.
        print_json(&serde_json::to_value(of_nothing())?)?;
    }
    for district in districts {
        let report = check::check(&engine, &district).await?;
        all_good &= report.ok;
        print_json(&serde_json::to_value(&report)?)?;
    }
    engine.store.close().await;
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a check finds where there is no district.
fn of_nothing() -> check::Report {
    check::Report {
        dispositions: Disposition::ALL.iter().map(|name| (name.as_str().to_owned(), 0)).collect(),
        state_hash: hex::encode(sha256(&[])),
        ok: true,
        ..check::Report::default()
    }
}

/// A mistyped folder must not pass for a ledger in order.
fn require_ledger(settings: &Settings) -> anyhow::Result<()> {
    if let Database::Sqlite { path, .. } = settings.database()
        && !path.exists()
    {
        anyhow::bail!("there is no ledger at {}: give its folder with --data", path.display());
    }
    Ok(())
}

async fn find(engine: &Arc<Engine>, district: DistrictArg) -> anyhow::Result<District> {
    if let Some(name) = district.district {
        return Ok(engine.district(&name).await?);
    }
    let districts = engine.districts().await;
    match districts.as_slice() {
        [only] => Ok(only.clone()),
        [] => anyhow::bail!("there is no district yet: firebreak district add --code CODE --name NAME"),
        _ => anyhow::bail!("there are several districts: say which with --district CODE"),
    }
}

fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&value.to_string())
}

fn print(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
