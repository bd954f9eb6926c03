-- +goose Up

-- Times are Unix milliseconds; 0 means never.
CREATE TABLE node_tokens (
    id          TEXT    NOT NULL PRIMARY KEY,
    secret_hash BLOB    NOT NULL, -- SHA-256 of the secret
    name        TEXT    NOT NULL, -- of the node
    targets     TEXT    NOT NULL, -- of the node, sorted, separated by commas
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    revoked_ms  INTEGER NOT NULL DEFAULT 0,
    used_ms     INTEGER NOT NULL DEFAULT 0, -- when the node joined
    key_hash    BLOB    NOT NULL            -- SHA-256 of the public key it joined with; empty while unused
) STRICT, WITHOUT ROWID;

CREATE INDEX node_tokens_by_time ON node_tokens (created_ms DESC, id DESC);
CREATE INDEX node_tokens_by_name ON node_tokens (name, used_ms DESC, id DESC);

-- +goose Down
DROP TABLE node_tokens;
