-- What tiles show of hazards stands in strips, some dozens of them in the order of their places, and no longer with each.
DROP INDEX map_hazards_tile;
ALTER TABLE map_hazards DROP COLUMN tile;
CREATE INDEX map_hazards_place ON map_hazards (district, place, id);

-- They are made of the hazards that are there when the ledger is opened (`store::tile_strips`).
CREATE TABLE tile_strips (
    district INTEGER NOT NULL,
    -- The spot that it begins at (`tiles::strips`); empty: it is the first.
    first BLOB NOT NULL,
    strip BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX tile_strips_by_first ON tile_strips (district, first);
