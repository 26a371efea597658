-- The audit log: a hash chain a district, and one of the deployment (district 0: logins). Rows are only ever added.
CREATE TABLE audit (
    district INTEGER NOT NULL,
    -- From 1, without gaps.
    sequence INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    -- JSON, as it was hashed.
    detail TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (district, sequence)
) STRICT, WITHOUT ROWID;

-- Where each chain stands. A row cut off at the end shows by it.
CREATE TABLE audit_heads (
    district INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (district)
) STRICT, WITHOUT ROWID;
