//! Writing a GeoPackage (OGC 12-128r18, 1.3): a SQLite file of its own, made once and never opened again by us.
//!
//! What stands in the columns is decided in [`crate::exports::geopackage`], in which order layers come by whoever writes.
//! The spatial index is filled as features come; its triggers are made last, since they call functions that only readers
//! of GeoPackages have. Nothing of the moment is in the file: the same features give the same bytes.

use std::path::Path;

use geo::Rect;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, QueryBuilder, Sqlite};

use super::StoreError;
use crate::exports::geopackage::{Cell, blob, cell, column_type, geometry_type, moment, srs_id};
use crate::exports::{Outline, Projection, Reference, WriteError, style};
use crate::geometry::around;
use crate::layers::Feature;

/// `GPKG`.
const APPLICATION_ID: &str = "1196444487";
/// 1.3.0.
const USER_VERSION: &str = "10300";
/// Values bound in one statement: SQLite takes 32,766.
const VALUES: usize = 30_000;
/// Rows written by one statement.
const ROWS: usize = 400;

/// The tables of every GeoPackage.
const TABLES: &str = "
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, \
     organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, \
     description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE, \
     description TEXT DEFAULT '', \
     last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), \
     min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER, \
     CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, \
     geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL, \
     CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), \
     CONSTRAINT uk_gc_table_name UNIQUE (table_name), \
     CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name), \
     CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, \
     definition TEXT NOT NULL, scope TEXT NOT NULL, \
     CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
CREATE TABLE gpkg_metadata (id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL, \
     md_scope TEXT NOT NULL DEFAULT 'dataset', md_standard_uri TEXT NOT NULL, \
     mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT NOT NULL DEFAULT '');
CREATE TABLE gpkg_metadata_reference (reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, \
     row_id_value INTEGER, timestamp DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), \
     md_file_id INTEGER NOT NULL, md_parent_id INTEGER, \
     CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES gpkg_metadata(id), \
     CONSTRAINT crmr_mpi_fk FOREIGN KEY (md_parent_id) REFERENCES gpkg_metadata(id));
CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), \
     f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), \
     styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), \
     update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')));
INSERT INTO gpkg_extensions VALUES \
     ('gpkg_metadata', NULL, 'gpkg_metadata', 'http://www.geopackage.org/spec120/#extension_metadata', 'read-write'), \
     ('gpkg_metadata_reference', NULL, 'gpkg_metadata', 'http://www.geopackage.org/spec120/#extension_metadata', \
     'read-write');";
const INSERT_SYSTEM: &str = "INSERT OR IGNORE INTO gpkg_spatial_ref_sys \
     (srs_name, srs_id, organization, organization_coordsys_id, definition, description) VALUES ($1, $2, $3, $4, $5, NULL)";
const INSERT_CONTENTS: &str = "INSERT INTO gpkg_contents \
     (table_name, data_type, identifier, description, last_change, min_x, min_y, max_x, max_y, srs_id) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const INSERT_GEOMETRY_COLUMN: &str = "INSERT INTO gpkg_geometry_columns VALUES ($1, 'geom', $2, $3, 0, 0)";
const INSERT_INDEX: &str = "INSERT INTO gpkg_extensions VALUES ($1, 'geom', 'gpkg_rtree_index', \
     'http://www.geopackage.org/spec120/#extension_rtree', 'write-only')";
const INSERT_METADATA: &str = "INSERT INTO gpkg_metadata (id, md_scope, md_standard_uri, mime_type, metadata) \
     VALUES ($1, 'dataset', 'https://www.rfc-editor.org/rfc/rfc8259', 'application/json', $2)";
const INSERT_METADATA_REFERENCE: &str = "INSERT INTO gpkg_metadata_reference \
     (reference_scope, table_name, column_name, row_id_value, timestamp, md_file_id, md_parent_id) \
     VALUES ('table', $1, NULL, NULL, $2, $3, NULL)";
const INSERT_STYLE: &str = "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, \
     f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, update_time) \
     VALUES ('', '', $1, 'geom', $1, $2, '', 1, '', '', $3)";
/// The systems that every file names, beside its own.
const UNDEFINED_SYSTEMS: [(&str, i32, &str); 2] =
    [("Undefined Cartesian SRS", -1, "undefined"), ("Undefined geographic SRS", 0, "undefined")];

/// What stops a file.
#[derive(Debug, thiserror::Error)]
pub enum GeoPackageError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A feature.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<sqlx::Error> for GeoPackageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A file that is being written, a layer after the other.
#[derive(Debug)]
pub struct GeoPackageOut {
    connection: SqliteConnection,
    /// SQL that makes the triggers of the layers so far.
    triggers: Vec<String>,
    layers: i64,
}

/// The layer that is being written.
#[derive(Debug)]
struct Layer {
    outline: Outline,
    projection: Projection,
    name: String,
    system: i32,
    bounds: Option<Rect<f64>>,
    insert: String,
    /// Rows that one statement takes.
    rows: usize,
}

