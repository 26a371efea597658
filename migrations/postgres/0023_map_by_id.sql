-- Hazards of the map have the key of their pages and files, as in SQLite, where they are clustered by it. Tiles read the
-- index of their lines, which has the order of places.
--
-- A line begins with id and place in digits of a fixed number and ends with the deadline and the number of the hazard: what
-- many hazards say alike stands together between them (`tiles::points`).
ALTER TABLE map_hazards DROP CONSTRAINT map_hazards_pkey;
ALTER TABLE map_hazards ADD CONSTRAINT map_hazards_pkey PRIMARY KEY USING INDEX map_hazards_by_id;
UPDATE map_hazards SET tile = lpad(to_hex(id), 14, '0') || lpad(to_hex(greatest(place, 0)), 16, '0')
    || severity_rank || chr(31) || open || chr(31)
    || substr(translate(coalesce(category, ''), chr(30) || chr(31), '  '), 1, 60) || chr(31)
    || substr(translate(coalesce(kind, ''), chr(30) || chr(31), '  '), 1, 60) || chr(31)
    || substr(translate(state, chr(30) || chr(31), '  '), 1, 60) || chr(31)
    || coalesce(due::text, '') || chr(31)
    || substr(translate(coalesce(number, ''), chr(30) || chr(31), '  '), 1, 60);

-- Counts are kept at two zooms and not four, and what hazards are told apart by is one number (`tiles::counts`): a row
-- has half as many values to write.
DROP TABLE tile_counts;
CREATE TABLE tile_counts (
    district BIGINT NOT NULL,
    -- The zoom of the cell: 11 or 13.
    level BIGINT NOT NULL,
    -- Its Morton number among the cells of that zoom.
    cell BIGINT NOT NULL,
    -- 16 times the rank of the severity, twice the number of the category (0 none, 1 line body, 2 corridor, 3 forest fire,
    -- 4 fire sighting), and 1 where they are open.
    kind BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    -- The earliest deadline of those that are open.
    due BIGINT,
    PRIMARY KEY (district, level, cell, kind)
);
CREATE INDEX tile_counts_empty ON tile_counts (district) WHERE amount = 0;
INSERT INTO tile_counts (district, level, cell, kind, amount, due)
SELECT district, level, place >> CAST(62 - 2 * level AS INTEGER), severity_rank * 16 + CASE category WHEN 'line_body' THEN 2
    WHEN 'corridor' THEN 4 WHEN 'forest_fire' THEN 6 WHEN 'fire_sighting' THEN 8 ELSE 0 END + open,
    count(*), min(CASE WHEN open = 1 THEN due END)
FROM map_hazards CROSS JOIN (SELECT 11::BIGINT AS level UNION ALL SELECT 13) AS levels
WHERE place >= 0 GROUP BY 1, 2, 3, 4;
