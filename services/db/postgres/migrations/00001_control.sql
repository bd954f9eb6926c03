-- +goose Up

-- Times are Unix milliseconds; 0 means never.
CREATE TABLE tokens (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    secret_hash bytea            NOT NULL, -- SHA-256 of the secret
    description text COLLATE "C" NOT NULL,
    uses        bigint           NOT NULL, -- how many agents may enrol in all
    used        bigint           NOT NULL DEFAULT 0 CHECK (used <= uses),
    created_ms  bigint           NOT NULL,
    expires_ms  bigint           NOT NULL,
    revoked_ms  bigint           NOT NULL DEFAULT 0
);

CREATE INDEX tokens_by_time ON tokens (created_ms DESC, id DESC);

-- Each agent's row is written every few seconds: with space left in its page the
-- indexes need not be.
CREATE TABLE agents (
    id                 text COLLATE "C" NOT NULL PRIMARY KEY,
    host_name          text COLLATE "C" NOT NULL,
    host_id            text COLLATE "C" NOT NULL,
    os_type            text COLLATE "C" NOT NULL,
    os_description     text COLLATE "C" NOT NULL,
    arch               text COLLATE "C" NOT NULL,
    agent_version      text COLLATE "C" NOT NULL,
    tags               text COLLATE "C" NOT NULL, -- JSON object of strings
    targets            text COLLATE "C" NOT NULL, -- JSON array of strings
    token_id           text COLLATE "C" NOT NULL, -- the token it enrolled with
    key_hash           bytea            NOT NULL, -- SHA-256 of the public key it enrolled with
    enrolled_ms        bigint           NOT NULL,
    revoked_ms         bigint           NOT NULL DEFAULT 0,
    cloned_ms          bigint           NOT NULL DEFAULT 0, -- when a copy of the identity was last seen
    certificate_end_ms bigint           NOT NULL,
    connect_counter    bigint           NOT NULL DEFAULT 0,
    confirmed_counter  bigint           NOT NULL DEFAULT 0, -- the highest that the agent is known to have stored
    connected_ms       bigint           NOT NULL DEFAULT 0, -- when that counter was issued
    last_ack_ms        bigint           NOT NULL DEFAULT 0,
    skew_ms            bigint           NOT NULL DEFAULT 0,
    session            text COLLATE "C" NOT NULL DEFAULT '', -- the connect that may go on
    node               text COLLATE "C" NOT NULL DEFAULT '', -- where it is open; empty when it was closed
    revision           xid8             NOT NULL -- the transaction that last changed the row
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX agents_by_key ON agents (token_id, key_hash);
CREATE INDEX agents_by_host ON agents (host_name, id);
CREATE INDEX agents_by_end ON agents (certificate_end_ms);
CREATE INDEX agents_by_revision ON agents (revision, id);

-- +goose StatementBegin
CREATE FUNCTION agents_set_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := pg_current_xact_id();
    RETURN NEW;
END
$$;
-- +goose StatementEnd

-- Every change gets a revision, but those that happen to every agent every few
-- seconds: confirmed_counter, last_ack_ms and skew_ms.
CREATE TRIGGER agents_inserted BEFORE INSERT ON agents FOR EACH ROW EXECUTE FUNCTION agents_set_revision();
CREATE TRIGGER agents_updated BEFORE UPDATE OF host_name, host_id, os_type, os_description, arch, agent_version, tags, targets,
    revoked_ms, cloned_ms, certificate_end_ms, connect_counter, connected_ms, session, node ON agents
    FOR EACH ROW EXECUTE FUNCTION agents_set_revision();

-- +goose Down
DROP TABLE agents;
DROP FUNCTION agents_set_revision();
DROP TABLE tokens;
