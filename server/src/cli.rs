//! The command line. Each command prints one line of JSON on standard output, so that scripts can read it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use sync_protocol::ids::{Chain, DeviceId, PersonId};

use crate::config::{Flags, ServeFlags, Settings};
use crate::domain::{District, Role};
use crate::geometry::GeoBox;
use crate::store::Database;
use crate::sync::group::{self, Delivery};
use crate::sync::office::{Act, SERVER_AUTHOR};
use crate::sync::{Engine, admin, admit, check};
use crate::{app, telemetry};

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
    /// Areas of persons.
    #[command(subcommand)]
    Area(AreaCommand),
    /// Tokens of office accounts.
    #[command(subcommand)]
    Token(TokenCommand),
    /// A code that enrols a phone, as text and QR.
    EnrolCode(EnrolCodeArgs),
    /// Import what came by memory stick.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Devices.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Fold every record again and compare; exit status 1 where anything disagrees.
    Check(DistrictArg),
    /// Print the settings in force, secrets hidden.
    Config,
}

/// Which district.
#[derive(Debug, Args)]
struct DistrictArg {
    /// Its code or id; may be left out where there is only one.
    #[arg(long)]
    district: Option<String>,
}

#[derive(Debug, Subcommand)]
enum DistrictCommand {
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
    /// List the districts.
    List,
}

#[derive(Debug, Subcommand)]
enum PersonCommand {
    /// Add a person.
    Add {
        #[command(flatten)]
        district: DistrictArg,
        /// Name.
        #[arg(long)]
        name: String,
        /// inspector, reviewer, clerk, leader or admin.
        #[arg(long, default_value = "inspector")]
        role: String,
    },
    /// List the people of a district.
    List(DistrictArg),
}

