//! The grid and the regions: importing them from a file, and reading what is in force.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, header};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use sync_protocol::codes::Code;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Parameters, UUID, one_of, page_size, wrong};
use crate::geometry::Datum;
use crate::grid::mapping::Mapping;
use crate::grid::report::Report;
use crate::grid::{FILE_BYTES, Format, regions as levels};
use crate::sync::grid::listing::{self, LineDetail, LineListed, Overview, RegionListed, Which};
use crate::sync::grid::{self, Import, ImportFile, Missing};

/// How a file is to be read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// `geojson`, `csv`, `gpkg`; else by the content type.
    format: Option<String>,
    /// `wgs84`, `cgcs2000`, `gcj02`, `bd09`, `epsg:N`; else what the file says, else `wgs84`.
    datum: Option<String>,
    /// Which column means what: `role=column` pairs parted by commas, or TOML.
    map: Option<String>,
    /// `true`: the file is a part; nothing is retired.
    #[serde(default)]
    keep_missing: bool,
    /// Of regions: `district` or `township`, for those that do not say it.
    level: Option<String>,
}

/// 导入线路 Imports lines and structures from a file.
///
/// What the file does not name is retired, never deleted. The same file again changes nothing.
#[utoipa::path(
    post, path = "/v1/grid/lines", tag = "grid",
    params(How),
    request_body(description = "The file", content((Vec<u8> = "application/geo+json"), (Vec<u8> = "text/csv"), (Vec<u8> = "application/geopackage+sqlite3"))),
    responses((status = 200, description = "What the import came to", body = Report)),
    extensions(("x-codes" = json!(["import-unreadable", "import-too-large", "import-empty", "encoding-unsupported", "too-many-requests"]))),
)]
pub(super) async fn import_lines(
    State(shared): State<Shared>,
    account: Account,
    Parameters(how): Parameters<How>,
    request: Request,
) -> Result<Json<Report>, ApiError> {
    let _slot = shared.imports.try_acquire().map_err(|_source| Code::TooManyRequests)?;
    if how.level.is_some() {
        return Err(wrong("level", "只用于区划 (belongs to regions)"));
    }
    let (import, _file) = import(&account, &how, request).await?;
    Ok(Json(grid::import_lines(&shared.engine, &account.district, import).await?))
}

/// 导入区划 Imports districts and townships from a file.
///
/// What the file does not name is retired, never deleted. The same file again changes nothing.
#[utoipa::path(
    post, path = "/v1/grid/regions", tag = "grid",
    params(How),
    request_body(description = "The file", content((Vec<u8> = "application/geo+json"), (Vec<u8> = "text/csv"), (Vec<u8> = "application/geopackage+sqlite3"))),
    responses((status = 200, description = "What the import came to", body = Report)),
    extensions(("x-codes" = json!(["import-unreadable", "import-too-large", "import-empty", "encoding-unsupported", "too-many-requests"]))),
)]
pub(super) async fn import_regions(
    State(shared): State<Shared>,
    account: Account,
    Parameters(how): Parameters<How>,
    request: Request,
) -> Result<Json<Report>, ApiError> {
    let _slot = shared.imports.try_acquire().map_err(|_source| Code::TooManyRequests)?;
    let (import, _file) = import(&account, &how, request).await?;
    Ok(Json(grid::import_regions(&shared.engine, &account.district, import).await?))
}

/// What is to be imported; its bytes are in a file that is deleted when it is dropped.
async fn import(account: &Account, how: &How, request: Request) -> Result<(Import, NamedTempFile), ApiError> {
    let format = format(how, request.headers())?;
    let datum = how.datum.as_deref().map(str::parse::<Datum>).transpose();
    let datum = datum.map_err(|error| wrong("datum", &error.to_string()))?;
    let mapping = how.map.as_deref().map_or(Ok(Mapping::default()), Mapping::parse);
    let level = how.level.as_deref();
    let level =
        level.map(|name| levels::level_of(name).ok_or_else(|| one_of("level", ["district", "township"])));
    let file = received(request.into_body()).await?;
    let import = Import {
        files: vec![ImportFile { name: "body".to_owned(), path: file.path().to_owned(), format }],
        datum,
        mapping: mapping.map_err(|error| wrong("map", &error.to_string()))?,
        missing: if how.keep_missing { Missing::Kept } else { Missing::Retired },
        level: level.transpose()?,
        author: account.person.id,
    };
    Ok((import, file))
}

