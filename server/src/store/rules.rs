//! The rules of a district: every text that was in force, with its change.

use super::{
    ReferenceKind, ReferenceVersion, StoreError, Transaction, execute, fetch_optional, signed, unsigned,
};
use crate::domain::DistrictKey;

const INSERT_RULES: &str = "INSERT INTO reference_versions (district, kind, change, version, imported_ms, report, source) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const SELECT_RULES: &str = "SELECT change, version, imported_ms, report, source FROM reference_versions \
     WHERE district = $1 AND kind = $2 ORDER BY change DESC LIMIT 1";
const SELECT_RULES_BY_VERSION: &str = "SELECT change, version, imported_ms, report, source FROM reference_versions \
     WHERE district = $1 AND kind = $2 AND version = $3 ORDER BY change DESC LIMIT 1";

type Row = (i64, String, i64, String, Option<String>);

fn with_source((change, version, imported_ms, report, source): Row) -> (ReferenceVersion, String) {
    let version = ReferenceVersion { change: unsigned(change), version, imported_ms, report };
    (version, source.unwrap_or_default())
}

impl Transaction {
    /// The rules that were set last, with their text; none where none were.
    pub async fn rules(
        &mut self,
        district: DistrictKey,
    ) -> Result<Option<(ReferenceVersion, String)>, StoreError> {
        let row = fetch_optional!(self, Row, SELECT_RULES, district.0, ReferenceKind::Rules.as_str());
        Ok(row.map(with_source))
    }

    /// The rules of a version, with their text, as they were set last.
    pub async fn rules_of_version(
        &mut self,
        district: DistrictKey,
        version: &str,
    ) -> Result<Option<(ReferenceVersion, String)>, StoreError> {
        let kind = ReferenceKind::Rules.as_str();
        let row = fetch_optional!(self, Row, SELECT_RULES_BY_VERSION, district.0, kind, version);
        Ok(row.map(with_source))
    }

    /// Notes rules that are in force from now on.
    pub async fn insert_rules(
        &mut self,
        district: DistrictKey,
        version: &ReferenceVersion,
        source: &str,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            INSERT_RULES,
            district.0,
            ReferenceKind::Rules.as_str(),
            signed(version.change),
            version.version.as_str(),
            version.imported_ms,
            version.report.as_str(),
            source
        );
        Ok(())
    }
}