impl GeoPackageOut {
    /// Begins a file where none is.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub async fn create(path: &Path) -> Result<Self, GeoPackageError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            // A file that is not whole is thrown away: nothing of it has to survive.
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off)
            .pragma("locking_mode", "EXCLUSIVE")
            .pragma("cache_size", "-8192")
            .pragma("application_id", APPLICATION_ID)
            .pragma("user_version", USER_VERSION)
            .foreign_keys(false);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::query("BEGIN").execute(&mut connection).await?;
        sqlx::raw_sql(TABLES).execute(&mut connection).await?;
        let mut file = Self { connection, triggers: Vec::new(), layers: 0 };
        for (name, number, definition) in UNDEFINED_SYSTEMS {
            file.add_system(name, number, "NONE", definition).await?;
        }
        file.add_reference(Reference::Wgs84).await?;
        Ok(file)
    }

    async fn add_system(
        &mut self,
        name: &str,
        number: i32,
        organization: &str,
        definition: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(INSERT_SYSTEM)
            .bind(name)
            .bind(number)
            .bind(organization)
            .bind(number)
            .bind(definition)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn add_reference(&mut self, reference: Reference) -> Result<(), StoreError> {
        let Some(definition) = reference.wkt() else { return Ok(()) };
        self.add_system(&reference.title(), srs_id(reference), "EPSG", &definition).await
    }

    /// Begins a layer; the one before is ended.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub async fn layer(&mut self, outline: &Outline) -> Result<LayerOut<'_>, GeoPackageError> {
        self.add_reference(outline.reference).await?;
        let name = outline.layer_name();
        let columns = outline
            .schema
            .columns
            .iter()
            .map(|column| format!(", \"{}\" {}", outline.field(column), column_type(column.kind)))
            .collect::<Vec<String>>()
            .concat();
        let shape = geometry_type(outline.schema.shape);
        // Names and headings are ours: nothing in them needs quoting twice.
        let tables = format!(
            "CREATE TABLE \"{name}\" (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom {shape}{columns});\
             CREATE VIRTUAL TABLE \"rtree_{name}_geom\" USING rtree(id, minx, maxx, miny, maxy);"
        );
        sqlx::raw_sql(AssertSqlSafe(tables)).execute(&mut self.connection).await?;
        let names = outline
            .schema
            .columns
            .iter()
            .map(|column| format!(", \"{}\"", outline.field(column)))
            .collect::<Vec<String>>()
            .concat();
        let rows = (VALUES / (outline.schema.columns.len() + 2)).clamp(1, ROWS);
        let layer = Layer {
            projection: Projection::new(outline.reference)?,
            insert: format!("INSERT INTO \"{name}\" (fid, geom{names}) "),
            system: srs_id(outline.reference),
            outline: outline.clone(),
            bounds: None,
            name,
            rows,
        };
        Ok(LayerOut { file: self, layer })
    }

    /// Makes the triggers and closes the file.
    ///
    /// # Errors
    /// The file is of no use.
    pub async fn finish(mut self, made_ms: i64) -> Result<(), GeoPackageError> {
        sqlx::query(INSERT_CONTENTS)
            .bind("layer_styles")
            .bind("attributes")
            .bind("layer_styles")
            .bind("")
            .bind(moment(made_ms))
            .bind(None::<f64>)
            .bind(None::<f64>)
            .bind(None::<f64>)
            .bind(None::<f64>)
            .bind(None::<i32>)
            .execute(&mut self.connection)
            .await?;
        for triggers in std::mem::take(&mut self.triggers) {
            sqlx::raw_sql(AssertSqlSafe(triggers)).execute(&mut self.connection).await?;
        }
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        Ok(self.connection.close().await?)
    }
}

/// Takes the features of one layer.
#[derive(Debug)]
pub struct LayerOut<'f> {
    file: &'f mut GeoPackageOut,
    layer: Layer,
}

