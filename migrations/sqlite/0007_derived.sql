-- What is derived beside the records, and can be derived again from them, the grid, the regions and the rules.
-- How far it follows the ledger, and by which reference data: where these are newer, it is derived anew.
CREATE TABLE derivations (
    district INTEGER NOT NULL PRIMARY KEY,
    through_change INTEGER NOT NULL,
    basis TEXT NOT NULL
) STRICT;

-- Where a hazard stands on the grid, and what its measured clearance suggests.
CREATE TABLE placements (
    district INTEGER NOT NULL,
    record BLOB NOT NULL,
    line BLOB,
    -- The span, counted from 0 along the line, and the structures at its ends.
    span INTEGER,
    structure_from TEXT,
    structure_to TEXT,
    chainage_mm INTEGER,
    offset_mm INTEGER,
    -- Looking along ascending chainage: -1 left, 0 on the line, 1 right.
    side INTEGER,
    -- Inside the protection zone of the voltage; none where the zone is not known.
    in_zone INTEGER,
    -- 0 none, 1 doubtful, 2 probable, 3 certain.
    certainty INTEGER NOT NULL,
    rival BLOB,
    rival_offset_mm INTEGER,
    is_named INTEGER NOT NULL,
    -- Codes of what the office should look at, joined by spaces.
    notes TEXT NOT NULL,
    suggested TEXT,
    -- Why: JSON.
    reasons TEXT,
    PRIMARY KEY (district, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX placements_by_line ON placements (district, line, chainage_mm) WHERE line IS NOT NULL;

-- What the work report counts: a row a record.
CREATE TABLE facts (
    district INTEGER NOT NULL,
    record BLOB NOT NULL,
    -- 0 hazard, 1 patrol, 2 work, 3 inspection, 4 activity.
    record_type INTEGER NOT NULL,
    -- The local day on which it was found or done, counted from 1970-01-01.
    day INTEGER NOT NULL,
    -- Category of a hazard, type of a work or an activity.
    subtype TEXT NOT NULL,
    state INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    township TEXT NOT NULL,
    line BLOB,
    -- The author of its opening operation.
    person BLOB,
    -- Of a hazard: it was found by a supervisory inspection.
    is_supervised INTEGER NOT NULL,
    -- Of what is no hazard: its whole numbers by field name, and its project: JSON.
    amounts TEXT NOT NULL,
    PRIMARY KEY (district, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX facts_by_day ON facts (district, record_type, day);

-- Stretches of lines that were walked or worked on, millimetres of chainage, `from_mm` < `to_mm`.
CREATE TABLE stretches (
    district INTEGER NOT NULL,
    record BLOB NOT NULL,
    line BLOB NOT NULL,
    -- 0 patrol, 1 corridor felling, 2 fuel clearance, 3 covered conversion.
    kind INTEGER NOT NULL,
    day INTEGER NOT NULL,
    from_mm INTEGER NOT NULL,
    to_mm INTEGER NOT NULL,
    person BLOB,
    PRIMARY KEY (district, record, line, kind, day, from_mm)
) STRICT, WITHOUT ROWID;
CREATE INDEX stretches_by_day ON stretches (district, kind, day, line);

-- Pairs that are probably one hazard, `record` < `other`: a proposal to the office.
CREATE TABLE proposals (
    district INTEGER NOT NULL,
    record BLOB NOT NULL,
    other BLOB NOT NULL,
    -- How probable, 0 to 1000.
    score INTEGER NOT NULL,
    distance_mm INTEGER NOT NULL,
    -- JSON.
    reasons TEXT NOT NULL,
    dismissed_by BLOB,
    dismissed_ms INTEGER,
    PRIMARY KEY (district, record, other)
) STRICT, WITHOUT ROWID;
CREATE INDEX proposals_by_other ON proposals (district, other, record);
