//! HTTP: one readable table of routes; limits, timeouts and counting are layers.
//!
//! A handler takes extractors, makes one call and gives one reply. No SQL and no rules here.

mod audit;
mod auth;
mod body;
mod commands;
mod conditional;
mod conflicts;
mod devices;
mod districts;
mod docs;
mod encoding;
mod enrol;
mod entry;
mod error;
mod events;
mod exports;
mod facts;
mod grid;
mod hazards;
mod health;
mod idempotency;
mod ogc;
pub mod openapi;
mod orders;
mod pages;
mod parameters;
mod people;
mod photos;
pub mod policy;
mod problem;
mod proposals;
mod quarantine;
mod readers;
mod receipts;
mod reports;
mod rules;
mod session;
mod sign_in;
pub mod socket;
mod sync;
mod tokens;
mod totals;
mod units;

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, patch, post, put};
use metrics_exporter_prometheus::PrometheusHandle;
use percent_encoding::percent_decode_str;
use sync_protocol::codes::Code;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use error::DeviceError;
pub use error::{ApiError, status_of};

use crate::accounts::password::Profile;
use crate::config::Settings;
use crate::sync::Engine;
use crate::sync::sessions::Lasting;

/// What handlers share: one count of its holders, as every request passes it on several times.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Common>);

impl Deref for Shared {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.0
    }
}

/// What there is one of for all requests.
#[derive(Debug)]
pub struct Common {
    /// The engine.
    pub engine: Arc<Engine>,
    metrics: PrometheusHandle,
    sync_slots: Arc<Semaphore>,
    rooms: body::Rooms,
    /// Who reads events.
    readers: Arc<readers::Readers>,
    /// Files that are imported at a time.
    imports: Arc<Semaphore>,
    /// Photos that are read at a time.
    uploads: Arc<Semaphore>,
    /// Forms with photos that are read at a time.
    forms: Arc<Semaphore>,
    /// Tiles that are made at a time.
    tiles: Arc<Semaphore>,
    /// Tags of tiles that were made.
    tile_tags: Arc<ogc::tiles::Tags>,
    timeout: Duration,
    /// What a password must be.
    passwords: Arc<Profile>,
    /// How long a browser's session lasts.
    lasting: Lasting,
    /// A name for this process, among those that took idempotency keys.
    process: Uuid,
    /// The pin of the certificate, where the server itself ends TLS.
    pin: Option<Arc<str>>,
    /// What every link that leaves the server begins with, where the operator has said it.
    public_url: Option<Arc<str>>,
}

