-- Records whose place is known stand by cell of zoom 11 and then by change: new ones come behind those of their cell, and what
-- many phones bring at once is written to a few pages of it, not to one for each record (`store::changes`).
DROP INDEX records_place;
CREATE INDEX records_by_cell ON records (district, (place >> 40), change) WHERE place IS NOT NULL;

-- A hash lies anywhere in an index of hashes: its first bytes tell it from nearly all others, and make the index small. Rows
-- are appended, where each lay with its record.
CREATE TABLE photos_in_order (
    district INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    record BLOB NOT NULL,
    -- The device that is asked for it.
    device BLOB NOT NULL,
    -- It is held and verified, or written off.
    is_settled INTEGER NOT NULL,
    -- Since when the server waits for it.
    named_ms INTEGER NOT NULL,
    PRIMARY KEY (district, record, sha256)
) STRICT;
INSERT INTO photos_in_order (district, sha256, record, device, is_settled, named_ms)
SELECT district, sha256, record, device, is_settled, named_ms FROM photos ORDER BY district, named_ms, record;
DROP TABLE photos;
ALTER TABLE photos_in_order RENAME TO photos;
-- By record, not by hash: new rows stand together, as their records do.
CREATE INDEX photos_missing ON photos (district, device, record, sha256) WHERE is_settled = 0;
-- Which records name a photo: who may see it, and which wait for it.
CREATE INDEX photos_by_hash ON photos (district, substr(sha256, 1, 8));
