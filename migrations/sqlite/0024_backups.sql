-- Copies of the ledger that were read and found whole: what they hold, phones need not keep.
CREATE TABLE backups (
    district INTEGER NOT NULL,
    verified_ms INTEGER NOT NULL,
    -- The change up to which the copy holds everything, and the hash of its state.
    change INTEGER NOT NULL,
    state_hash TEXT NOT NULL,
    PRIMARY KEY (district, verified_ms)
) STRICT, WITHOUT ROWID;

-- The sequence up to which such a copy holds everything that the device recorded.
ALTER TABLE devices ADD COLUMN safe_through INTEGER;
