-- +goose Up

-- Times are Unix milliseconds. Chunks lie in tables of their own, made and
-- dropped with their block: see chunks.go.
CREATE TABLE tsdb_partitions (
    partition   INTEGER NOT NULL PRIMARY KEY,
    log_id      TEXT    NOT NULL,
    next_offset INTEGER NOT NULL, -- everything before it is stored
    cut         INTEGER NOT NULL, -- number of the last cut
    max_time    INTEGER NOT NULL  -- newest timestamp of all chunks; the lowest number there is = none
) STRICT;

CREATE TABLE tsdb_schemas (
    id         BLOB    NOT NULL PRIMARY KEY,
    definition BLOB    NOT NULL,
    seen       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tsdb_entities (
    id         BLOB    NOT NULL PRIMARY KEY,
    definition BLOB    NOT NULL,
    seen       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tsdb_pairs (
    partition  INTEGER NOT NULL,
    id         INTEGER NOT NULL,
    entity     BLOB    NOT NULL,
    schema     BLOB    NOT NULL,
    first_time INTEGER NOT NULL,
    last_time  INTEGER NOT NULL,
    present    BLOB    NOT NULL, -- columns that ever had a value: 64 bits a word, little-endian
    PRIMARY KEY (partition, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tsdb_blocks (
    partition     INTEGER NOT NULL,
    block         INTEGER NOT NULL, -- its first millisecond
    cuts          INTEGER NOT NULL, -- how many it ever got
    small         INTEGER NOT NULL, -- number of the table that cuts go to
    merged        INTEGER NOT NULL, -- number of the table of merged chunks; 0 = none
    merged_chunks INTEGER NOT NULL,
    merged_bytes  INTEGER NOT NULL,
    PRIMARY KEY (partition, block)
) STRICT, WITHOUT ROWID;

-- The cuts whose chunks are not merged.
CREATE TABLE tsdb_cuts (
    partition INTEGER NOT NULL,
    block     INTEGER NOT NULL,
    cut       INTEGER NOT NULL,
    nth       INTEGER NOT NULL, -- of all cuts that the block got
    small     INTEGER NOT NULL, -- number of the table its chunks are in
    chunks    INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    min_time  INTEGER NOT NULL,
    max_time  INTEGER NOT NULL,
    PRIMARY KEY (partition, block, cut)
) STRICT, WITHOUT ROWID;

-- Tables that merges replaced and that queries may still read.
CREATE TABLE tsdb_retired (
    name  TEXT    NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tsdb_rejected (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    partition  INTEGER NOT NULL,
    log_offset INTEGER NOT NULL,
    frame      INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    entity     BLOB    NOT NULL,
    schema     BLOB    NOT NULL,
    time       INTEGER NOT NULL,
    at         INTEGER NOT NULL
) STRICT;

-- +goose Down
DROP TABLE tsdb_rejected;
DROP TABLE tsdb_retired;
DROP TABLE tsdb_cuts;
DROP TABLE tsdb_blocks;
DROP TABLE tsdb_pairs;
DROP TABLE tsdb_entities;
DROP TABLE tsdb_schemas;
DROP TABLE tsdb_partitions;
