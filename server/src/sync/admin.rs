//! Districts, people, tokens, enrolment codes and areas: what must be there before the first sync.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use sync_protocol::cbor::MapWriter;
use sync_protocol::codes::Code;
use sync_protocol::enrolment;
use sync_protocol::ids::{DistrictId, PersonId, RecordId, sha256};
use sync_protocol::limits;
use utoipa::ToSchema;
use uuid::Uuid;

use super::audit::{Actor, Entry};
use super::{Engine, SyncError, office, people, sight, tokens};
use crate::accounts::actions::Actions;
use crate::domain::{Class, Collection, District, Person, Roles, UnitId, record_flags, state_number};
use crate::geometry::GeoBox;
use crate::store::{AreaVersion, RecordRow, TokenBounds, Transaction};

/// Characters of a name or code.
const NAME_CHARACTERS: usize = 100;

pub(super) fn named(what: &str, text: &str) -> Result<(), SyncError> {
    let is_good = !text.trim().is_empty()
        && text.chars().count() <= NAME_CHARACTERS
        && !text.chars().any(char::is_control);
    if is_good { Ok(()) } else { Err(unnamed(what)) }
}

fn unnamed(what: &str) -> SyncError {
    let takes = format!("{what}: 1 to {NAME_CHARACTERS} characters, none of them a control character");
    SyncError::RefusedFor(Code::BadParameter, takes)
}

/// Adds a district.
///
/// # Errors
/// `bad-parameter` where the code is taken or the time zone unknown.
pub async fn add_district(
    engine: &Arc<Engine>,
    code: &str,
    name: &str,
    time_zone: &str,
) -> Result<DistrictId, SyncError> {
    named("code", code)?;
    named("name", name)?;
    if jiff::tz::TimeZone::get(time_zone).is_err() {
        return Err(SyncError::RefusedFor(Code::BadParameter, format!("time zone {time_zone}")));
    }
    let id = DistrictId(Uuid::from_bytes(engine.keys.random()?));
    let id = DistrictId(uuid::Builder::from_random_bytes(*id.0.as_bytes()).into_uuid());
    let epoch: [u8; 16] = engine.keys.random()?;
    let tag: [u8; 4] = engine.keys.random()?;
    let mut transaction = engine.store.begin().await?;
    let known = transaction.districts().await?;
    if known.iter().any(|district| district.code == code) {
        return Err(SyncError::RefusedFor(Code::BadParameter, format!("district code {code} is taken")));
    }
    let key = transaction.add_district(id, code, name, time_zone, epoch).await?;
    transaction.begin_incarnation(key, tag).await?;
    let district =
        District { key, id, code: code.to_owned(), name: name.to_owned(), time_zone: time_zone.to_owned() };
    let detail = json!({ "name": name, "time_zone": time_zone });
    engine
        .audit(&mut transaction, &district, Entry::by(Actor::Operator, "district.add", code, detail))
        .await?;
    transaction.commit().await?;
    Ok(id)
}

/// Adds a person; devices learn of them by the feed.
pub async fn add_person(
    engine: &Arc<Engine>,
    district: &District,
    name: &str,
    (roles, unit): (Roles, Option<UnitId>),
    by: Actor,
) -> Result<PersonId, SyncError> {
    named("name", name)?;
    has_unit(roles, unit)?;
    let now_ms = engine.clock.now_ms();
    let person = Person { id: PersonId(office::new_id(now_ms)), name: name.to_owned(), roles, unit };
    let mut transaction = engine.store.begin().await?;
    let counter = transaction.take_counter(district.key, 1).await?;
    known_unit(&mut transaction, district, unit).await?;
    transaction.add_person(district.key, &person, now_ms).await?;
    let row = person_row(&person, Standing::Present, counter.last, now_ms);
    transaction.upsert_records(district.key, &[row]).await?;
    noted(engine, &mut transaction, district, (by, "person.add"), &person).await?;
    transaction.commit().await?;
    Ok(person.id)
}

