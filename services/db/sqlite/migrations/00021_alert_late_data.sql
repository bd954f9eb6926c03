-- +goose Up

-- Data that came after rules were evaluated without it, until their history is
-- corrected by it: that of an agent, '' for whoever it be, for a rule group, '' for all.
CREATE TABLE alert_late_data (
    seq        INTEGER NOT NULL PRIMARY KEY,
    rule_group TEXT    NOT NULL,
    agent      TEXT    NOT NULL,
    from_ms    INTEGER NOT NULL,
    to_ms      INTEGER NOT NULL
) STRICT;

-- +goose Down
DROP TABLE alert_late_data;
