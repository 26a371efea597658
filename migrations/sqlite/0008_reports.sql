-- Work reports that were issued: frozen, and given again byte for byte. A number is `code-year-ordinal`, without gaps.
CREATE TABLE reports (
    district INTEGER NOT NULL,
    -- The local year in which it was issued, and its number within it.
    year INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    number TEXT NOT NULL,
    -- Its first and last day, counted from 1970-01-01.
    from_day INTEGER NOT NULL,
    to_day INTEGER NOT NULL,
    -- The last change that it counts.
    cut_off_change INTEGER NOT NULL,
    issued_ms INTEGER NOT NULL,
    issued_by BLOB,
    -- Ids of the records that it counts, 16 bytes each, ascending.
    records BLOB NOT NULL,
    PRIMARY KEY (district, year, ordinal)
) STRICT;
CREATE UNIQUE INDEX reports_by_number ON reports (district, number);

-- The bytes of each form of an issued report.
CREATE TABLE report_files (
    district INTEGER NOT NULL,
    number TEXT NOT NULL,
    format TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (district, number, format)
) STRICT;
