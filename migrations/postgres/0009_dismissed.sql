-- Why a proposal was dismissed, in words.
ALTER TABLE proposals ADD COLUMN dismissed_reason TEXT;
