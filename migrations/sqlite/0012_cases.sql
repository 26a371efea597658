-- Orders (整改通知书): numbers without gaps per district and year, each written in the transaction of its operation.
CREATE TABLE orders (
    district INTEGER NOT NULL,
    -- The local year in which it was issued, and its number in that year from 1.
    year INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    number TEXT NOT NULL,
    record BLOB NOT NULL,
    -- The operation that orders, SHA-256.
    operation BLOB NOT NULL,
    unit BLOB,
    unit_name TEXT NOT NULL,
    measures TEXT NOT NULL,
    deadline_ms INTEGER NOT NULL,
    issued_ms INTEGER NOT NULL,
    issued_by BLOB NOT NULL,
    PRIMARY KEY (district, year, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_by_record ON orders (district, record);

-- Fire-danger levels as they were set: never changed, so that a tightened deadline can be explained.
CREATE TABLE dangers (
    district INTEGER NOT NULL,
    -- Name of the area; empty: the whole district.
    area TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    level INTEGER NOT NULL,
    set_by BLOB NOT NULL,
    PRIMARY KEY (district, area, since_ms)
) STRICT, WITHOUT ROWID;

-- What follows from the operations of a hazard for who must act and until when: derived, and can be derived again.
CREATE TABLE cases (
    district INTEGER NOT NULL,
    record BLOB NOT NULL,
    state INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    -- 0 none, 1 general, 2 serious, 3 critical.
    severity INTEGER NOT NULL,
    is_major INTEGER NOT NULL,
    -- The moment by which it must be acted on; overdue is the clock's.
    due_ms INTEGER,
    -- The deadline that people were told; none before the order.
    notified_ms INTEGER,
    unit BLOB,
    -- The number of the role whose turn it is.
    turn INTEGER,
    since_ms INTEGER NOT NULL,
    order_number TEXT,
    extensions INTEGER NOT NULL,
    PRIMARY KEY (district, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX cases_by_due ON cases (district, due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX cases_by_turn ON cases (district, turn, due_ms) WHERE turn IS NOT NULL;
CREATE INDEX cases_by_unit ON cases (district, unit) WHERE unit IS NOT NULL;

-- What somebody should hear of, in the order in which it is told: an outbox, kept 90 days.
CREATE TABLE events (
    district INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    -- JSON.
    body TEXT NOT NULL,
    PRIMARY KEY (district, sequence)
) STRICT, WITHOUT ROWID;

-- What was told once is not told again: a hazard or device, and the moment that the event is about.
CREATE TABLE event_keys (
    district INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject BLOB NOT NULL,
    basis INTEGER NOT NULL,
    PRIMARY KEY (district, kind, subject, basis)
) STRICT, WITHOUT ROWID;
