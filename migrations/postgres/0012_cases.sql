-- Orders (整改通知书): numbers without gaps per district and year, each written in the transaction of its operation.
CREATE TABLE orders (
    district BIGINT NOT NULL,
    -- The local year in which it was issued, and its number in that year from 1.
    year BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    number TEXT NOT NULL,
    record UUID NOT NULL,
    -- The operation that orders, SHA-256.
    operation BYTEA NOT NULL,
    unit UUID,
    unit_name TEXT NOT NULL,
    measures TEXT NOT NULL,
    deadline_ms BIGINT NOT NULL,
    issued_ms BIGINT NOT NULL,
    issued_by UUID NOT NULL,
    PRIMARY KEY (district, year, ordinal)
);
CREATE INDEX orders_by_record ON orders (district, record);

-- Fire-danger levels as they were set: never changed, so that a tightened deadline can be explained.
CREATE TABLE dangers (
    district BIGINT NOT NULL,
    -- Name of the area; empty: the whole district.
    area TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    level BIGINT NOT NULL,
    set_by UUID NOT NULL,
    PRIMARY KEY (district, area, since_ms)
);

-- What follows from the operations of a hazard for who must act and until when: derived, and can be derived again.
CREATE TABLE cases (
    district BIGINT NOT NULL,
    record UUID NOT NULL,
    state BIGINT NOT NULL,
    is_open BIGINT NOT NULL,
    -- 0 none, 1 general, 2 serious, 3 critical.
    severity BIGINT NOT NULL,
    is_major BIGINT NOT NULL,
    -- The moment by which it must be acted on; overdue is the clock's.
    due_ms BIGINT,
    -- The deadline that people were told; none before the order.
    notified_ms BIGINT,
    unit UUID,
    -- The number of the role whose turn it is.
    turn BIGINT,
    since_ms BIGINT NOT NULL,
    order_number TEXT,
    extensions BIGINT NOT NULL,
    PRIMARY KEY (district, record)
);
CREATE INDEX cases_by_due ON cases (district, due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX cases_by_turn ON cases (district, turn, due_ms) WHERE turn IS NOT NULL;
CREATE INDEX cases_by_unit ON cases (district, unit) WHERE unit IS NOT NULL;

-- What somebody should hear of, in the order in which it is told: an outbox, kept 90 days.
CREATE TABLE events (
    district BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    -- JSON.
    body TEXT NOT NULL,
    PRIMARY KEY (district, sequence)
);

-- What was told once is not told again: a hazard or device, and the moment that the event is about.
CREATE TABLE event_keys (
    district BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject UUID NOT NULL,
    basis BIGINT NOT NULL,
    PRIMARY KEY (district, kind, subject, basis)
);
