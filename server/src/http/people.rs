//! People, their areas and enrolment codes, for the office.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use sync_protocol::ids::PersonId;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Body, UUID, one_of, wrong};
use crate::domain::{Person, Role, Roles, UnitId};
use crate::geometry::GeoBox;
use crate::sync::admin::{self, EnrolCode, Reach};
use crate::sync::people::{self, PersonListed};
use crate::sync::users;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPerson {
    /// 姓名, up to 100 characters, none of them a control character.
    #[schema(min_length = 1, max_length = 100)]
    pub(super) name: String,
    /// 角色: `inspector`, `unit`, `reviewer`, `clerk`, `reinspector`, `leader`, `planner`, `admin`.
    #[schema(max_items = 8)]
    pub(super) roles: Vec<String>,
    /// The unit that they belong to.
    pub(super) unit: Option<Uuid>,
}

impl NewPerson {
    fn roles(&self) -> Result<Roles, ApiError> {
        Roles::named(self.roles.iter().map(String::as_str))
            .ok_or_else(|| one_of("roles", Role::ALL.iter().map(|role| role.as_str())))
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddedPerson {
    pub(super) person: String,
}

/// 新增人员 Adds a person.
#[utoipa::path(
    post, path = "/v1/people", tag = "people",
    request_body = NewPerson,
    responses((status = 200, description = "The person", body = AddedPerson)),
)]
pub(super) async fn add(
    State(shared): State<Shared>,
    account: Account,
    Body(new): Body<NewPerson>,
) -> Result<Json<AddedPerson>, ApiError> {
    let (roles, unit) = (new.roles()?, new.unit.map(UnitId));
    let (engine, district) = (&shared.engine, &account.district);
    let person = admin::add_person(engine, district, &new.name, (roles, unit), account.actor()).await?;
    Ok(Json(AddedPerson { person: person.to_string() }))
}

/// 修改人员 Writes name, roles and unit of a person anew.
#[utoipa::path(
    put, path = "/v1/people/{person}", tag = "people",
    request_body = NewPerson,
    responses((status = 200, description = "Writes name, roles and unit of a person anew.", body = AddedPerson)),
)]
pub(super) async fn change(
    State(shared): State<Shared>,
    account: Account,
    Path(person): Path<String>,
    Body(new): Body<NewPerson>,
) -> Result<Json<AddedPerson>, ApiError> {
    let (id, roles, unit) = (parse(&person)?, new.roles()?, new.unit.map(UnitId));
    let person = Person { id, name: new.name, roles, unit };
    admin::change_person(&shared.engine, &account.district, &person, account.actor()).await?;
    Ok(Json(AddedPerson { person: id.to_string() }))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkMade {
    /// The path of the page that uses it.
    path: String,
    /// The same with the server's address before it, to be handed to its owner.
    pub(super) url: String,
    pub(super) expires_ms: i64,
}

/// 一次性链接 A one-time link by which a person gets an account or a new password.
#[utoipa::path(
    post, path = "/v1/people/{person}/link", tag = "people",
    responses((status = 200, description = "A one-time link by which a person gets an account or a new password.", body = LinkMade)),
    extensions(("x-codes" = json!(["account-elsewhere"]))),
)]
pub(super) async fn link(
    State(shared): State<Shared>,
    account: Account,
    Path(person): Path<String>,
    headers: HeaderMap,
) -> Result<Json<LinkMade>, ApiError> {
    let person = parse(&person)?;
    let link = users::link_of_person(&shared.engine, &account.district, person, account.actor()).await?;
    let path = format!("/link/{}", link.secret);
    let url = format!("{}{path}", shared.base(&headers));
    Ok(Json(LinkMade { path, url, expires_ms: link.expires_ms }))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct People {
    people: Vec<PersonListed>,
}

/// 人员列表 Everybody of the district, removed ones too.
#[utoipa::path(
    get, path = "/v1/people", tag = "people",
    responses((status = 200, description = "The people", body = People)),
)]
pub(super) async fn list(State(shared): State<Shared>, account: Account) -> Result<Json<People>, ApiError> {
    Ok(Json(People { people: people::list(&shared.engine, &account.district).await? }))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemovedPerson {
    person: String,
    removed: bool,
}

/// 移除人员 Ends a person's tokens and codes and binds no phone to them any more.
///
/// What they recorded stays.
#[utoipa::path(
    delete, path = "/v1/people/{person}", tag = "people",
    responses((status = 200, description = "The person", body = RemovedPerson)),
)]
pub(super) async fn remove(
    State(shared): State<Shared>,
    account: Account,
    Path(person): Path<String>,
) -> Result<Json<RemovedPerson>, ApiError> {
    let person = parse(&person)?;
    people::remove(&shared.engine, &account.district, person, account.actor()).await?;
    Ok(Json(RemovedPerson { person: person.to_string(), removed: true }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewArea {
    /// Boxes: south, west, north, east, degrees × 1e7; none: the whole district.
    #[schema(max_items = 64)]
    pub(super) boxes: Vec<GeoBox>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AreaSet {
    version: u64,
}

/// 设定工作区域 The boxes of the map that a person's phones are sent.
///
/// None: the whole district.
#[utoipa::path(
    put, path = "/v1/people/{person}/area", tag = "people",
    request_body = NewArea,
    responses((status = 200, description = "The version of the area", body = AreaSet)),
)]
pub(super) async fn set_area(
    State(shared): State<Shared>,
    account: Account,
    Path(person): Path<String>,
    Body(area): Body<NewArea>,
) -> Result<Json<AreaSet>, ApiError> {
    let person = parse(&person)?;
    let (engine, district) = (&shared.engine, &account.district);
    let version = admin::set_area(engine, district, person, area.boxes, account.actor()).await?;
    Ok(Json(AreaSet { version }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeFor {
    /// Whose phone it is for.
    #[schema(format = Uuid)]
    person: String,
    /// The server's address as phones see it; absent: the setting `public_url`.
    address: Option<String>,
}

/// 生成注册码 A code for one phone of this person.
///
/// Good for ten minutes. `uri` is the text of the QR.
#[utoipa::path(
    post, path = "/v1/enrol-codes", tag = "people",
    request_body = CodeFor,
    responses((status = 200, description = "The code", body = EnrolCode)),
    extensions(("x-codes" = json!(["not-found"]))),
)]
pub(super) async fn enrol_code(
    State(shared): State<Shared>,
    account: Account,
    Body(wanted): Body<CodeFor>,
) -> Result<Json<EnrolCode>, ApiError> {
    let person = parse(&wanted.person)?;
    let address = wanted.address.as_deref().or(shared.public_url.as_deref());
    let reach = Reach { address, pin: shared.pin.as_deref() };
    let (engine, district) = (&shared.engine, &account.district);
    Ok(Json(admin::enrol_code(engine, district, person, reach, account.actor()).await?))
}

pub(super) fn parse(person: &str) -> Result<PersonId, ApiError> {
    person.parse().map_err(|_source| wrong("person", UUID))
}
