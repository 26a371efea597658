-- A person who left stays named in what they recorded; nothing of theirs is bound or let in any more.
ALTER TABLE persons ADD COLUMN removed_ms BIGINT;
