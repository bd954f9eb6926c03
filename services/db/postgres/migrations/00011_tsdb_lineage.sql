-- +goose Up

-- The last cuts of each partition, to tell them from others that had their number
-- before the database went back in time. Cuts from before this table have no row.
CREATE TABLE tsdb_lineage (
    partition integer NOT NULL,
    cut       bigint  NOT NULL,
    id        bigint  NOT NULL,
    PRIMARY KEY (partition, cut)
);

-- +goose Down
DROP TABLE tsdb_lineage;
