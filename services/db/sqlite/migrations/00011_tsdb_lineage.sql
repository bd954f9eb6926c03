-- +goose Up

-- The last cuts of each partition, to tell them from others that had their number
-- before the database went back in time. Cuts from before this table have no row.
CREATE TABLE tsdb_lineage (
    partition INTEGER NOT NULL,
    cut       INTEGER NOT NULL,
    id        INTEGER NOT NULL,
    PRIMARY KEY (partition, cut)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE tsdb_lineage;
