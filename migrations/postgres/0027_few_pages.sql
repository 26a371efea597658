-- Records whose place is known stand by cell of zoom 11 and then by change: new ones come behind those of their cell, and what
-- many phones bring at once is written to a few pages of it, not to one for each record (`store::changes`).
DROP INDEX records_place;
CREATE INDEX records_by_cell ON records (district, (place >> 40), change) WHERE place IS NOT NULL;

-- A hash lies anywhere in an index of hashes: its first bytes tell it from nearly all others, and make the index small.
DROP INDEX photos_by_hash;
CREATE INDEX photos_by_hash ON photos (district, substr(sha256, 1, 8));
