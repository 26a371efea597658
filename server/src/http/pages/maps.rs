//! `/maps`: files of the map and of the ledger: asking for one, seeing how far it is, fetching it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::super::Shared;
use super::super::auth::{Account, Signed};
use super::super::error::{ApiError, status_of};
use super::super::exports as api;
use super::super::ogc::Base;
use super::super::parameters::Parameters;
use super::{PageError, Viewer, page, see_other, shown};
use crate::exports::{Format, ledger};
use crate::layers::{Layer, Words};
use crate::sync::listing::Calendar;
use crate::sync::{exports, layers};
use crate::web::Wrong;
use crate::web::maps::{self as web, FileChosen, Maps, Offered};

/// Formats of a layer that the page links to: the others are in its form.
const OF_LAYER: &[Format] =
    &[Format::GeoPackage, Format::GeoJson, Format::Shapefile, Format::Kml, Format::Csv, Format::Xlsx];
/// Those of the ledger.
const OF_LEDGER: &[Format] = &[Format::Xlsx, Format::Csv, Format::GeoPackage];

/// The form of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct FileForm {
    layer: String,
    format: String,
    datum: String,
    headings: String,
    encoding: String,
}

impl From<FileForm> for FileChosen {
    fn from(form: FileForm) -> Self {
        let FileForm { layer, format, datum, headings, encoding } = form;
        Self { layer, format, datum, headings, encoding }
    }
}

/// What an account may have files of.
fn offered(account: &Account) -> Vec<Offered> {
    let of_layer = |layer: &Layer| Offered { name: layer.name(), title: layer.title(), formats: OF_LAYER };
    let seen = Layer::ALL.iter().filter(|layer| layers::is_seen(**layer, &account.sight)).map(of_layer);
    let all = Words { zh: "全部图层", en: "All layers" };
    let ledger = Offered { name: "ledger", title: ledger::SCHEMA.title, formats: OF_LEDGER };
    let all = Offered { name: "all", title: all, formats: &[Format::GeoPackage] };
    [ledger, all].into_iter().chain(seen).collect()
}

pub(in crate::http) async fn show(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    base: Base,
) -> Result<Response, PageError> {
    Ok(rendered(&shared, &account, &base, &FileChosen::default(), None))
}

pub(in crate::http) async fn ask(
    State(shared): State<Shared>,
    base: Base,
    form: Result<Signed<FileForm>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, form) = form?;
    let chosen = FileChosen::from(form);
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let asked = api::Asked::written(said(&chosen.datum), said(&chosen.headings), said(&chosen.encoding));
    let name = format!("{}.{}", chosen.layer, chosen.format);
    let begun = api::begin(State(shared.clone()), account.clone(), Path(name), Parameters(asked)).await;
    Ok(match begun {
        Ok(_told) => see_other("/maps#made"),
        Err(error) => rendered(&shared, &account, &base, &chosen, Some(error)),
    })
}

fn rendered(
    shared: &Shared,
    account: &Account,
    Base(base): &Base,
    chosen: &FileChosen,
    error: Option<ApiError>,
) -> Response {
    let status = error.as_ref().map_or(StatusCode::OK, |error| status_of(error.code));
    let wrong = error.map(Wrong::from);
    let jobs = exports::listed(&shared.engine, &account.district, &account.sight);
    let offered = offered(account);
    let maps = Maps { offered: &offered, chosen, wrong: wrong.as_ref(), jobs: &jobs, base };
    page(status, web::maps(&maps, &shown(account), &Calendar::of(&account.district)))
}
