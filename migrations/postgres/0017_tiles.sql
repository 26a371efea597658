-- What tiles show of a hazard, as one text (`tiles::points`), and an index that holds it in the order of places: a tile is
-- read from the index alone.
ALTER TABLE map_hazards ADD COLUMN tile TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX map_hazards_tile ON map_hazards (district, place, tile);

-- How many hazards are in a cell of a zoom, by severity, category and whether they are open, with the earliest deadline of
-- those that are: what tiles of small zooms show. Kept from the changes of map_hazards, in their transaction.
CREATE TABLE tile_counts (
    district BIGINT NOT NULL,
    -- The zoom of the cell: 8, 10, 12 or 14.
    level BIGINT NOT NULL,
    -- Its Morton number among the cells of that zoom.
    cell BIGINT NOT NULL,
    severity_rank BIGINT NOT NULL,
    -- One of the protocol's categories, or empty.
    category TEXT NOT NULL,
    open BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    due BIGINT,
    PRIMARY KEY (district, level, cell, severity_rank, category, open)
);
CREATE INDEX tile_counts_empty ON tile_counts (district) WHERE amount = 0;

-- How often the hazards of the map were changed: what tiles are tagged with.
CREATE TABLE map_versions (
    district BIGINT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);