/// The format by the parameter, else by the content type.
fn format(how: &How, headers: &HeaderMap) -> Result<Format, ApiError> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Code::EncodingUnsupported.into());
    }
    let by_type = || headers.get(header::CONTENT_TYPE)?.to_str().ok().and_then(Format::of_media_type);
    match &how.format {
        Some(name) => Format::parse(name),
        None => by_type(),
    }
    .ok_or_else(|| one_of("format", ["geojson", "csv", "gpkg"]))
}

/// The body in a file. Of one that is too large a little more is read, so that its sender is listening when it is told.
async fn received(body: Body) -> Result<NamedTempFile, ApiError> {
    let failed = |error: std::io::Error| {
        tracing::error!(error = %error, "an import could not be kept: {error}");
        ApiError::from(Code::StorageFull)
    };
    let file = NamedTempFile::new().map_err(failed)?;
    let mut out = tokio::fs::File::from_std(file.reopen().map_err(failed)?);
    let mut parts = body.into_data_stream();
    let mut bytes = 0_usize;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_cut| ApiError::with(Code::ImportUnreadable, "the body is cut short"))?;
        bytes += part.len();
        if bytes > FILE_BYTES + FILE_BYTES / 4 {
            break;
        }
        if bytes <= FILE_BYTES {
            out.write_all(&part).await.map_err(failed)?;
        }
    }
    if bytes > FILE_BYTES {
        return Err(ApiError::with(Code::ImportTooLarge, format!("more than {FILE_BYTES} bytes")));
    }
    out.flush().await.map_err(failed)?;
    Ok(file)
}

/// 线路总览 Which reference data is in force.
#[utoipa::path(
    get, path = "/v1/grid", tag = "grid",
    responses((status = 200, description = "What is in force", body = Overview)),
)]
pub(super) async fn overview(
    State(shared): State<Shared>,
    account: Account,
) -> Result<Json<Overview>, ApiError> {
    Ok(Json(listing::overview(&shared.engine, &account.district).await?))
}

/// Which lines, and from where on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LinesWanted {
    /// `true`: those that were retired.
    #[serde(default)]
    retired: bool,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Lines {
    lines: Vec<LineListed>,
    next: Option<String>,
}

/// 线路列表 Lines, by record.
#[utoipa::path(
    get, path = "/v1/grid/lines", tag = "grid",
    params(LinesWanted),
    responses((status = 200, description = "A page", body = Lines)),
)]
pub(super) async fn lines(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<LinesWanted>,
) -> Result<Json<Lines>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let which = if wanted.retired { Which::Retired } else { Which::InForce };
    let after = wanted.cursor.as_deref();
    let page = listing::lines(&shared.engine, &account.district, which, limit, after).await?;
    Ok(Json(Lines { lines: page.rows, next: page.next }))
}

/// 线路详情 One line with its structures and spans.
///
/// Retired ones too.
#[utoipa::path(
    get, path = "/v1/grid/lines/{line}", tag = "grid",
    responses((status = 200, description = "The line", body = LineDetail)),
)]
pub(super) async fn line(
    State(shared): State<Shared>,
    account: Account,
    Path(record): Path<String>,
) -> Result<Json<LineDetail>, ApiError> {
    let record = record.parse().map_err(|_source| wrong("line", UUID))?;
    Ok(Json(listing::line(&shared.engine, &account.district, record).await?))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Regions {
    regions: Vec<RegionListed>,
}

/// 区划列表 Districts and townships in force, by code.
#[utoipa::path(
    get, path = "/v1/grid/regions", tag = "grid",
    responses((status = 200, description = "The regions", body = Regions)),
)]
pub(super) async fn regions(
    State(shared): State<Shared>,
    account: Account,
) -> Result<Json<Regions>, ApiError> {
    Ok(Json(Regions { regions: listing::regions(&shared.engine, &account.district).await? }))
}
