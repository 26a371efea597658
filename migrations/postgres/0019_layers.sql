-- The states that a hazard was in, as the ledger showed them: a row a state, from the receipt of what led to it to the
-- receipt of what ended it. Derived, and can be derived again.
CREATE TABLE map_states (
    district BIGINT NOT NULL,
    -- Where the hazard is now: the key of its place; -1: no place is known.
    place BIGINT NOT NULL,
    -- The number of its record × 2^20, and 20 bits of the operation that led to the state.
    id BIGINT NOT NULL,
    record UUID NOT NULL,
    lat_e7 BIGINT,
    lon_e7 BIGINT,
    number TEXT,
    category TEXT,
    kind TEXT,
    state TEXT NOT NULL,
    open BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    -- None: it is in that state now.
    valid_to BIGINT,
    PRIMARY KEY (district, place, id)
);
CREATE UNIQUE INDEX map_states_by_id ON map_states (district, id);
CREATE INDEX map_states_by_record ON map_states (district, record);

-- How many rows the map has of a layer: kept with them, so that a page need not count.
CREATE TABLE map_totals (
    district BIGINT NOT NULL,
    layer TEXT NOT NULL,
    features BIGINT NOT NULL,
    PRIMARY KEY (district, layer)
);

-- What a unit's people see.
CREATE INDEX map_hazards_by_unit ON map_hazards (district, unit_id, id) WHERE unit_id IS NOT NULL;

-- Of what was walked: the number under which maps show it. None until it is derived anew, and of what was worked on.
ALTER TABLE stretches ADD COLUMN id BIGINT;
CREATE UNIQUE INDEX stretches_by_id ON stretches (district, id) WHERE id IS NOT NULL;
