-- Numbers of work reports that no report has, and why: those that may have been given after a backup that was put back.
CREATE TABLE report_gaps (
    district BIGINT NOT NULL,
    year BIGINT NOT NULL,
    -- The first and the last number that is left out.
    first_ordinal BIGINT NOT NULL,
    last_ordinal BIGINT NOT NULL,
    reason TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (district, year, first_ordinal)
);

-- Redactions of texts so far: what was read before the last one is given out by no server.
ALTER TABLE districts ADD COLUMN redactions BIGINT NOT NULL DEFAULT 0;
