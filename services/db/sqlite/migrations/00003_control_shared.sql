-- +goose Up

ALTER TABLE agents ADD COLUMN session TEXT NOT NULL DEFAULT ''; -- the connect that may go on
ALTER TABLE agents ADD COLUMN node TEXT NOT NULL DEFAULT ''; -- where it is open; empty when it was closed
ALTER TABLE agents ADD COLUMN revision INTEGER NOT NULL DEFAULT 0; -- when the row was last changed

CREATE INDEX agents_by_revision ON agents (revision);

-- The revision given last. It is kept beside the agents, as the one that has the
-- highest may be deleted.
CREATE TABLE agents_revision (revision INTEGER NOT NULL) STRICT;
INSERT INTO agents_revision (revision) VALUES (0);

-- Every change gets a revision, but those that happen to every agent every few
-- seconds: confirmed_counter, last_ack_ms and skew_ms.
-- +goose StatementBegin
CREATE TRIGGER agents_inserted AFTER INSERT ON agents BEGIN
    UPDATE agents_revision SET revision = revision + 1;
    UPDATE agents SET revision = (SELECT revision FROM agents_revision) WHERE id = NEW.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER agents_updated AFTER UPDATE OF host_name, host_id, os_type, os_description, arch, agent_version, tags, targets,
    revoked_ms, cloned_ms, certificate_end_ms, connect_counter, connected_ms, session, node ON agents BEGIN
    UPDATE agents_revision SET revision = revision + 1;
    UPDATE agents SET revision = (SELECT revision FROM agents_revision) WHERE id = NEW.id;
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER agents_updated;
DROP TRIGGER agents_inserted;
DROP TABLE agents_revision;
DROP INDEX agents_by_revision;
ALTER TABLE agents DROP COLUMN revision;
ALTER TABLE agents DROP COLUMN node;
ALTER TABLE agents DROP COLUMN session;
