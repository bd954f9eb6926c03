-- +goose Up

-- Times are Unix milliseconds; 0 means never.
CREATE TABLE tokens (
    id          TEXT    NOT NULL PRIMARY KEY,
    secret_hash BLOB    NOT NULL, -- SHA-256 of the secret
    description TEXT    NOT NULL,
    uses        INTEGER NOT NULL, -- how many agents may enrol in all
    used        INTEGER NOT NULL DEFAULT 0 CHECK (used <= uses),
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    revoked_ms  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_time ON tokens (created_ms DESC, id DESC);

CREATE TABLE agents (
    id                 TEXT    NOT NULL PRIMARY KEY,
    host_name          TEXT    NOT NULL,
    host_id            TEXT    NOT NULL,
    os_type            TEXT    NOT NULL,
    os_description     TEXT    NOT NULL,
    arch               TEXT    NOT NULL,
    agent_version      TEXT    NOT NULL,
    tags               TEXT    NOT NULL, -- JSON object of strings
    targets            TEXT    NOT NULL, -- JSON array of strings
    token_id           TEXT    NOT NULL, -- the token it enrolled with
    key_hash           BLOB    NOT NULL, -- SHA-256 of the public key it enrolled with
    enrolled_ms        INTEGER NOT NULL,
    revoked_ms         INTEGER NOT NULL DEFAULT 0,
    cloned_ms          INTEGER NOT NULL DEFAULT 0, -- when a copy of the identity was last seen
    certificate_end_ms INTEGER NOT NULL,
    connect_counter    INTEGER NOT NULL DEFAULT 0,
    confirmed_counter  INTEGER NOT NULL DEFAULT 0, -- the highest that the agent is known to have stored
    connected_ms       INTEGER NOT NULL DEFAULT 0, -- when that counter was issued
    last_ack_ms        INTEGER NOT NULL DEFAULT 0,
    skew_ms            INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX agents_by_key ON agents (token_id, key_hash);
CREATE INDEX agents_by_host ON agents (host_name, id);
CREATE INDEX agents_by_end ON agents (certificate_end_ms);

-- +goose Down
DROP TABLE agents;
DROP TABLE tokens;
