-- +goose Up

-- Times are Unix milliseconds; 0 means never.
CREATE TABLE node_tokens (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    secret_hash bytea            NOT NULL, -- SHA-256 of the secret
    name        text COLLATE "C" NOT NULL, -- of the node
    targets     text COLLATE "C" NOT NULL, -- of the node, sorted, separated by commas
    created_ms  bigint           NOT NULL,
    expires_ms  bigint           NOT NULL,
    revoked_ms  bigint           NOT NULL DEFAULT 0,
    used_ms     bigint           NOT NULL DEFAULT 0, -- when the node joined
    key_hash    bytea            NOT NULL            -- SHA-256 of the public key it joined with; empty while unused
);

CREATE INDEX node_tokens_by_time ON node_tokens (created_ms DESC, id DESC);
CREATE INDEX node_tokens_by_name ON node_tokens (name, used_ms DESC, id DESC);

-- +goose Down
DROP TABLE node_tokens;