impl Common {
    /// What a link begins with: what the operator has said, else as its reader reaches this server.
    fn base(&self, headers: &HeaderMap) -> String {
        if let Some(address) = &self.public_url {
            return address.to_string();
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let scheme = if self.pin.is_some() { "https" } else { "http" };
        format!("{scheme}://{host}")
    }

    /// Whether browsers reach this server by HTTPS: its cookies then go no other way.
    fn is_secure(&self) -> bool {
        self.pin.is_some() || self.public_url.as_deref().is_some_and(|address| address.starts_with("https:"))
    }
}

/// The form of the sign-in page.
const FORM_BYTES: usize = 4 << 10;
/// Files that are imported at a time: reading one takes many times its bytes.
const IMPORTS_AT_ONCE: usize = 1;
/// JSON bodies of the office.
const OFFICE_BODY_BYTES: usize = 1 << 20;

/// A patrol recorded as GPX.
const GPX_BYTES: usize = crate::geometry::LARGEST_FILE;

/// Every route.
pub fn router(
    engine: &Arc<Engine>,
    metrics: PrometheusHandle,
    settings: &Settings,
    pin: Option<String>,
) -> Router {
    let shared = Shared(Arc::new(Common {
        engine: Arc::clone(engine),
        metrics,
        sync_slots: Arc::new(Semaphore::new(settings.sync_at_once)),
        rooms: body::Rooms::new(),
        readers: Arc::default(),
        imports: Arc::new(Semaphore::new(IMPORTS_AT_ONCE)),
        uploads: Arc::new(Semaphore::new(photos::UPLOADS_AT_ONCE)),
        forms: Arc::new(Semaphore::new(pages::sent::FORMS_AT_ONCE)),
        tiles: Arc::new(Semaphore::new(ogc::tiles::TILES_AT_ONCE)),
        tile_tags: Arc::default(),
        timeout: Duration::from_secs(settings.request_timeout_s),
        passwords: Arc::new(settings.passwords.clone()),
        lasting: Lasting {
            idle_ms: i64::from(settings.session_idle_minutes) * 60_000,
            most_ms: i64::from(settings.session_most_minutes) * 60_000,
        },
        pin: pin.map(Arc::from),
        public_url: settings.public_url.as_deref().map(Arc::from),
        process: idempotency::process(),
    }));
    let office = api()
        .merge(tile_sets())
        .merge(pages())
        .layer(middleware::from_fn_with_state(shared.clone(), idempotency::once))
        .layer(middleware::from_fn(conditional::tagged));
    devices()
        .merge(tile())
        .merge(office)
        .fallback(|uri: Uri| async move {
            ogc::without_slash(&uri).unwrap_or_else(|| refused(uri.path(), Code::NotFound))
        })
        .method_not_allowed_fallback(|uri: Uri| async move { refused(uri.path(), Code::MethodNotAllowed) })
        .layer(DefaultBodyLimit::max(OFFICE_BODY_BYTES))
        .layer(middleware::from_fn_with_state(shared.clone(), watch))
        .layer(CatchPanicLayer::custom(|_panic: Box<dyn std::any::Any + Send>| {
            tracing::error!("a handler panicked");
            ApiError::from(Code::Internal).into_response()
        }))
        .with_state(shared)
}

/// What devices ask on [`DEVICE_ROUTES`]: their answers are kept under no key and have no tags.
fn devices() -> Router<Shared> {
    Router::new()
        .route("/v1/enrol", post(enrol::enrol))
        .route("/v1/sync", post(sync::sync))
        .route("/v1/receipts/{bundle}", get(receipts::receipt))
}

/// What programs ask.
fn api() -> Router<Shared> {
    Router::new()
        // Who is signed in.
        .route("/v1/session", get(session::show).post(session::sign_in).delete(session::sign_out))
        .route("/v1/session/district", post(session::choose))
        .route("/v1/tokens", get(tokens::list).post(tokens::make))
        .route("/v1/tokens/{token}", delete(tokens::revoke))
        .route("/v1/districts", get(districts::list))
        // Devices and the office.
        .route("/v1/photos/{sha256}", get(photos::one).head(photos::head))
        .route("/v1/photos/{sha256}", patch(photos::append).put(photos::put))
        // The office.
        .route("/v1/photos", get(photos::list))
        .route("/v1/totals", get(totals::totals))
        .route("/v1/hazards", get(hazards::list).post(entry::hazard))
        .route("/v1/hazards.geojson", get(exports::hazards))
        .route("/v1/exports/{export}", get(exports::get).post(exports::begin))
        .route("/v1/exports/{export}/file", get(exports::file))
        .route("/v1/hazards/{record}", get(hazards::one))
        .route("/v1/hazards/{record}/restore", post(hazards::restore))
        .route("/v1/hazards/{record}/commands", get(commands::offered))
        .route("/v1/hazards/{record}/commands/{command}", post(commands::command))
        .route("/v1/commands/{command}", post(commands::bulk))
        .route("/v1/orders", get(orders::list))
        .route("/v1/orders/{order}", get(orders::one))
        .route("/v1/orders/{order}/html", get(orders::html))
        .route("/v1/orders/{order}/docx", get(orders::docx))
        .route("/v1/danger", get(events::dangers).put(events::set_danger))
        .route("/v1/events", get(events::stream))
        .route("/v1/conflicts", get(conflicts::list))
        .route("/v1/conflicts/{conflict}/resolve", post(conflicts::resolve))
        .route("/v1/quarantine", get(quarantine::list))
        .route("/v1/quarantine/{operation}", get(quarantine::one))
        .route("/v1/quarantine/{operation}/release", post(quarantine::release))
        .route("/v1/quarantine/{operation}/write-off", post(quarantine::write_off))
        .route("/v1/devices", get(devices::list))
        .route("/v1/devices/{device}", put(devices::rename))
        .route("/v1/devices/{device}/review", post(devices::review))
        .route("/v1/devices/{device}/revoke", post(devices::revoke))
        .route("/v1/devices/{device}/lose", post(devices::lose))
        .route("/v1/devices/{device}/give-up", post(devices::give_up))
        .route("/v1/grid", get(grid::overview))
        .route("/v1/grid/lines", get(grid::lines).post(grid::import_lines))
        .route("/v1/grid/lines/{line}", get(grid::line))
        .route("/v1/grid/regions", get(grid::regions).post(grid::import_regions))
        .route("/v1/proposals", get(proposals::list))
        .route("/v1/proposals/{record}/{other}/accept", post(proposals::accept))
        .route("/v1/proposals/{record}/{other}/dismiss", post(proposals::dismiss))
        .route("/v1/proposals/{record}/{other}/undo", post(proposals::undo))
        .route("/v1/rules", get(rules::in_force).put(rules::set))
        .route("/v1/people", get(people::list).post(people::add))
        .route("/v1/people/{person}", put(people::change).delete(people::remove))
        .route("/v1/people/{person}/area", put(people::set_area))
        .route("/v1/people/{person}/link", post(people::link))
        .route("/v1/units", get(units::list).post(units::add))
        .route("/v1/units/{unit}", put(units::change).delete(units::retire))
        .route("/v1/enrol-codes", post(people::enrol_code))
        .route("/v1/patrols", get(facts::patrols).post(entry::patrol).layer(DefaultBodyLimit::max(GPX_BYTES)))
        .route("/v1/works", get(facts::works).post(entry::work))
        .route("/v1/inspections", get(facts::inspections).post(entry::inspection))
        .route("/v1/activities", get(facts::activities).post(entry::activity))
        .route("/v1/stretches", get(facts::stretches))
        .route("/v1/reports", get(reports::list))
        .route("/v1/reports/work", get(reports::draft).post(reports::issue))
        .route("/v1/reports/{number}", get(reports::one))
        .route("/v1/reports/{number}/late", get(reports::late))
        .route("/openapi.json", get(openapi::openapi))
        .route("/v1/audit", get(audit::list))
        .route("/v1/audit/head", get(audit::head))
        // The map.
        .route("/ogc", get(ogc::landing::landing))
        .route("/ogc/conformance", get(ogc::landing::conformance))
        .route("/ogc/api", get(ogc::landing::api))
        .route("/ogc/collections", get(ogc::collections::list))
        .route("/ogc/collections/{collection}", get(ogc::collections::one))
        .route("/ogc/collections/{collection}/queryables", get(ogc::collections::queryables))
        .route("/ogc/collections/{collection}/schema", get(ogc::collections::schema))
        .route("/ogc/collections/{collection}/items", get(ogc::items::items))
        .route("/ogc/collections/{collection}/items/{feature}", get(ogc::items::one))
        .route("/docs", get(docs::docs))
        .route("/docs/guide", get(docs::guide))
        .route("/docs/maps", get(docs::maps))
        .route("/docs/errors", get(docs::errors))
}

/// What is said of the tiles of the map.
fn tile_sets() -> Router<Shared> {
    use ogc::tile_sets;
    Router::new()
        .route("/ogc/tileMatrixSets", get(tile_sets::matrix_sets))
        .route("/ogc/tileMatrixSets/WebMercatorQuad", get(tile_sets::matrix_set))
        .route("/ogc/collections/{collection}/tiles", get(tile_sets::of_layer))
        .route("/ogc/collections/{collection}/tiles/WebMercatorQuad", get(tile_sets::set_of_layer))
        .route("/ogc/collections/{collection}/tiles/WebMercatorQuad/tilejson.json", get(tile_sets::tile_json))
}

/// What maps ask for again and again: a tile gives itself its tag, and nothing is kept under a key.
fn tile() -> Router<Shared> {
    Router::new()
        .route("/ogc/collections/{collection}/tiles/WebMercatorQuad/{z}/{y}/{x}", get(ogc::tiles::tile))
}

/// What browsers and operators ask.
fn pages() -> Router<Shared> {
    Router::new()
        // The office's pages.
        .route("/", get(pages::overview))
        .route("/hazards", get(pages::hazard_list))
        .route("/hazards/{record}", get(pages::hazard))
        .route("/hazards/{record}/commands/{command}", get(pages::commands::form).post(pages::commands::give))
        .route("/orders", get(pages::orders::list))
        .route("/conflicts", get(pages::conflict_list))
        .route("/grid", get(pages::grid_list))
        .route("/maps", get(pages::maps::show).post(pages::maps::ask))
        .route("/proposals", get(pages::proposal_list))
        .route("/photos", get(pages::photos::list))
        .route("/devices", get(pages::devices::list))
        .route("/devices/{device}", get(pages::devices::one).post(pages::devices::manage))
        .route("/enrol-code", post(pages::devices::enrol_code))
        .route("/quarantine", get(pages::quarantine_list))
        .route("/reports", get(pages::report_list))
        .route("/people", get(pages::people::list).post(pages::people::add))
        .route("/people/{person}", get(pages::people::one).post(pages::people::manage))
        .route("/units", get(pages::units::list).post(pages::units::add))
        .route("/units/{unit}", get(pages::units::one).post(pages::units::manage))
        .route("/audit", get(pages::audit::list))
        .route("/audit/head", get(pages::audit::head))
        .route("/account", get(pages::account::show))
        .route("/account/tokens", post(pages::account::make_token))
        .route("/account/tokens/{token}", post(pages::account::revoke_token))
        .route("/account/sessions/{session}", post(pages::account::end_session))
        .route("/password", get(pages::account::password_form).post(pages::account::set_password))
        .route("/districts", get(pages::districts::list))
        .route("/district", post(pages::districts::choose))
        .route("/login", get(sign_in::form).post(sign_in::sign_in).layer(DefaultBodyLimit::max(FORM_BYTES)))
        .route("/logout", post(sign_in::sign_out))
        .route(
            "/link/{link}",
            get(sign_in::link).post(sign_in::use_link).layer(DefaultBodyLimit::max(FORM_BYTES)),
        )
        .route("/style.css", get(pages::style))
        .route("/icon.svg", get(pages::icon))
        // Operators.
        .route("/healthz", get(health::healthy))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}

/// The first parts after `/v1/` of the routes that devices use.
const DEVICE_ROUTES: [&str; 3] = ["enrol", "sync", "receipts"];

/// What no handler answers: as devices read it on their routes and below them, as the office reads it elsewhere.
fn refused(path: &str, code: Code) -> Response {
    let first = path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next());
    if first.is_some_and(|first| DEVICE_ROUTES.contains(&first)) {
        DeviceError::from(code).into_response()
    } else {
        ApiError::from(code).into_response()
    }
}

/// Counts every request and bounds its time.
async fn watch(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let uri = request.uri().clone();
    // What stands for no text names nothing; a handler's own words for it would be plain text.
    let response = if percent_decode_str(uri.path()).decode_utf8().is_err() {
        refused(uri.path(), Code::NotFound)
    } else {
        match tokio::time::timeout(shared.timeout, next.run(request)).await {
            Ok(response) => response,
            Err(_elapsed) => refused(uri.path(), Code::TimedOut),
        }
    };
    let status: StatusCode = response.status();
    metrics::counter!("firebreak_requests_total", "status" => status.as_str().to_owned()).increment(1);
    metrics::histogram!("firebreak_request_seconds").record(started.elapsed().as_secs_f64());
    response
}
