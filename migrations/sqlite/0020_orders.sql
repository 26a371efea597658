-- When an order had been issued on paper, where it was entered later; and what it showed of its hazard when it was issued:
-- JSON, blanked by redacting, else never changed.
ALTER TABLE orders ADD COLUMN ordered_ms INTEGER;
ALTER TABLE orders ADD COLUMN shown TEXT NOT NULL DEFAULT '{}';

-- The change of the record that a case was made of: a command writes its case itself, and a follower that read the record
-- before that does not write an older one over it.
ALTER TABLE cases ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
