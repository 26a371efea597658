-- The ledger. `district` (a number private to this database) is the first column of every key.
CREATE TABLE deployment (
    deployment BLOB NOT NULL PRIMARY KEY
) STRICT;

CREATE TABLE districts (
    district INTEGER NOT NULL PRIMARY KEY,
    id BLOB NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    -- The counter row: the first statement of every write takes it.
    change INTEGER NOT NULL,
    number INTEGER NOT NULL,
    epoch BLOB NOT NULL,
    -- Tags of the last incarnations, newest first, 4 bytes each.
    lineage BLOB NOT NULL
) STRICT;

CREATE TABLE epochs (
    district INTEGER NOT NULL,
    epoch BLOB NOT NULL,
    parent BLOB,
    forked_at INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    PRIMARY KEY (district, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE incarnations (
    district INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    tag BLOB NOT NULL,
    start_change INTEGER NOT NULL,
    PRIMARY KEY (district, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE persons (
    district INTEGER NOT NULL,
    person BLOB NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (district, person)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    district INTEGER NOT NULL,
    token_hash BLOB NOT NULL,
    person BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (district, token_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE enrol_codes (
    district INTEGER NOT NULL,
    code_hash BLOB NOT NULL,
    person BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    device BLOB,
    PRIMARY KEY (district, code_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    district INTEGER NOT NULL,
    device BLOB NOT NULL,
    public_key BLOB NOT NULL,
    client TEXT NOT NULL,
    continues BLOB,
    status TEXT NOT NULL,
    revoked_sequence INTEGER,
    revoked_chain BLOB,
    is_forked INTEGER NOT NULL,
    enrolled_ms INTEGER NOT NULL,
    contact_ms INTEGER,
    clock_offset_ms INTEGER,
    -- The highest sequence received, and the chain there.
    head_sequence INTEGER NOT NULL,
    head_chain BLOB NOT NULL,
    -- No gap up to here.
    whole_through INTEGER NOT NULL,
    -- What the device said its head is.
    claimed_sequence INTEGER NOT NULL,
    PRIMARY KEY (district, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_persons (
    district INTEGER NOT NULL,
    device BLOB NOT NULL,
    person BLOB NOT NULL,
    PRIMARY KEY (district, device, person)
) STRICT, WITHOUT ROWID;

-- One row a boot: the tightest known difference between server time and that boot's uptime.
CREATE TABLE contacts (
    district INTEGER NOT NULL,
    device BLOB NOT NULL,
    boot BLOB NOT NULL,
    offset_ms INTEGER NOT NULL,
    PRIMARY KEY (district, device, boot)
) STRICT, WITHOUT ROWID;

-- Signed run headers: with the operations named by `members`, every signature can be checked again.
CREATE TABLE runs (
    district INTEGER NOT NULL,
    bundle BLOB NOT NULL,
    device BLOB NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    previous BLOB NOT NULL,
    chain BLOB NOT NULL,
    members BLOB NOT NULL,
    proof BLOB NOT NULL,
    presenter BLOB,
    received_ms INTEGER NOT NULL,
    receipt BLOB NOT NULL,
    PRIMARY KEY (district, bundle)
) STRICT;
CREATE INDEX runs_by_sequence ON runs (district, device, last);

CREATE TABLE operations (
    district INTEGER NOT NULL,
    record BLOB NOT NULL,
    identity BLOB NOT NULL,
    operation BLOB NOT NULL,
    device BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    disposition INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (district, record, identity)
) STRICT;
-- An opening operation's id is its record's, so only the others need an index of ids.
CREATE INDEX operations_by_id ON operations (district, operation) WHERE operation <> record;

CREATE TABLE quarantine (
    district INTEGER NOT NULL,
    identity BLOB NOT NULL,
    device BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    record BLOB,
    author BLOB,
    code TEXT NOT NULL,
    at TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    released_by BLOB,
    PRIMARY KEY (district, identity)
) STRICT;

CREATE TABLE refused (
    district INTEGER NOT NULL,
    bundle BLOB NOT NULL,
    code TEXT NOT NULL,
    presenter BLOB,
    received_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (district, bundle)
) STRICT;

CREATE TABLE records (
    district INTEGER NOT NULL,
    record BLOB NOT NULL,
    collection INTEGER NOT NULL,
    change INTEGER NOT NULL,
    class INTEGER NOT NULL,
    state INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    number INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    place INTEGER,
    -- The change from which on it is there.
    place_since INTEGER NOT NULL,
    view BLOB NOT NULL,
    PRIMARY KEY (district, record)
) STRICT;
CREATE INDEX records_feed ON records (district, class, change);
CREATE INDEX records_place ON records (district, place) WHERE place IS NOT NULL;

-- Where a record was before it moved: who knew it there is told that it left.
CREATE TABLE places (
    district INTEGER NOT NULL,
    record BLOB NOT NULL,
    until_change INTEGER NOT NULL,
    since_change INTEGER NOT NULL,
    -- None: its place was not known, and every device had it.
    place INTEGER,
    PRIMARY KEY (district, record, until_change)
) STRICT, WITHOUT ROWID;
CREATE INDEX places_by_change ON places (district, until_change);

CREATE TABLE conflicts (
    district INTEGER NOT NULL,
    record BLOB NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    opened_change INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL,
    PRIMARY KEY (district, record, subject, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX conflicts_by_age ON conflicts (district, opened_change, record);

CREATE TABLE notices (
    district INTEGER NOT NULL,
    person BLOB NOT NULL,
    notice BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    acknowledged_ms INTEGER,
    body BLOB NOT NULL,
    PRIMARY KEY (district, person, notice)
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_waiting ON notices (district, person, created_ms) WHERE acknowledged_ms IS NULL;

CREATE TABLE photos (
    district INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    record BLOB NOT NULL,
    device BLOB NOT NULL,
    is_settled INTEGER NOT NULL,
    PRIMARY KEY (district, record, sha256)
) STRICT, WITHOUT ROWID;
-- By record, not by hash: new rows stand together, as their records do.
CREATE INDEX photos_missing ON photos (district, device, record, sha256) WHERE is_settled = 0;

CREATE TABLE areas (
    district INTEGER NOT NULL,
    person BLOB NOT NULL,
    version INTEGER NOT NULL,
    boxes TEXT NOT NULL,
    PRIMARY KEY (district, person, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE tallies (
    district INTEGER NOT NULL,
    name TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (district, name)
) STRICT, WITHOUT ROWID;
