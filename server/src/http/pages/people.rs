//! `/people`, `/people/{person}`: who is there; adding, changing, removing; areas, one-time links.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sync_protocol::codes::Code;
use uuid::Uuid;

use super::super::Shared;
use super::super::auth::{Account, Signed};
use super::super::error::{ApiError, status_of};
use super::super::parameters::{Body, Parameters, UUID, one_of, wrong};
use super::super::people::{self as api, NewArea, NewPerson};
use super::{Numbered, PageError, Viewer, page, see_other, shown};
use crate::geometry::GeoBox;
use crate::sync::listing::Calendar;
use crate::sync::{people, units};
use crate::web::Wrong;
use crate::web::people::{self as web, LinkShown, PeopleShown, PersonFilled, PersonShown};

/// A form of these pages: its names are those of its fields, a role a name of its own.
type Form = Result<Signed<BTreeMap<String, String>>, ApiError>;

pub(in crate::http) async fn list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(which): Parameters<Numbered>,
) -> Result<Response, PageError> {
    listed(&shared, &account, &which, &PersonFilled::default(), None).await
}

async fn listed(
    shared: &Shared,
    account: &Account,
    which: &Numbered,
    filled: &PersonFilled,
    error: Option<ApiError>,
) -> Result<Response, PageError> {
    let (engine, district) = (&shared.engine, &account.district);
    let mut everybody = people::list(engine, district).await?;
    // Who is there comes before who was.
    everybody.sort_by_key(|person| person.removed_ms.is_some());
    let units = units::list(engine, district).await?;
    let (people, at) = which.of(&everybody);
    let status = error.as_ref().map_or(StatusCode::OK, |error| status_of(error.code));
    let wrong = error.map(Wrong::from);
    let shown_people = PeopleShown { people, units: &units, at };
    let text = web::people(&shown_people, filled, wrong.as_ref(), &shown(account), &Calendar::of(district));
    Ok(page(status, text))
}

pub(in crate::http) async fn add(State(shared): State<Shared>, form: Form) -> Result<Response, PageError> {
    let Signed(account, mut form) = form?;
    let filled = filled(&mut form)?;
    let made = match new_person(&filled) {
        Ok(new) => api::add(State(shared.clone()), account.clone(), Body(new)).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(Json(added)) => Ok(see_other(&format!("/people/{}", added.person))),
        Err(error) => listed(&shared, &account, &Numbered::default(), &filled, Some(error)).await,
    }
}

pub(in crate::http) async fn one(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Path(person): Path<String>,
) -> Result<Response, PageError> {
    told(&shared, &account, &person, None, None).await
}

async fn told(
    shared: &Shared,
    account: &Account,
    person: &str,
    filled: Option<PersonFilled>,
    error: Option<ApiError>,
) -> Result<Response, PageError> {
    let (engine, district) = (&shared.engine, &account.district);
    let id = api::parse(person)?;
    let person = people::one(engine, district, id).await?;
    let units = units::list(engine, district).await?;
    let area = people::area(engine, district, id).await?;
    let status = error.as_ref().map_or(StatusCode::OK, |error| status_of(error.code));
    let there = || PersonFilled {
        name: person.name.clone(),
        roles: person.roles.iter().map(|role| (*role).to_owned()).collect(),
        unit: person.unit.clone().unwrap_or_default(),
    };
    let person_shown = PersonShown {
        filled: filled.unwrap_or_else(there),
        person: &person,
        units: &units,
        area: area.iter().map(box_text).collect::<Vec<_>>().join("\n"),
        wrong: error.map(Wrong::from),
    };
    Ok(page(status, web::person(&person_shown, &shown(account), &Calendar::of(district))))
}

