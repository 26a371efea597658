-- The token with which a token was made: where that is revoked, this one ends too.
ALTER TABLE tokens ADD COLUMN made_by BLOB;

-- A text that a redaction blanked in an issued report: what the file was when it was issued, what it is now, and since when.
ALTER TABLE report_files ADD COLUMN original_sha256 BLOB;
ALTER TABLE report_files ADD COLUMN sha256 BLOB;
ALTER TABLE report_files ADD COLUMN redacted_ms INTEGER;

-- Numbers of orders that no order has, and why: those that may have been given after a backup that was put back.
CREATE TABLE order_gaps (
    district INTEGER NOT NULL,
    year INTEGER NOT NULL,
    -- The first and the last number that is left out.
    first_ordinal INTEGER NOT NULL,
    last_ordinal INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (district, year, first_ordinal)
) STRICT, WITHOUT ROWID;
