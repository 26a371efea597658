-- Lines, districts and townships are rows of `records` (collections grid and areas), so that phones get them by the
-- feed of everything else. No operation makes them: an import does, and its version is logged as one.
CREATE INDEX records_reference ON records (district, collection, record) WHERE collection IN (2, 3);

-- Every version of reference data: `grid`, `regions`, `rules`. The last of its kind is in force.
CREATE TABLE reference_versions (
    district INTEGER NOT NULL,
    kind TEXT NOT NULL,
    -- The change by which it came.
    change INTEGER NOT NULL,
    -- Hexadecimal SHA-256 of its content.
    version TEXT NOT NULL,
    imported_ms INTEGER NOT NULL,
    -- What the import read, added, changed, retired and refused: JSON.
    report TEXT NOT NULL,
    -- Of rules: the TOML as it was given.
    source TEXT,
    PRIMARY KEY (district, kind, change)
) STRICT, WITHOUT ROWID;