/// A row of the log about what a person may do from now on.
async fn noted(
    engine: &Engine,
    transaction: &mut Transaction,
    district: &District,
    (by, action): (Actor, &'static str),
    person: &Person,
) -> Result<(), SyncError> {
    let detail = json!({ "roles": person.roles.names(), "unit": person.unit.map(|unit| unit.to_string()) });
    engine.audit(transaction, district, Entry::by(by, action, person.id.to_string(), detail)).await
}

/// A unit's people see what their unit answers for: without one they would see nothing, and not know why.
fn has_unit(roles: Roles, unit: Option<UnitId>) -> Result<(), SyncError> {
    if unit.is_some() || !sight::sees_units_alone(roles) {
        return Ok(());
    }
    let what = "unit: 责任单位人员须填写所属单位 (people of the role unit alone need their unit)";
    Err(SyncError::RefusedFor(Code::BadParameter, what.to_owned()))
}

/// A person's unit must be one of the district, in use.
async fn known_unit(
    transaction: &mut Transaction,
    district: &District,
    unit: Option<UnitId>,
) -> Result<(), SyncError> {
    let Some(id) = unit else { return Ok(()) };
    let known = transaction.unit(district.key, id).await?.filter(|unit| unit.retired_ms.is_none());
    known.map(drop).ok_or_else(|| SyncError::RefusedFor(Code::NotFound, format!("unit {id}")))
}

/// Writes a person's name, roles and unit anew; devices learn of it by the feed.
///
/// # Errors
/// [`Code::NotFound`] of the person or the unit, [`Code::BadParameter`] of the name.
pub async fn change_person(
    engine: &Arc<Engine>,
    district: &District,
    person: &Person,
    by: Actor,
) -> Result<(), SyncError> {
    named("name", &person.name)?;
    has_unit(person.roles, person.unit)?;
    let mut transaction = engine.store.begin().await?;
    let counter = transaction.take_counter(district.key, 1).await?;
    known(transaction.present_person(district.key, person.id).await?, person.id)?;
    known_unit(&mut transaction, district, person.unit).await?;
    transaction.change_person(district.key, person).await?;
    let row = person_row(person, Standing::Present, counter.last, engine.clock.now_ms());
    transaction.upsert_records(district.key, &[row]).await?;
    noted(engine, &mut transaction, district, (by, "person.change"), person).await?;
    engine.commit_admission(transaction).await
}

/// Whether a person is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Present,
    Removed,
}

/// The record by which devices learn of a person.
pub(super) fn person_row(person: &Person, standing: Standing, change: u64, now_ms: i64) -> RecordRow {
    let mut view = MapWriter::new();
    view.value("name", &person.name).value("role", &person.roles.to_string());
    if standing == Standing::Removed {
        view.value("removed", &true);
    }
    RecordRow {
        record: RecordId(person.id.0),
        collection: Collection::People.number(),
        change,
        class: Class::Other.number(),
        state: state_number(sync_protocol::view::State::Recorded),
        flags: record_flags::NOT_HAZARD,
        number: 0,
        received_ms: now_ms,
        place: None,
        place_since: change,
        unit: None,
        view: view.finish().into(),
    }
}

/// A token that may do whatever its person may, for ever.
pub fn unbounded() -> TokenBounds {
    let scopes = Actions::EVERY.names().join(" ");
    TokenBounds { name: String::new(), scopes, expires_ms: None, made_by: None }
}

/// Makes a token for a person. It is shown once; the store keeps its hash.
///
/// # Errors
/// [`Code::NotFound`] of the person, [`Code::BadParameter`] of its bounds.
pub async fn create_token(
    engine: &Arc<Engine>,
    district: &District,
    person: PersonId,
    bounds: &TokenBounds,
    by: Actor,
) -> Result<String, SyncError> {
    if !bounds.name.is_empty() {
        named("name", &bounds.name)?;
    }
    if bounds.expires_ms.is_some_and(|at_ms| at_ms <= engine.clock.now_ms()) {
        return Err(SyncError::RefusedFor(Code::BadParameter, "expires_ms: must lie ahead".to_owned()));
    }
    let (token, hash) = tokens::office_token(district.id, engine.keys.random()?);
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    known(transaction.present_person(district.key, person).await?, person)?;
    transaction.add_token(district.key, &hash, person, bounds, engine.clock.now_ms()).await?;
    let detail = json!({
        "token": people::token_id(&hash), "name": bounds.name, "scopes": bounds.scopes, "expires_ms": bounds.expires_ms,
        "made_by": bounds.made_by.as_deref().map(people::token_id),
    });
    engine.audit(&mut transaction, district, Entry::by(by, "token.make", person.to_string(), detail)).await?;
    transaction.commit().await?;
    Ok(token)
}