pub(in crate::http) async fn manage(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, PageError> {
    let Signed(account, mut form) = form?;
    let act = form.remove("act").unwrap_or_default();
    let (state, path) = (State(shared.clone()), Path(id.clone()));
    let mut typed = None;
    let done = match act.as_str() {
        "change" => {
            let filled = typed.insert(filled(&mut form)?);
            match new_person(filled) {
                Ok(new) => api::change(state, account.clone(), path, Body(new)).await.map(drop),
                Err(error) => Err(error),
            }
        }
        "area" => match boxes(form.get("boxes").map_or("", String::as_str)) {
            Ok(boxes) => api::set_area(state, account.clone(), path, Body(NewArea { boxes })).await.map(drop),
            Err(error) => Err(error),
        },
        "remove" => api::remove(state, account.clone(), path).await.map(drop),
        "link" => return link(&shared, account, id, headers).await,
        _ => Err(one_of("act", ["change", "area", "link", "remove"])),
    };
    match done {
        Ok(()) => Ok(see_other(&format!("/people/{}", api::parse(&id)?))),
        Err(error) if error.code == Code::NotFound => Err(error.into()),
        Err(error) => told(&shared, &account, &id, typed, Some(error)).await,
    }
}

/// Shown once, in the answer itself: nothing keeps it.
async fn link(
    shared: &Shared,
    account: Account,
    id: String,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let (viewer, calendar) = (shown(&account), Calendar::of(&account.district));
    let person = people::one(&shared.engine, &account.district, api::parse(&id)?).await?;
    let Json(made) = api::link(State(shared.clone()), account, Path(id), headers).await?;
    let link =
        LinkShown { name: &person.name, person: &person.person, url: &made.url, expires_ms: made.expires_ms };
    Ok(page(StatusCode::OK, web::link(&link, &viewer, &calendar)))
}

/// Takes name, roles and unit out of a form.
///
/// # Errors
/// `bad-parameter` where something else is in it.
fn filled(form: &mut BTreeMap<String, String>) -> Result<PersonFilled, ApiError> {
    let mut take = |name: &str| form.remove(name).unwrap_or_default();
    let (name, unit) = (take("name"), take("unit"));
    let roles: Option<Vec<String>> =
        form.keys().map(|name| name.strip_prefix("role-").map(str::to_owned)).collect();
    let roles = roles.ok_or_else(|| ApiError::with(Code::BadParameter, "name, unit, role-…"))?;
    Ok(PersonFilled { name, roles, unit })
}

fn new_person(filled: &PersonFilled) -> Result<NewPerson, ApiError> {
    let unit = match filled.unit.as_str() {
        "" => None,
        text => Some(Uuid::parse_str(text).map_err(|_source| wrong("unit", UUID))?),
    };
    Ok(NewPerson { name: filled.name.trim().to_owned(), roles: filled.roles.clone(), unit })
}

/// A box as people type it: south, west, north, east in degrees.
fn box_text(area: &GeoBox) -> String {
    area.0.iter().map(|e7| degrees(*e7)).collect::<Vec<_>>().join(",")
}

/// Degrees × 1e7 in decimal notation, exactly.
fn degrees(e7: i64) -> String {
    let sign = if e7 < 0 { "-" } else { "" };
    let (whole, part) = (e7.unsigned_abs() / 10_000_000, e7.unsigned_abs() % 10_000_000);
    let part = format!("{part:07}");
    let part = part.trim_end_matches('0');
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// A line a box.
fn boxes(text: &str) -> Result<Vec<GeoBox>, ApiError> {
    let bad = |line: &str| wrong("boxes", &format!("{line}（南,西,北,东）"));
    let typed = text.lines().map(str::trim).filter(|line| !line.is_empty());
    typed.map(|line| one_box(line).ok_or_else(|| bad(line))).collect()
}

fn one_box(line: &str) -> Option<GeoBox> {
    let parts: Vec<i64> =
        line.split([',', '，']).map(|part| super::commands::scaled(part, 7)).collect::<Option<_>>()?;
    let area = GeoBox(<[i64; 4]>::try_from(parts).ok()?);
    area.is_valid().then_some(area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_typed_as_it_is_shown_and_a_bad_line_is_named() {
        let area = GeoBox([299_500_000, 1_030_000_000, 300_000_001, 1_031_000_000]);
        assert_eq!(box_text(&area), "29.95,103,30.0000001,103.1");
        assert_eq!(boxes(&format!("{}\n\n", box_text(&area))).unwrap(), [area]);
        assert_eq!(
            boxes("-1,-2.5，1, 2").unwrap(),
            [GeoBox([-10_000_000, -25_000_000, 10_000_000, 20_000_000])]
        );
        for wrong in ["1,2,3", "2,0,1,1", "a,b,c,d", "1,2,3,4,5", "0,0,91,1"] {
            assert!(boxes(wrong).is_err(), "{wrong}");
        }
        assert!(boxes("").unwrap().is_empty());
    }
}
