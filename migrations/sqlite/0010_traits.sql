-- What is compared of a hazard to find its twins, so that none of its neighbours' views is read. A hazard without a
-- category or a known place has no row.
CREATE TABLE traits (
    district INTEGER NOT NULL,
    record BLOB NOT NULL,
    category TEXT NOT NULL,
    -- The key of its place (Morton), and the place.
    place INTEGER NOT NULL,
    lat_e7 INTEGER NOT NULL,
    lon_e7 INTEGER NOT NULL,
    accuracy_dm INTEGER,
    found_ms INTEGER NOT NULL,
    kind TEXT,
    -- The line that it probably stands on, and where along it.
    line BLOB,
    chainage_mm INTEGER,
    -- The device that reported it.
    device BLOB,
    -- SHA-256 of its description.
    words BLOB,
    -- SHA-256 of its photos, one after the other.
    photos BLOB NOT NULL,
    PRIMARY KEY (district, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX traits_by_place ON traits (district, category, place);
