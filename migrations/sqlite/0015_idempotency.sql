-- What was answered to requests that carried an idempotency key, kept for a day: the same request again is answered
-- with the very same bytes, and nobody acts a second time.
CREATE TABLE idempotency (
    district INTEGER NOT NULL,
    person BLOB NOT NULL,
    key TEXT NOT NULL,
    -- SHA-256 of the request.
    request BLOB NOT NULL,
    -- The server process that took the request; nil: it could not keep what it answered.
    process BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    -- The answer; null until there is one.
    status INTEGER,
    media_type TEXT,
    body BLOB,
    PRIMARY KEY (district, person, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (district, created_ms);
