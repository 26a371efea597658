-- A run that is known already, signed again: its header and signature are kept, and it is never read for the chain.
ALTER TABLE runs ADD COLUMN is_copy BIGINT NOT NULL DEFAULT 0;
DROP INDEX runs_by_sequence;
CREATE INDEX runs_by_sequence ON runs (district, device, last) WHERE is_copy = 0;
