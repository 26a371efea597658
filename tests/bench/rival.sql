-- The fixed rival of `ingest_http`: the least that a ledger of this kind must write, and nothing that makes it
-- safe. No signature is verified, nothing is folded, no chain, receipt, photo, conflict or district is kept.
-- It never changes, so that figures of different days can be set side by side.
--
-- Everything up to the first `-- rows` is run once. Each part after a `-- rows` is the head of a statement that is
-- followed by the values of many rows; the number of the change counts from 1. 1,000 operations a transaction.

PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -32768;
PRAGMA wal_autocheckpoint = 4000;

CREATE TABLE operation (identity BLOB NOT NULL PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TABLE record (record BLOB NOT NULL PRIMARY KEY, place INTEGER, body BLOB NOT NULL) STRICT;
CREATE INDEX record_place ON record (place);
CREATE TABLE change (number INTEGER NOT NULL PRIMARY KEY, record BLOB NOT NULL) STRICT;

-- rows
INSERT INTO operation (identity, bytes) VALUES
-- rows
INSERT INTO record (record, place, body) VALUES
-- rows
INSERT INTO change (number, record) VALUES
