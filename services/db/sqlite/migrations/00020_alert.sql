-- +goose Up

-- Times are Unix milliseconds; 0 means never. A doc is JSON of the domain's type, a
-- column beside it what statements look for. No text of a key is longer than 1024
-- bytes, as PostgreSQL needs it. Tables with large rows have a rowid.

-- The process that evaluates the rules. Its epoch is the number it must show to
-- change anything, and counts microseconds of the clock where it can.
CREATE TABLE alert_leader (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch  INTEGER NOT NULL,
    holder TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO alert_leader (id, epoch, holder) VALUES (1, 0, '');

CREATE TABLE alert_progress (
    rule_group   TEXT    NOT NULL PRIMARY KEY,
    evaluated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alert_late (
    rule_group   TEXT    NOT NULL,
    agent        TEXT    NOT NULL,
    evaluated_ms INTEGER NOT NULL,
    PRIMARY KEY (rule_group, agent)
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
    key TEXT    NOT NULL PRIMARY KEY,
    doc TEXT    NOT NULL
) STRICT;

CREATE TABLE alert_groups (
    key TEXT    NOT NULL PRIMARY KEY,
    doc BLOB    NOT NULL
) STRICT;

CREATE TABLE alert_episodes (
    key         TEXT    NOT NULL,
    fired_ms    INTEGER NOT NULL,
    resolved_ms INTEGER NOT NULL,
    rule_id     TEXT    NOT NULL,
    doc         TEXT    NOT NULL,
    PRIMARY KEY (key, fired_ms)
) STRICT;
CREATE INDEX alert_episodes_by_time ON alert_episodes (fired_ms, key);
CREATE INDEX alert_episodes_by_rule ON alert_episodes (rule_id, fired_ms, key);
CREATE INDEX alert_episodes_ended ON alert_episodes (resolved_ms) WHERE resolved_ms > 0;

CREATE TABLE alert_events (
    seq     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    key     TEXT    NOT NULL,
    time_ms INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    doc     TEXT    NOT NULL,
    UNIQUE (key, time_ms, kind)
) STRICT;
CREATE INDEX alert_events_by_time ON alert_events (time_ms);

-- Grows with each change of what people set, and with each alert that waits in
-- alert_external: microseconds of the clock where it can.
CREATE TABLE alert_operator (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO alert_operator (id, version) VALUES (1, 0);

CREATE TABLE alert_silences (
    id     TEXT    NOT NULL PRIMARY KEY,
    end_ms INTEGER NOT NULL,
    doc    TEXT    NOT NULL
) STRICT;

CREATE TABLE alert_acks (
    key TEXT    NOT NULL PRIMARY KEY,
    doc TEXT    NOT NULL
) STRICT;

CREATE TABLE alert_overrides (
    calendar TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    end_ms   INTEGER NOT NULL,
    doc      TEXT    NOT NULL,
    PRIMARY KEY (calendar, id)
) STRICT;

-- Alerts from outside that wait to be taken up.
CREATE TABLE alert_external (
    key   TEXT    NOT NULL PRIMARY KEY,
    token INTEGER NOT NULL UNIQUE, -- another one each time it is put
    doc   TEXT    NOT NULL
) STRICT;

-- The outbox, and what became of what was in it.
CREATE TABLE alert_notifications (
    seq              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id               TEXT    NOT NULL UNIQUE,
    receiver         TEXT    NOT NULL,
    thread           TEXT    NOT NULL, -- its order: those of one receiver and thread go one after the other
    state            TEXT    NOT NULL,
    published        INTEGER NOT NULL, -- the queue has it
    claimed_by       TEXT    NOT NULL, -- who delivers it
    claimed_until_ms INTEGER NOT NULL, -- until when nobody else does
    created_ms       INTEGER NOT NULL,
    next_ms          INTEGER NOT NULL, -- not tried before
    finished_ms      INTEGER NOT NULL,
    tries            INTEGER NOT NULL,
    doc              TEXT    NOT NULL, -- title, keys and number of alerts
    attempts         TEXT    NOT NULL, -- the last ones, JSON
    payload          BLOB    NOT NULL
) STRICT;
CREATE INDEX alert_notifications_waiting ON alert_notifications (receiver, thread, seq) WHERE state = 'waiting';
CREATE INDEX alert_notifications_unpublished ON alert_notifications (seq) WHERE state = 'waiting' AND published = 0;
CREATE INDEX alert_notifications_by_receiver ON alert_notifications (receiver, seq);
CREATE INDEX alert_notifications_by_state ON alert_notifications (state, seq);
CREATE INDEX alert_notifications_counted ON alert_notifications (receiver, state, finished_ms);
CREATE INDEX alert_notifications_finished ON alert_notifications (finished_ms) WHERE finished_ms > 0;

-- Which notifications an alert is in.
CREATE TABLE alert_notification_keys (
    key TEXT    NOT NULL,
    seq INTEGER NOT NULL REFERENCES alert_notifications (seq) ON DELETE CASCADE,
    PRIMARY KEY (key, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_notification_keys_by_seq ON alert_notification_keys (seq);

-- Messages for workers. One that has no due time is given out by its place; one that
-- has waits until then: to be tried again, or for the answer of who took it.
CREATE TABLE queue_messages (
    queue  TEXT    NOT NULL,
    id     TEXT    NOT NULL,
    place  INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    claim  INTEGER NOT NULL, -- of who took it; 0 = nobody
    again  INTEGER NOT NULL, -- it was put again since it was taken
    tries  INTEGER NOT NULL,
    body   BLOB    NOT NULL,
    PRIMARY KEY (queue, id)
) STRICT;
CREATE INDEX queue_messages_ready ON queue_messages (queue, place) WHERE due_ms = 0;
CREATE INDEX queue_messages_due ON queue_messages (queue, due_ms) WHERE due_ms > 0;

CREATE TABLE queue_dead (
    seq    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    queue  TEXT    NOT NULL,
    id     TEXT    NOT NULL,
    body   BLOB    NOT NULL,
    reason TEXT    NOT NULL
) STRICT;
CREATE INDEX queue_dead_by_queue ON queue_dead (queue, seq);

-- +goose Down
DROP TABLE queue_dead;
DROP TABLE queue_messages;
DROP TABLE alert_notification_keys;
DROP TABLE alert_notifications;
DROP TABLE alert_external;
DROP TABLE alert_overrides;
DROP TABLE alert_acks;
DROP TABLE alert_silences;
DROP TABLE alert_operator;
DROP TABLE alert_events;
DROP TABLE alert_episodes;
DROP TABLE alert_groups;
DROP TABLE alerts;
DROP TABLE alert_late;
DROP TABLE alert_progress;
DROP TABLE alert_leader;
