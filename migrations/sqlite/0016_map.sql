-- What maps show of hazards, beside the records: a row a hazard that has a number, clustered by place, so that a tile of
-- any zoom is one range of it. Derived, and can be derived again.
CREATE TABLE map_hazards (
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
    PRIMARY KEY (district, place, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX map_hazards_by_id ON map_hazards (district, id);
CREATE UNIQUE INDEX map_hazards_by_record ON map_hazards (district, record);
