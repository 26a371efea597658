-- What is compared of a hazard to find its twins, so that none of its neighbours' views is read. A hazard without a
-- category or a known place has no row.
CREATE TABLE traits (
    district BIGINT NOT NULL,
    record UUID NOT NULL,
    category TEXT NOT NULL,
    -- The key of its place (Morton), and the place.
    place BIGINT NOT NULL,
    lat_e7 BIGINT NOT NULL,
    lon_e7 BIGINT NOT NULL,
    accuracy_dm BIGINT,
    found_ms BIGINT NOT NULL,
    kind TEXT,
    -- The line that it probably stands on, and where along it.
    line UUID,
    chainage_mm BIGINT,
    -- The device that reported it.
    device UUID,
    -- SHA-256 of its description.
    words BYTEA,
    -- SHA-256 of its photos, one after the other.
    photos BYTEA NOT NULL,
    PRIMARY KEY (district, record)
);
CREATE INDEX traits_by_place ON traits (district, category, place);
