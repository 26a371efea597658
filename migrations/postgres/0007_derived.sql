-- What is derived beside the records, and can be derived again from them, the grid, the regions and the rules.
-- How far it follows the ledger, and by which reference data: where these are newer, it is derived anew.
CREATE TABLE derivations (
    district BIGINT NOT NULL PRIMARY KEY,
    through_change BIGINT NOT NULL,
    basis TEXT NOT NULL
);

-- Where a hazard stands on the grid, and what its measured clearance suggests.
CREATE TABLE placements (
    district BIGINT NOT NULL,
    record UUID NOT NULL,
    line UUID,
    -- The span, counted from 0 along the line, and the structures at its ends.
    span BIGINT,
    structure_from TEXT,
    structure_to TEXT,
    chainage_mm BIGINT,
    offset_mm BIGINT,
    -- Looking along ascending chainage: -1 left, 0 on the line, 1 right.
    side BIGINT,
    -- Inside the protection zone of the voltage; none where the zone is not known.
    in_zone BIGINT,
    -- 0 none, 1 doubtful, 2 probable, 3 certain.
    certainty BIGINT NOT NULL,
    rival UUID,
    rival_offset_mm BIGINT,
    is_named BIGINT NOT NULL,
    -- Codes of what the office should look at, joined by spaces.
    notes TEXT NOT NULL,
    suggested TEXT,
    -- Why: JSON.
    reasons TEXT,
    PRIMARY KEY (district, record)
);
CREATE INDEX placements_by_line ON placements (district, line, chainage_mm) WHERE line IS NOT NULL;

-- What the work report counts: a row a record.
CREATE TABLE facts (
    district BIGINT NOT NULL,
    record UUID NOT NULL,
    -- 0 hazard, 1 patrol, 2 work, 3 inspection, 4 activity.
    record_type BIGINT NOT NULL,
    -- The local day on which it was found or done, counted from 1970-01-01.
    day BIGINT NOT NULL,
    -- Category of a hazard, type of a work or an activity.
    subtype TEXT NOT NULL,
    state BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    township TEXT NOT NULL,
    line UUID,
    -- The author of its opening operation.
    person UUID,
    -- Of a hazard: it was found by a supervisory inspection.
    is_supervised BIGINT NOT NULL,
    -- Of what is no hazard: its whole numbers by field name, and its project: JSON.
    amounts TEXT NOT NULL,
    PRIMARY KEY (district, record)
);
CREATE INDEX facts_by_day ON facts (district, record_type, day);

-- Stretches of lines that were walked or worked on, millimetres of chainage, `from_mm` < `to_mm`.
CREATE TABLE stretches (
    district BIGINT NOT NULL,
    record UUID NOT NULL,
    line UUID NOT NULL,
    -- 0 patrol, 1 corridor felling, 2 fuel clearance, 3 covered conversion.
    kind BIGINT NOT NULL,
    day BIGINT NOT NULL,
    from_mm BIGINT NOT NULL,
    to_mm BIGINT NOT NULL,
    person UUID,
    PRIMARY KEY (district, record, line, kind, day, from_mm)
);
CREATE INDEX stretches_by_day ON stretches (district, kind, day, line);

-- Pairs that are probably one hazard, `record` < `other`: a proposal to the office.
CREATE TABLE proposals (
    district BIGINT NOT NULL,
    record UUID NOT NULL,
    other UUID NOT NULL,
    -- How probable, 0 to 1000.
    score BIGINT NOT NULL,
    distance_mm BIGINT NOT NULL,
    -- JSON.
    reasons TEXT NOT NULL,
    dismissed_by UUID,
    dismissed_ms BIGINT,
    PRIMARY KEY (district, record, other)
);
CREATE INDEX proposals_by_other ON proposals (district, other, record);
