-- Counts of hazards stand in pages, those of sixteen cells in one value, and no longer in a row for each cell and kind; of
-- one zoom, since a tile adds up what it needs. They are made of the hazards that are there when the ledger is opened
-- (`store::tile_fill`).
DROP TABLE tile_counts;
CREATE TABLE tile_counts (
    district INTEGER NOT NULL,
    -- Its Morton number among the cells of zoom 11.
    page INTEGER NOT NULL,
    -- How many hazards lie in it.
    amount INTEGER NOT NULL,
    -- How many of each cell of zoom 13 and each kind, and their earliest deadline (`tiles::count_pages`).
    counts BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX tile_counts_by_page ON tile_counts (district, page);