/// What an enrolment code's QR says.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EnrolCode {
    /// Hexadecimal; used once.
    pub code: String,
    /// The district.
    pub district: String,
    /// The deployment.
    pub deployment: String,
    /// The server's public key, hexadecimal.
    pub server_key: String,
    /// SHA-256 of the TLS certificate's public key, hexadecimal; absent without TLS.
    pub pin: Option<String>,
    /// When it ends, milliseconds since 1970.
    pub expires_ms: i64,
    /// The text of the QR.
    pub uri: String,
    /// The QR as a picture (SVG).
    pub svg: String,
}

/// The QR of a text; nothing of one that is too long for one.
fn qr(text: &str) -> String {
    let code = qrcode::QrCode::new(text);
    code.map(|code| code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(240, 240).build())
        .unwrap_or_default()
}

/// How a phone reaches the server and knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reach<'a> {
    /// The server's address as phones see it; absent: the person types it in.
    pub address: Option<&'a str>,
    /// The pin of its TLS certificate.
    pub pin: Option<&'a str>,
}

/// Characters of an address.
const ADDRESS_CHARACTERS: usize = 200;

impl Reach<'_> {
    fn address(&self) -> Result<String, SyncError> {
        let Some(address) = self.address else { return Ok(String::new()) };
        let is_web = address.starts_with("http://") || address.starts_with("https://");
        if !is_web || address.chars().count() > ADDRESS_CHARACTERS || address.contains(char::is_control) {
            return Err(SyncError::RefusedFor(
                Code::BadParameter,
                format!("address: http:// or https://, at most {ADDRESS_CHARACTERS} characters"),
            ));
        }
        Ok(format!("address={}&", enrolment::percent_encoded(address)))
    }
}

/// Makes an enrolment code for a person.
pub async fn enrol_code(
    engine: &Arc<Engine>,
    district: &District,
    person: PersonId,
    reach: Reach<'_>,
    by: Actor,
) -> Result<EnrolCode, SyncError> {
    let address = reach.address()?;
    let code: [u8; limits::ENROL_CODE_BYTES] = engine.keys.random()?;
    let minutes = i64::try_from(limits::ENROL_CODE_MINUTES).unwrap_or(i64::MAX);
    let expires_ms = engine.clock.now_ms() + minutes * 60_000;
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    known(transaction.present_person(district.key, person).await?, person)?;
    transaction.add_enrol_code(district.key, &sha256(&code), person, expires_ms).await?;
    let detail = json!({ "expires_ms": expires_ms });
    let entry = Entry::by(by, "device.enrol-code", person.to_string(), detail);
    engine.audit(&mut transaction, district, entry).await?;
    transaction.commit().await?;
    let (code, server_key) = (hex::encode(code), hex::encode(engine.keys.public_key()));
    let deployment = engine.keys.deployment();
    let pin = reach.pin.map(|pin| format!("&pin={pin}")).unwrap_or_default();
    let uri = format!(
        "firebreak:enrol?{address}code={code}&district={}&deployment={deployment}&server_key={server_key}{pin}",
        district.id
    );
    Ok(EnrolCode {
        code,
        district: district.id.to_string(),
        deployment: deployment.to_string(),
        server_key,
        pin: reach.pin.map(str::to_owned),
        expires_ms,
        svg: qr(&uri),
        uri,
    })
}

/// Sets a person's area; no box: the whole district. Gives its version.
pub async fn set_area(
    engine: &Arc<Engine>,
    district: &District,
    person: PersonId,
    boxes: Vec<GeoBox>,
    by: Actor,
) -> Result<u64, SyncError> {
    if boxes.len() > limits::AREA_BOXES || !boxes.iter().all(GeoBox::is_valid) {
        return Err(SyncError::RefusedFor(
            Code::BadParameter,
            format!("boxes: at most {}, each south, west, north, east, degrees × 1e7", limits::AREA_BOXES),
        ));
    }
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    known(transaction.present_person(district.key, person).await?, person)?;
    let version = transaction
        .areas(district.key, &[person])
        .await?
        .get(&person)
        .and_then(|versions| versions.last())
        .map_or(0, |area| area.version)
        + 1;
    transaction.add_area(district.key, person, &AreaVersion { version, boxes }).await?;
    let entry = Entry::by(by, "person.area", person.to_string(), json!({ "version": version }));
    engine.audit(&mut transaction, district, entry).await?;
    transaction.commit().await?;
    Ok(version)
}

pub(super) fn known(person: Option<Person>, id: PersonId) -> Result<Person, SyncError> {
    person.ok_or_else(|| SyncError::RefusedFor(Code::NotFound, format!("person {id}")))
}
