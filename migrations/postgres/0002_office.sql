-- What the office reads of the quarantine: by age, and by the record that an operation names.
CREATE INDEX quarantine_by_age ON quarantine (district, received_ms, identity);
CREATE INDEX quarantine_by_record ON quarantine (district, record) WHERE record IS NOT NULL;
