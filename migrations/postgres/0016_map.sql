-- What maps show of hazards, beside the records: a row a hazard that has a number, clustered by place, so that a tile of
-- any zoom is one range of it. Derived, and can be derived again.
CREATE TABLE map_hazards (
    district BIGINT NOT NULL,
    -- The key of its place (Morton, web mercator); -1: no place is known.
    place BIGINT NOT NULL,
    -- The number of its record.
    id BIGINT NOT NULL,
    record UUID NOT NULL,
    lat_e7 BIGINT,
    lon_e7 BIGINT,
    -- The columns of the layer, by their names; what layers count in metres and kilovolts is whole millimetres and volts.
    number TEXT,
    found BIGINT,
    county TEXT,
    township TEXT,
    line_name TEXT,
    line TEXT,
    voltage_v BIGINT,
    structure_from TEXT,
    structure_to TEXT,
    chainage_mm BIGINT,
    offset_mm BIGINT,
    in_zone BIGINT,
    accuracy_mm BIGINT,
    category TEXT,
    kind TEXT,
    description TEXT,
    -- Rank: 0 none, 1 general, 2 serious, 3 critical; the text as it was written stands beside it.
    severity_rank BIGINT NOT NULL,
    severity TEXT,
    major BIGINT NOT NULL,
    state TEXT NOT NULL,
    open BIGINT NOT NULL,
    conflict BIGINT NOT NULL,
    provisional BIGINT NOT NULL,
    unit TEXT,
    -- The unit's id: its people see its hazards and no others.
    unit_id UUID,
    order_number TEXT,
    due BIGINT,
    turn TEXT,
    updated BIGINT NOT NULL,
    -- The change of the record that this row is of.
    change BIGINT NOT NULL,
    PRIMARY KEY (district, place, id)
);
CREATE UNIQUE INDEX map_hazards_by_id ON map_hazards (district, id);
CREATE UNIQUE INDEX map_hazards_by_record ON map_hazards (district, record);
