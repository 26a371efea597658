-- How often the hazards of the map were changed stands beside the epoch, with which tiles are tagged: one look for both.
ALTER TABLE districts ADD COLUMN map_version INTEGER NOT NULL DEFAULT 0;
UPDATE districts SET map_version =
    coalesce((SELECT v.version FROM map_versions v WHERE v.district = districts.district), 0);
DROP TABLE map_versions;
