-- The audit log: a hash chain a district, and one of the deployment (district 0: logins). Rows are only ever added.
CREATE TABLE audit (
    district BIGINT NOT NULL,
    -- From 1, without gaps.
    sequence BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    -- JSON, as it was hashed.
    detail TEXT NOT NULL,
    previous BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (district, sequence)
);

-- Where each chain stands. A row cut off at the end shows by it.
CREATE TABLE audit_heads (
    district BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (district)
);
