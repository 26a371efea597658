-- The ledger. `district` (a number private to this database) is the first column of every key.
CREATE TABLE deployment (
    deployment UUID NOT NULL PRIMARY KEY
);

CREATE TABLE districts (
    district BIGINT NOT NULL PRIMARY KEY,
    id UUID NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    -- The counter row: the first statement of every write takes it.
    change BIGINT NOT NULL,
    number BIGINT NOT NULL,
    epoch BYTEA NOT NULL,
    -- Tags of the last incarnations, newest first, 4 bytes each.
    lineage BYTEA NOT NULL
);

CREATE TABLE epochs (
    district BIGINT NOT NULL,
    epoch BYTEA NOT NULL,
    parent BYTEA,
    forked_at BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    PRIMARY KEY (district, epoch)
);

CREATE TABLE incarnations (
    district BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    tag BYTEA NOT NULL,
    start_change BIGINT NOT NULL,
    PRIMARY KEY (district, ordinal)
);

CREATE TABLE persons (
    district BIGINT NOT NULL,
    person UUID NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (district, person)
);

CREATE TABLE tokens (
    district BIGINT NOT NULL,
    token_hash BYTEA NOT NULL,
    person UUID NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (district, token_hash)
);

CREATE TABLE enrol_codes (
    district BIGINT NOT NULL,
    code_hash BYTEA NOT NULL,
    person UUID NOT NULL,
    expires_ms BIGINT NOT NULL,
    device UUID,
    PRIMARY KEY (district, code_hash)
);

CREATE TABLE devices (
    district BIGINT NOT NULL,
    device UUID NOT NULL,
    public_key BYTEA NOT NULL,
    client TEXT NOT NULL,
    continues UUID,
    status TEXT NOT NULL,
    revoked_sequence BIGINT,
    revoked_chain BYTEA,
    is_forked BIGINT NOT NULL,
    enrolled_ms BIGINT NOT NULL,
    contact_ms BIGINT,
    clock_offset_ms BIGINT,
    -- The highest sequence received, and the chain there.
    head_sequence BIGINT NOT NULL,
    head_chain BYTEA NOT NULL,
    -- No gap up to here.
    whole_through BIGINT NOT NULL,
    -- What the device said its head is.
    claimed_sequence BIGINT NOT NULL,
    PRIMARY KEY (district, device)
);

CREATE TABLE device_persons (
    district BIGINT NOT NULL,
    device UUID NOT NULL,
    person UUID NOT NULL,
    PRIMARY KEY (district, device, person)
);

-- One row a boot: the tightest known difference between server time and that boot's uptime.
CREATE TABLE contacts (
    district BIGINT NOT NULL,
    device UUID NOT NULL,
    boot BYTEA NOT NULL,
    offset_ms BIGINT NOT NULL,
    PRIMARY KEY (district, device, boot)
);

-- Signed run headers: with the operations named by `members`, every signature can be checked again.
CREATE TABLE runs (
    district BIGINT NOT NULL,
    bundle BYTEA NOT NULL,
    device UUID NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    previous BYTEA NOT NULL,
    chain BYTEA NOT NULL,
    members BYTEA NOT NULL,
    proof BYTEA NOT NULL,
    presenter UUID,
    received_ms BIGINT NOT NULL,
    receipt BYTEA NOT NULL,
    PRIMARY KEY (district, bundle)
);
CREATE INDEX runs_by_sequence ON runs (district, device, last);

CREATE TABLE operations (
    district BIGINT NOT NULL,
    record UUID NOT NULL,
    identity BYTEA NOT NULL,
    operation UUID NOT NULL,
    device UUID NOT NULL,
    sequence BIGINT NOT NULL,
    disposition BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (district, record, identity)
);
-- An opening operation's id is its record's, so only the others need an index of ids.
CREATE INDEX operations_by_id ON operations (district, operation) WHERE operation <> record;

CREATE TABLE quarantine (
    district BIGINT NOT NULL,
    identity BYTEA NOT NULL,
    device UUID NOT NULL,
    sequence BIGINT NOT NULL,
    record UUID,
    author UUID,
    code TEXT NOT NULL,
    at TEXT NOT NULL,
    received_ms BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    released_by BYTEA,
    PRIMARY KEY (district, identity)
);

CREATE TABLE refused (
    district BIGINT NOT NULL,
    bundle BYTEA NOT NULL,
    code TEXT NOT NULL,
    presenter UUID,
    received_ms BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (district, bundle)
);

CREATE TABLE records (
    district BIGINT NOT NULL,
    record UUID NOT NULL,
    collection BIGINT NOT NULL,
    change BIGINT NOT NULL,
    class BIGINT NOT NULL,
    state BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    number BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    place BIGINT,
    -- The change from which on it is there.
    place_since BIGINT NOT NULL,
    view BYTEA NOT NULL,
    PRIMARY KEY (district, record)
);
CREATE INDEX records_feed ON records (district, class, change);
CREATE INDEX records_place ON records (district, place) WHERE place IS NOT NULL;

-- Where a record was before it moved: who knew it there is told that it left.
CREATE TABLE places (
    district BIGINT NOT NULL,
    record UUID NOT NULL,
    until_change BIGINT NOT NULL,
    since_change BIGINT NOT NULL,
    -- None: its place was not known, and every device had it.
    place BIGINT,
    PRIMARY KEY (district, record, until_change)
);
CREATE INDEX places_by_change ON places (district, until_change);

CREATE TABLE conflicts (
    district BIGINT NOT NULL,
    record UUID NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    opened_change BIGINT NOT NULL,
    opened_ms BIGINT NOT NULL,
    PRIMARY KEY (district, record, subject, reason)
);
CREATE INDEX conflicts_by_age ON conflicts (district, opened_change, record);

CREATE TABLE notices (
    district BIGINT NOT NULL,
    person UUID NOT NULL,
    notice BYTEA NOT NULL,
    created_ms BIGINT NOT NULL,
    acknowledged_ms BIGINT,
    body BYTEA NOT NULL,
    PRIMARY KEY (district, person, notice)
);
CREATE INDEX notices_waiting ON notices (district, person, created_ms) WHERE acknowledged_ms IS NULL;

CREATE TABLE photos (
    district BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    record UUID NOT NULL,
    device UUID NOT NULL,
    is_settled BIGINT NOT NULL,
    PRIMARY KEY (district, record, sha256)
);
-- By record, not by hash: new rows stand together, as their records do.
CREATE INDEX photos_missing ON photos (district, device, record, sha256) WHERE is_settled = 0;

CREATE TABLE areas (
    district BIGINT NOT NULL,
    person UUID NOT NULL,
    version BIGINT NOT NULL,
    boxes TEXT NOT NULL,
    PRIMARY KEY (district, person, version)
);

CREATE TABLE tallies (
    district BIGINT NOT NULL,
    name TEXT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (district, name)
);
