//! Reading a GeoPackage that somebody gave us: a SQLite file of which nothing is trusted.
//!
//! It is opened read-only and immutable, with no trust in its schema, and only plain tables are read: a view, a
//! virtual table or a generated column could make the reader compute for ever. What a geometry column holds is
//! decoded by [`crate::grid::geopackage`].

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Column as _, Connection as _, QueryBuilder, Row as _, Sqlite, TypeInfo as _, ValueRef as _};
use sync_protocol::codes::Code;

use crate::grid::{Feature, FileFault, Read, Shape, geopackage, own};

/// Tables of one file.
const TABLES: usize = 32;
/// Columns of one table.
const COLUMNS: usize = 500;
/// How long reading a file may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// `application_id` of GeoPackages: 1.2 and later, 1.1, 1.0.
const APPLICATION_IDS: [i64; 3] = [0x4750_4B47, 0x4750_3131, 0x4750_3130];

const SELECT_OBJECT: &str = "SELECT type, coalesce(sql, '') FROM sqlite_schema WHERE name = $1";
const SELECT_LAYERS: &str = "SELECT c.table_name, g.column_name, coalesce(s.organization, ''), \
     coalesce(s.organization_coordsys_id, 0) FROM gpkg_contents c \
     JOIN gpkg_geometry_columns g ON g.table_name = c.table_name \
     LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id \
     WHERE c.data_type = 'features' ORDER BY c.table_name LIMIT 33";
const SELECT_ABOUT: &str = "SELECT substr(description, 1, 4000) FROM gpkg_contents WHERE table_name = $1";
const SELECT_HIDDEN: &str = "SELECT count(*), coalesce(sum(hidden), 0) FROM pragma_table_xinfo($1)";

/// Reads every layer of features.
///
/// # Errors
/// Where it is no GeoPackage, holds what is not read, or has too many rows.
pub async fn read(path: &Path) -> Result<Read, FileFault> {
    let reading = async {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .immutable(true)
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON")
            .pragma("query_only", "ON");
        let mut connection =
            SqliteConnection::connect_with(&options).await.map_err(|error| broken(&error))?;
        let read = read_layers(&mut connection).await;
        let closed = connection.close().await;
        let read = read?;
        closed.map_err(|error| broken(&error))?;
        Ok(read)
    };
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(read) => read,
        Err(_elapsed) => Err(unreadable("it takes too long to read")),
    }
}

fn broken(error: &sqlx::Error) -> FileFault {
    let text = match error.as_database_error() {
        Some(database) => database.message().to_owned(),
        None => error.to_string(),
    };
    unreadable(&format!("no GeoPackage: {}", text.chars().take(200).collect::<String>()))
}

fn unreadable(why: &str) -> FileFault {
    FileFault::Unreadable(why.to_owned())
}

async fn read_layers(connection: &mut SqliteConnection) -> Result<Read, FileFault> {
    let id: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| broken(&error))?;
    if !APPLICATION_IDS.contains(&id) {
        return Err(unreadable("a SQLite database, but no GeoPackage"));
    }
    for table in ["gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys"] {
        require_plain(connection, table).await?;
    }
    let layers: Vec<(String, String, String, i64)> =
        sqlx::query_as(SELECT_LAYERS).fetch_all(&mut *connection).await.map_err(|error| broken(&error))?;
    if layers.is_empty() || layers.len() > TABLES {
        return Err(unreadable("it has no layer of features, or more than 32"));
    }
    let mut read = Read::default();
    for (table, column, organization, system) in layers {
        require_plain(connection, &table).await?;
        let system = format!("{organization}:{system}").to_ascii_lowercase();
        if read.system.get_or_insert_with(|| system.clone()) != &system {
            return Err(unreadable("its layers have different coordinate systems"));
        }
        let own = own_datum(connection, &table).await;
        read.own_datum = read.own_datum.take().or(own);
        read_layer(connection, &table, &column, &mut read).await?;
    }
    Ok(read)
}

/// The datum that a layer of a file of ours names. Files of others may be without the column.
async fn own_datum(connection: &mut SqliteConnection, table: &str) -> Option<String> {
    let about = sqlx::query_scalar(SELECT_ABOUT).bind(table).fetch_optional(&mut *connection).await;
    let about: Option<String> = about.ok().flatten().flatten();
    about.and_then(|about| own::datum_of_text(&about)).or_else(|| own::datum_of_name(table))
}

/// Refuses what is no plain table: it could compute while it is read.
async fn require_plain(connection: &mut SqliteConnection, table: &str) -> Result<(), FileFault> {
    let objects: Vec<(String, String)> = sqlx::query_as(SELECT_OBJECT)
        .bind(table)
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| broken(&error))?;
    let is_plain = |(kind, sql): &(String, String)| {
        kind == "table" && !sql.trim_start().to_ascii_uppercase().starts_with("CREATE VIRTUAL")
    };
    let (columns, hidden): (i64, i64) = sqlx::query_as(SELECT_HIDDEN)
        .bind(table)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| broken(&error))?;
    let is_narrow = usize::try_from(columns).is_ok_and(|columns| columns <= COLUMNS);
    if objects.len() == 1 && objects.iter().all(is_plain) && hidden == 0 && is_narrow {
        Ok(())
    } else {
        Err(unreadable(&format!("{} is no plain table", table.chars().take(60).collect::<String>())))
    }
}

async fn read_layer(
    connection: &mut SqliteConnection,
    table: &str,
    geometry: &str,
    read: &mut Read,
) -> Result<(), FileFault> {
    // The name was found among the tables; quotes in it are doubled.
    let mut query =
        QueryBuilder::<Sqlite>::new(format!("SELECT * FROM \"{}\" NOT INDEXED", table.replace('"', "\"\"")));
    let mut rows = query.build().fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(|error| broken(&error))? {
        let number = read.next_row()?;
        match feature(number, &row, geometry) {
            Ok(feature) => read.features.push(feature),
            Err((code, at)) => read.refuse(number, code, at),
        }
    }
    Ok(())
}

fn feature(number: u64, row: &SqliteRow, geometry: &str) -> Result<Feature, (Code, String)> {
    let own = own::layer_of(|name| row.columns().iter().any(|column| column.name() == name));
    let mut properties = BTreeMap::new();
    let mut shape = Shape::None;
    for column in row.columns() {
        let name = column.name();
        let unreadable = |_source: sqlx::Error| (Code::ImportRowUnreadable, name.to_owned());
        if name.eq_ignore_ascii_case(geometry) {
            let blob: Option<Vec<u8>> = row.try_get(column.ordinal()).map_err(unreadable)?;
            shape = blob.map_or(Ok(Shape::None), |blob| geopackage::shape(&blob))?;
        } else if let Some(text) = text(row, column.ordinal()).map_err(unreadable)? {
            properties.insert(name.to_owned(), text);
        }
    }
    Ok(Feature { row: number, id: None, properties, shape, own })
}

/// A value as a table would hold it; none where it is empty, or bytes.
fn text(row: &SqliteRow, column: usize) -> Result<Option<String>, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(None);
    }
    let kind = value.type_info().name().to_owned();
    let text = match kind.as_str() {
        "TEXT" => row.try_get_unchecked::<String, _>(column)?.trim().to_owned(),
        "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(column)?.to_string(),
        "REAL" => row.try_get_unchecked::<f64, _>(column)?.to_string(),
        "DATE" | "DATETIME" | "TIME" => row.try_get_unchecked::<String, _>(column)?,
        _ => String::new(),
    };
    Ok((!text.is_empty()).then_some(text))
}
