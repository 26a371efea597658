-- Who may sign in, as whom, with what. Accounts, their links and sessions are of the deployment, not of a district: an
-- account may be a person in several.
ALTER TABLE persons ADD COLUMN unit BLOB;
ALTER TABLE devices ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN unit BLOB;
CREATE INDEX records_by_unit ON records (district, unit) WHERE unit IS NOT NULL;

-- Tokens of the office for programs.
ALTER TABLE tokens ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT 'read export write admin';
ALTER TABLE tokens ADD COLUMN expires_ms INTEGER;
ALTER TABLE tokens ADD COLUMN used_ms INTEGER;

CREATE TABLE accounts (
    account BLOB NOT NULL PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- Argon2id, as a PHC text; absent until its link is used.
    password TEXT,
    password_ms INTEGER,
    -- Passwords before it, the last first, a line each.
    history TEXT NOT NULL,
    disabled_ms INTEGER,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which person an account is in a district.
CREATE TABLE memberships (
    district INTEGER NOT NULL,
    account BLOB NOT NULL,
    person BLOB NOT NULL,
    PRIMARY KEY (district, account)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX memberships_by_person ON memberships (district, person);
CREATE INDEX memberships_by_account ON memberships (account);

-- A province sees its districts.
CREATE TABLE provinces (
    district INTEGER NOT NULL,
    province TEXT NOT NULL,
    PRIMARY KEY (district, province)
) STRICT, WITHOUT ROWID;
CREATE TABLE province_members (
    province TEXT NOT NULL,
    account BLOB NOT NULL,
    PRIMARY KEY (province, account)
) STRICT, WITHOUT ROWID;

-- Wrong passwords by login (its hash), whether there is such an account or not.
CREATE TABLE sign_in_failures (
    login_hash BLOB NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One-time links: for an account, or for a person of a district who gets one by it.
CREATE TABLE links (
    link_hash BLOB NOT NULL PRIMARY KEY,
    account BLOB,
    district INTEGER,
    person BLOB,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Browsers that are signed in: by an account or by a token of the office.
CREATE TABLE sessions (
    session_hash BLOB NOT NULL PRIMARY KEY,
    account BLOB,
    token_hash BLOB,
    -- The district it looks at.
    district INTEGER,
    created_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_account ON sessions (account);

CREATE TABLE units (
    district INTEGER NOT NULL,
    unit BLOB NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    contact TEXT NOT NULL,
    phone TEXT NOT NULL,
    parent BLOB,
    retired_ms INTEGER,
    PRIMARY KEY (district, unit)
) STRICT, WITHOUT ROWID;
