-- Work reports that were issued: frozen, and given again byte for byte. A number is `code-year-ordinal`, without gaps.
CREATE TABLE reports (
    district BIGINT NOT NULL,
    -- The local year in which it was issued, and its number within it.
    year BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    number TEXT NOT NULL,
    -- Its first and last day, counted from 1970-01-01.
    from_day BIGINT NOT NULL,
    to_day BIGINT NOT NULL,
    -- The last change that it counts.
    cut_off_change BIGINT NOT NULL,
    issued_ms BIGINT NOT NULL,
    issued_by UUID,
    -- Ids of the records that it counts, 16 bytes each, ascending.
    records BYTEA NOT NULL,
    PRIMARY KEY (district, year, ordinal)
);
CREATE UNIQUE INDEX reports_by_number ON reports (district, number);

-- The bytes of each form of an issued report.
CREATE TABLE report_files (
    district BIGINT NOT NULL,
    number TEXT NOT NULL,
    format TEXT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (district, number, format)
);
