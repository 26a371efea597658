-- Files of photos: one row a photo whose upload began, in a district.
CREATE TABLE photo_files (
    district BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    -- The device or person who began to upload it.
    uploader UUID NOT NULL,
    -- Its length, as its uploader says.
    bytes BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    -- Its bytes are held whole and have this hash.
    completed_ms BIGINT,
    -- A media type.
    format TEXT,
    width BIGINT,
    height BIGINT,
    -- What the camera says: milliseconds since 1970, degrees × 1e7.
    taken_ms BIGINT,
    lat_e7 BIGINT,
    lon_e7 BIGINT,
    -- It was redacted: the bytes are deleted and taken no more.
    erased_ms BIGINT,
    PRIMARY KEY (district, sha256)
);
CREATE INDEX photo_files_of ON photo_files (district, uploader);

-- Which records name a photo: who may see it, and which wait for it.
CREATE INDEX photos_by_hash ON photos (district, sha256);

-- Since when the server waits for it.
ALTER TABLE photos ADD COLUMN named_ms BIGINT NOT NULL DEFAULT 0;
UPDATE photos SET named_ms = coalesce((SELECT received_ms FROM records WHERE records.district = photos.district
    AND records.record = photos.record), 0);

-- What a redaction names is shown no more, though its bytes are kept.
ALTER TABLE quarantine ADD COLUMN is_redacted BIGINT NOT NULL DEFAULT 0;
