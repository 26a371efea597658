-- Who may sign in, as whom, with what. Accounts, their links and sessions are of the deployment, not of a district: an
-- account may be a person in several.
ALTER TABLE persons ADD COLUMN unit UUID;
ALTER TABLE devices ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN unit UUID;
CREATE INDEX records_by_unit ON records (district, unit) WHERE unit IS NOT NULL;

-- Tokens of the office for programs.
ALTER TABLE tokens ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT 'read export write admin';
ALTER TABLE tokens ADD COLUMN expires_ms BIGINT;
ALTER TABLE tokens ADD COLUMN used_ms BIGINT;

CREATE TABLE accounts (
    account UUID NOT NULL PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- Argon2id, as a PHC text; absent until its link is used.
    password TEXT,
    password_ms BIGINT,
    -- Passwords before it, the last first, a line each.
    history TEXT NOT NULL,
    disabled_ms BIGINT,
    created_ms BIGINT NOT NULL
);

-- Which person an account is in a district.
CREATE TABLE memberships (
    district BIGINT NOT NULL,
    account UUID NOT NULL,
    person UUID NOT NULL,
    PRIMARY KEY (district, account)
);
CREATE UNIQUE INDEX memberships_by_person ON memberships (district, person);
CREATE INDEX memberships_by_account ON memberships (account);

-- A province sees its districts.
CREATE TABLE provinces (
    district BIGINT NOT NULL,
    province TEXT NOT NULL,
    PRIMARY KEY (district, province)
);
CREATE TABLE province_members (
    province TEXT NOT NULL,
    account UUID NOT NULL,
    PRIMARY KEY (province, account)
);

-- Wrong passwords by login (its hash), whether there is such an account or not.
CREATE TABLE sign_in_failures (
    login_hash BYTEA NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_ms BIGINT NOT NULL
);

-- One-time links: for an account, or for a person of a district who gets one by it.
CREATE TABLE links (
    link_hash BYTEA NOT NULL PRIMARY KEY,
    account UUID,
    district BIGINT,
    person UUID,
    expires_ms BIGINT NOT NULL
);

-- Browsers that are signed in: by an account or by a token of the office.
CREATE TABLE sessions (
    session_hash BYTEA NOT NULL PRIMARY KEY,
    account UUID,
    token_hash BYTEA,
    -- The district it looks at.
    district BIGINT,
    created_ms BIGINT NOT NULL,
    used_ms BIGINT NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account);

CREATE TABLE units (
    district BIGINT NOT NULL,
    unit UUID NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    contact TEXT NOT NULL,
    phone TEXT NOT NULL,
    parent UUID,
    retired_ms BIGINT,
    PRIMARY KEY (district, unit)
);
