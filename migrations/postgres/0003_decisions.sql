-- `released_by` names the decision; this says that it was to write the operation off.
ALTER TABLE quarantine ADD COLUMN is_written_off BIGINT NOT NULL DEFAULT 0;
