-- What was answered to requests that carried an idempotency key, kept for a day: the same request again is answered
-- with the very same bytes, and nobody acts a second time.
CREATE TABLE idempotency (
    district BIGINT NOT NULL,
    person UUID NOT NULL,
    key TEXT NOT NULL,
    -- SHA-256 of the request.
    request BYTEA NOT NULL,
    -- The server process that took the request; nil: it could not keep what it answered.
    process UUID NOT NULL,
    created_ms BIGINT NOT NULL,
    -- The answer; null until there is one.
    status BIGINT,
    media_type TEXT,
    body BYTEA,
    PRIMARY KEY (district, person, key)
);
CREATE INDEX idempotency_by_age ON idempotency (district, created_ms);
