-- The token with which a token was made: where that is revoked, this one ends too.
ALTER TABLE tokens ADD COLUMN made_by BYTEA;

-- A text that a redaction blanked in an issued report: what the file was when it was issued, what it is now, and since when.
ALTER TABLE report_files ADD COLUMN original_sha256 BYTEA;
ALTER TABLE report_files ADD COLUMN sha256 BYTEA;
ALTER TABLE report_files ADD COLUMN redacted_ms BIGINT;

-- Numbers of orders that no order has, and why: those that may have been given after a backup that was put back.
CREATE TABLE order_gaps (
    district BIGINT NOT NULL,
    year BIGINT NOT NULL,
    -- The first and the last number that is left out.
    first_ordinal BIGINT NOT NULL,
    last_ordinal BIGINT NOT NULL,
    reason TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (district, year, first_ordinal)
);
