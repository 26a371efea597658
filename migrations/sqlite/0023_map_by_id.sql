-- Hazards of the map are clustered by id: pages and files read them in that order, and each was looked up by itself where
-- they lay by place. Tiles read the index of their lines, which has the order of places.
--
-- A line begins with id and place in digits of a fixed number and ends with the deadline and the number of the hazard: what
-- many hazards say alike stands together between them (`tiles::points`).
CREATE TABLE hazards_by_id (
    district INTEGER NOT NULL,
    -- The key of its place (Morton, web mercator); -1: no place is known.
    place INTEGER NOT NULL,
    -- The number of its record.
    id INTEGER NOT NULL,
    record BLOB NOT NULL,
    lat_e7 INTEGER,
    lon_e7 INTEGER,
    -- The columns of the layer, by their names; what layers count in metres and kilovolts is whole millimetres and volts.
    number TEXT,
    found INTEGER,
    county TEXT,
    township TEXT,
    line_name TEXT,
    line TEXT,
    voltage_v INTEGER,
    structure_from TEXT,
    structure_to TEXT,
    chainage_mm INTEGER,
    offset_mm INTEGER,
    in_zone INTEGER,
    accuracy_mm INTEGER,
    category TEXT,
    kind TEXT,
    description TEXT,
    -- Rank: 0 none, 1 general, 2 serious, 3 critical; the text as it was written stands beside it.
    severity_rank INTEGER NOT NULL,
    severity TEXT,
    major INTEGER NOT NULL,
    state TEXT NOT NULL,
    open INTEGER NOT NULL,
    conflict INTEGER NOT NULL,
    provisional INTEGER NOT NULL,
    unit TEXT,
    -- The unit's id: its people see its hazards and no others.
    unit_id BLOB,
    order_number TEXT,
    due INTEGER,
    turn TEXT,
    updated INTEGER NOT NULL,
    -- The change of the record that this row is of.
    change INTEGER NOT NULL,
    -- What tiles show of it, as one text (`tiles::points`).
    tile TEXT NOT NULL,
    PRIMARY KEY (district, id)
) STRICT, WITHOUT ROWID;
INSERT INTO hazards_by_id (
    district, place, id, record, lat_e7, lon_e7, number, found, county, township, line_name, line, voltage_v,
    structure_from, structure_to, chainage_mm, offset_mm, in_zone, accuracy_mm, category, kind, description,
    severity_rank, severity, major, state, open, conflict, provisional, unit, unit_id, order_number, due, turn,
    updated, change, tile
)
SELECT
    district, place, id, record, lat_e7, lon_e7, number, found, county, township, line_name, line, voltage_v,
    structure_from, structure_to, chainage_mm, offset_mm, in_zone, accuracy_mm, category, kind, description,
    severity_rank, severity, major, state, open, conflict, provisional, unit, unit_id, order_number, due, turn,
    updated, change,
    printf('%014x%016x', id, max(place, 0)) || severity_rank || char(31) || open || char(31)
    || substr(replace(replace(coalesce(category, ''), char(30), ' '), char(31), ' '), 1, 60) || char(31)
    || substr(replace(replace(coalesce(kind, ''), char(30), ' '), char(31), ' '), 1, 60) || char(31)
    || substr(replace(replace(state, char(30), ' '), char(31), ' '), 1, 60) || char(31)
    || coalesce(due, '') || char(31)
    || substr(replace(replace(coalesce(number, ''), char(30), ' '), char(31), ' '), 1, 60)
FROM map_hazards ORDER BY district, id;
DROP TABLE map_hazards;
ALTER TABLE hazards_by_id RENAME TO map_hazards;
CREATE UNIQUE INDEX map_hazards_by_record ON map_hazards (district, record);
CREATE INDEX map_hazards_tile ON map_hazards (district, place, tile);
CREATE INDEX map_hazards_by_unit ON map_hazards (district, unit_id) WHERE unit_id IS NOT NULL;

-- Counts are kept at two zooms and not four, and what hazards are told apart by is one number (`tiles::counts`): a row
-- has half as many values to write.
DROP TABLE tile_counts;
CREATE TABLE tile_counts (
    district INTEGER NOT NULL,
    -- The zoom of the cell: 11 or 13.
    level INTEGER NOT NULL,
    -- Its Morton number among the cells of that zoom.
    cell INTEGER NOT NULL,
    -- 16 times the rank of the severity, twice the number of the category (0 none, 1 line body, 2 corridor, 3 forest fire,
    -- 4 fire sighting), and 1 where they are open.
    kind INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    -- The earliest deadline of those that are open.
    due INTEGER,
    PRIMARY KEY (district, level, cell, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX tile_counts_empty ON tile_counts (district) WHERE amount = 0;
INSERT INTO tile_counts (district, level, cell, kind, amount, due)
SELECT district, level, place >> (62 - 2 * level), severity_rank * 16 + CASE category WHEN 'line_body' THEN 2
    WHEN 'corridor' THEN 4 WHEN 'forest_fire' THEN 6 WHEN 'fire_sighting' THEN 8 ELSE 0 END + open,
    count(*), min(CASE WHEN open = 1 THEN due END)
FROM map_hazards CROSS JOIN (SELECT 11 AS level UNION ALL SELECT 13) AS levels
WHERE place >= 0 GROUP BY 1, 2, 3, 4;