#[derive(Debug, Subcommand)]
enum AreaCommand {
    /// Set a person's area; without a box it is the whole district.
    Set {
        #[command(flatten)]
        district: DistrictArg,
        /// The person.
        #[arg(long)]
        person: PersonId,
        /// `lat_min,lon_min,lat_max,lon_max`, degrees × 1e7; may be repeated.
        #[arg(long = "box", allow_hyphen_values = true)]
        boxes: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token. It is shown once.
    Create {
        /// The person it speaks for.
        #[arg(long)]
        person: PersonId,
        #[command(flatten)]
        district: DistrictArg,
    },
}

#[derive(Debug, Args)]
struct EnrolCodeArgs {
    /// The person who will use the phone.
    #[arg(long)]
    person: PersonId,
    #[command(flatten)]
    district: DistrictArg,
    /// The server's address as phones see it.
    #[arg(long)]
    address: Option<String>,
}

#[derive(Debug, Subcommand)]
enum ImportCommand {
    /// Import bundle files, as a phone exports them.
    Bundle {
        #[command(flatten)]
        district: DistrictArg,
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
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
                for (name, value) in settings.shown() {
                    print(&format!("{name} = {value}"))?;
                }
            }
            Command::Check(district) => return run_check(&settings, district).await,
            command => {
                let engine = app::open(&settings).await?;
                let result = run_on(&engine, command).await;
                engine.store.close().await;
                result?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn run_on(engine: &Arc<Engine>, command: Command) -> anyhow::Result<()> {
    match command {
        Command::District(command) => run_district(engine, command).await,
        Command::Person(command) => run_person(engine, command).await,
        Command::Area(AreaCommand::Set { district, person, boxes }) => {
            let district = find(engine, district).await?;
            let boxes = boxes.iter().map(|text| parse_box(text)).collect::<anyhow::Result<_>>()?;
            let version = admin::set_area(engine, &district, person, boxes).await?;
            print_json(&json!({ "person": person.to_string(), "version": version }))
        }
        Command::Token(TokenCommand::Create { person, district }) => {
            let district = find(engine, district).await?;
            let token = admin::create_token(engine, &district, person).await?;
            print_json(&json!({ "token": token }))
        }
        Command::EnrolCode(arguments) => {
            let district = find(engine, arguments.district).await?;
            let code =
                admin::enrol_code(engine, &district, arguments.person, arguments.address.as_deref()).await?;
            show_qr(&code.uri)?;
            print_json(&serde_json::to_value(code)?)
        }
        Command::Import(ImportCommand::Bundle { district, files }) => {
            let district = find(engine, district).await?;
            import(engine, &district, &files).await
        }
        Command::Device(command) => run_device(engine, command).await,
        Command::Serve(_) | Command::Check(_) | Command::Config => Ok(()),
    }
}

async fn run_district(engine: &Arc<Engine>, command: DistrictCommand) -> anyhow::Result<()> {
    match command {
        DistrictCommand::Add { code, name, time_zone } => {
            let district = admin::add_district(engine, &code, &name, &time_zone).await?;
            print_json(&json!({ "district": district.to_string() }))
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

async fn run_person(engine: &Arc<Engine>, command: PersonCommand) -> anyhow::Result<()> {
    match command {
        PersonCommand::Add { district, name, role } => {
            let district = find(engine, district).await?;
            let role = Role::parse(&role)
                .with_context(|| format!("`{role}` is no role: inspector, reviewer, clerk, leader, admin"))?;
            let person = admin::add_person(engine, &district, &name, role).await?;
            print_json(&json!({ "person": person.to_string() }))
        }
        PersonCommand::List(district) => {
            let district = find(engine, district).await?;
            for person in engine.store.read().await?.persons(district.key).await? {
                print_json(&json!({
                    "person": person.id.to_string(), "name": person.name, "role": person.role.as_str(),
                }))?;
            }
            Ok(())
        }
    }
}

async fn run_device(engine: &Arc<Engine>, command: DeviceCommand) -> anyhow::Result<()> {
    match command {
        DeviceCommand::List(district) => {
            let district = find(engine, district).await?;
            let mut transaction = engine.store.read().await?;
            for id in transaction.device_ids(district.key).await? {
                if let Some(row) = transaction.device(district.key, id).await? {
                    print_json(&json!({
                        "device": id.to_string(), "status": format!("{:?}", row.device.status),
                        "received_through": row.device.head_sequence, "forked": row.device.is_forked,
                        "contact_ms": row.contact_ms, "client": row.client,
                    }))?;
                }
            }
            Ok(())
        }
        DeviceCommand::Lost { device, district } => {
            let district = find(engine, district).await?;
            engine.act(&district, Act::Lose { device }).await?;
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
            let trusted = last_sequence.zip(chain);
            engine.act(&district, Act::Revoke { device, trusted, author: SERVER_AUTHOR }).await?;
            print_json(&json!({ "device": device.to_string(), "status": "revoked" }))
        }
    }
}

async fn import(engine: &Arc<Engine>, district: &District, files: &[PathBuf]) -> anyhow::Result<()> {
    let mut refused_in_all = 0;
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let mut admitted = admit::open_file(engine, district, &bytes).await?;
        let known = admitted.receipts.len();
        let now_ms = engine.clock.now_ms();
        let refused: Vec<_> = admitted
            .refusals
            .iter()
            .map(|refusal| group::refused_row(refusal.bundle, refusal.code, &refusal.bytes, None, now_ms))
            .collect();
        let refusals: Vec<_> = admitted
            .refusals
            .iter()
            .map(|refusal| json!({ "bundle": refusal.bundle.to_string(), "code": refusal.code.as_str(), "zh": refusal.code.zh(), "en": refusal.code.en() }))
            .collect();
        refused_in_all += refusals.len();
        let arrivals = std::mem::take(&mut admitted.arrivals);
        let delivery = Delivery { arrivals, refused, ..Delivery::default() };
        let receipts = engine.deliver(district, delivery).await?.receipts;
        print_json(&json!({
            "file": file.display().to_string(), "taken": receipts.len(), "known": known, "refused": refusals,
        }))?;
    }
    // What was refused is kept; a script must notice all the same.
    anyhow::ensure!(refused_in_all == 0, "{refused_in_all} bundles were refused");
    Ok(())
}

async fn run_check(settings: &Settings, district: DistrictArg) -> anyhow::Result<ExitCode> {
    // A mistyped folder must not pass for a ledger in order.
    if let Database::Sqlite { path, .. } = settings.database()
        && !path.exists()
    {
        anyhow::bail!("there is no ledger at {}: give its folder with --data", path.display());
    }
    let engine = app::open(settings).await?;
    let districts = match district.district {
        Some(name) => vec![engine.district(&name).await?],
        None => engine.districts().await,
    };
    let mut all_good = true;
    for district in districts {
        let report = check::check(&engine, &district).await?;
        all_good &= report.ok;
        print_json(&serde_json::to_value(&report)?)?;
    }
    engine.store.close().await;
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

fn parse_box(text: &str) -> anyhow::Result<GeoBox> {
    let parts: Vec<i64> = text
        .split(',')
        .map(|part| part.trim().parse())
        .collect::<Result<_, _>>()
        .with_context(|| format!("`{text}` is no box"))?;
    let corners = <[i64; 4]>::try_from(parts).map_err(|_parts| anyhow::anyhow!("`{text}` is no box"))?;
    Ok(GeoBox(corners))
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

fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&value.to_string())
}

fn print(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