impl LayerOut<'_> {
    /// Writes features, each with the coordinates of the ledger.
    ///
    /// # Errors
    /// The file is of no use.
    pub async fn features(&mut self, features: Vec<Feature>) -> Result<(), GeoPackageError> {
        let mut features = features.into_iter().peekable();
        while features.peek().is_some() {
            let rows: Vec<Feature> = features.by_ref().take(self.layer.rows).collect();
            self.insert(rows).await?;
        }
        Ok(())
    }

    async fn insert(&mut self, features: Vec<Feature>) -> Result<(), GeoPackageError> {
        let mut boxes: Vec<(i64, Rect<f64>)> = Vec::with_capacity(features.len());
        let mut rows = Vec::with_capacity(features.len());
        for mut feature in features {
            self.layer.projection.place(&mut feature);
            let geometry = match &feature.geometry {
                None => None,
                Some(geometry) => {
                    let (bytes, bounds) = blob(geometry, self.layer.system)?;
                    boxes.extend(bounds.map(|bounds| (feature.id, bounds)));
                    Some(bytes)
                }
            };
            rows.push((feature.id, geometry, feature.values));
        }
        for (_, bounds) in &boxes {
            self.layer.bounds = Some(self.layer.bounds.map_or(*bounds, |known| around(known, *bounds)));
        }
        let outline = &self.layer.outline;
        let mut query = QueryBuilder::<Sqlite>::new(self.layer.insert.as_str());
        query.push_values(rows, |mut row, (id, geometry, values)| {
            row.push_bind(id).push_bind(geometry);
            for (column, value) in outline.schema.columns.iter().zip(values) {
                match cell(outline, column, value) {
                    Cell::Null => row.push_bind(None::<i64>),
                    Cell::Text(text) => row.push_bind(text),
                    Cell::Integer(number) => row.push_bind(number),
                    Cell::Real(number) => row.push_bind(number),
                };
            }
        });
        query.build().execute(&mut self.file.connection).await?;
        if boxes.is_empty() {
            return Ok(());
        }
        let index = format!("INSERT INTO \"rtree_{}_geom\" (id, minx, maxx, miny, maxy) ", self.layer.name);
        let mut query = QueryBuilder::<Sqlite>::new(index);
        query.push_values(boxes, |mut row, (id, bounds)| {
            row.push_bind(id)
                .push_bind(bounds.min().x)
                .push_bind(bounds.max().x)
                .push_bind(bounds.min().y)
                .push_bind(bounds.max().y);
        });
        query.build().execute(&mut self.file.connection).await?;
        Ok(())
    }

    /// Ends the layer: registers it, its style and what it is of.
    ///
    /// # Errors
    /// The file is of no use.
    pub async fn finish(self) -> Result<(), GeoPackageError> {
        let Self { file, layer } = self;
        file.layers += 1;
        let (outline, name, number) = (&layer.outline, layer.name.as_str(), file.layers);
        let changed = moment(outline.about.change_ms);
        let side = |of: fn(Rect<f64>) -> f64| layer.bounds.map(of);
        sqlx::query(INSERT_CONTENTS)
            .bind(name)
            .bind("features")
            .bind(outline.says(outline.schema.title))
            .bind(outline.about_text())
            .bind(&changed)
            .bind(side(|it| it.min().x))
            .bind(side(|it| it.min().y))
            .bind(side(|it| it.max().x))
            .bind(side(|it| it.max().y))
            .bind(layer.system)
            .execute(&mut file.connection)
            .await?;
        sqlx::query(INSERT_GEOMETRY_COLUMN)
            .bind(name)
            .bind(geometry_type(outline.schema.shape))
            .bind(layer.system)
            .execute(&mut file.connection)
            .await?;
        sqlx::query(INSERT_INDEX).bind(name).execute(&mut file.connection).await?;
        sqlx::query(INSERT_METADATA)
            .bind(number)
            .bind(outline.about_json().to_string())
            .execute(&mut file.connection)
            .await?;
        sqlx::query(INSERT_METADATA_REFERENCE)
            .bind(name)
            .bind(&changed)
            .bind(number)
            .execute(&mut file.connection)
            .await?;
        sqlx::query(INSERT_STYLE)
            .bind(name)
            .bind(style::qml(outline))
            .bind(&changed)
            .execute(&mut file.connection)
            .await?;
        file.triggers.push(triggers(name));
        Ok(())
    }
}

/// The triggers of the extension `gpkg_rtree_index` (annex F.3), which keep the index where a reader writes.
fn triggers(table: &str) -> String {
    let index = format!("\"rtree_{table}_geom\"");
    let placed = "(NEW.\"geom\" NOT NULL AND NOT ST_IsEmpty(NEW.\"geom\"))";
    let nowhere = "(NEW.\"geom\" ISNULL OR ST_IsEmpty(NEW.\"geom\"))";
    let put = format!(
        "INSERT OR REPLACE INTO {index} VALUES (NEW.\"fid\", ST_MinX(NEW.\"geom\"), ST_MaxX(NEW.\"geom\"), \
         ST_MinY(NEW.\"geom\"), ST_MaxY(NEW.\"geom\"))"
    );
    let trigger = |name: &str, when: &str, condition: &str, act: &str| {
        format!(
            "CREATE TRIGGER \"rtree_{table}_geom_{name}\" AFTER {when} ON \"{table}\" WHEN {condition} \
             BEGIN {act}; END;\n"
        )
    };
    let out = |row: &str| format!("DELETE FROM {index} WHERE id = {row}.\"fid\"");
    [
        trigger("insert", "INSERT", placed, &put),
        trigger("update1", "UPDATE OF \"geom\"", &format!("OLD.\"fid\" = NEW.\"fid\" AND {placed}"), &put),
        trigger(
            "update2",
            "UPDATE OF \"geom\"",
            &format!("OLD.\"fid\" = NEW.\"fid\" AND {nowhere}"),
            &out("OLD"),
        ),
        trigger(
            "update3",
            "UPDATE",
            &format!("OLD.\"fid\" != NEW.\"fid\" AND {placed}"),
            &format!("{}; {put}", out("OLD")),
        ),
        trigger(
            "update4",
            "UPDATE",
            &format!("OLD.\"fid\" != NEW.\"fid\" AND {nowhere}"),
            &format!("DELETE FROM {index} WHERE id IN (OLD.\"fid\", NEW.\"fid\")"),
        ),
        trigger("delete", "DELETE", "OLD.\"geom\" NOT NULL", &out("OLD")),
    ]
    .concat()
}
