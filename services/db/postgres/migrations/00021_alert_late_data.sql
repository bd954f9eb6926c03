-- +goose Up

-- Data that came after rules were evaluated without it, until their history is
-- corrected by it: that of an agent, '' for whoever it be, for a rule group, '' for all.
CREATE TABLE alert_late_data (
    seq        bigint           NOT NULL PRIMARY KEY,
    rule_group text COLLATE "C" NOT NULL,
    agent      text COLLATE "C" NOT NULL,
    from_ms    bigint           NOT NULL,
    to_ms      bigint           NOT NULL
);

-- +goose Down
DROP TABLE alert_late_data;
