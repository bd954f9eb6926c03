-- +goose Up

-- Times are Unix milliseconds where nothing else is said. Chunks lie in tables of
-- their own, made and dropped with their block: see chunks.go.
CREATE TABLE tsdb_partitions (
    partition   integer NOT NULL PRIMARY KEY,
    log_id      text    COLLATE "C" NOT NULL,
    next_offset bigint  NOT NULL, -- everything before it is stored
    cut         bigint  NOT NULL, -- number of the last cut
    max_time    bigint  NOT NULL  -- newest timestamp of all chunks; the lowest number there is = none
);

-- Definitions are bytea, which takes every label and help text there is; text
-- would refuse some. Now and then most of their rows are updated at once, in place
-- if a page has room.
CREATE TABLE tsdb_schemas (
    id         bytea  NOT NULL PRIMARY KEY,
    definition bytea  NOT NULL,
    seen       bigint NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE tsdb_entities (
    id         bytea  NOT NULL PRIMARY KEY,
    definition bytea  NOT NULL,
    seen       bigint NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE tsdb_pairs (
    partition  integer NOT NULL,
    id         bigint  NOT NULL,
    entity     bytea   NOT NULL,
    schema     bytea   NOT NULL,
    first_time bigint  NOT NULL,
    last_time  bigint  NOT NULL,
    present    bytea   NOT NULL, -- columns that ever had a value: 64 bits a word, little-endian
    PRIMARY KEY (partition, id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- Every table of chunks that there is, by a number that none had before.
CREATE TABLE tsdb_tables (
    number    bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition integer     NOT NULL,
    block     bigint      NOT NULL,
    merged    boolean     NOT NULL, -- of merged chunks, else of cuts
    unused    boolean     NOT NULL, -- made, and not yet referred to by tsdb_blocks or tsdb_cuts
    retired   timestamptz           -- since when nothing refers to it any more; queries may still read it
);

-- At most one table waits for the next cut of a block.
CREATE UNIQUE INDEX tsdb_tables_waiting ON tsdb_tables (partition, block) WHERE unused AND NOT merged AND retired IS NULL;

CREATE TABLE tsdb_blocks (
    partition     integer NOT NULL,
    block         bigint  NOT NULL, -- its first millisecond
    cuts          bigint  NOT NULL, -- how many it ever got
    small         bigint  NOT NULL, -- number of the table that cuts go to; 0 = the next one takes a new one
    merging       bigint  NOT NULL, -- number of the table that the last merge to begin writes; 0 = none
    merged        bigint  NOT NULL, -- number of the table of merged chunks; 0 = none
    merged_chunks bigint  NOT NULL,
    merged_bytes  bigint  NOT NULL,
    PRIMARY KEY (partition, block)
);

-- The cuts whose chunks are not merged.
CREATE TABLE tsdb_cuts (
    partition integer NOT NULL,
    block     bigint  NOT NULL,
    cut       bigint  NOT NULL,
    nth       bigint  NOT NULL, -- of all cuts that the block got
    small     bigint  NOT NULL, -- number of the table its chunks are in
    chunks    bigint  NOT NULL,
    bytes     bigint  NOT NULL,
    min_time  bigint  NOT NULL,
    max_time  bigint  NOT NULL,
    PRIMARY KEY (partition, block, cut)
);

CREATE TABLE tsdb_rejected (
    id         bigint  NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition  integer NOT NULL,
    log_offset bigint  NOT NULL,
    frame      bigint  NOT NULL,
    reason     text    COLLATE "C" NOT NULL,
    message    text    NOT NULL,
    entity     bytea   NOT NULL,
    schema     bytea   NOT NULL,
    time       bigint  NOT NULL,
    at         bigint  NOT NULL
);

-- +goose Down
DROP TABLE tsdb_rejected;
DROP TABLE tsdb_cuts;
DROP TABLE tsdb_blocks;
DROP TABLE tsdb_tables;
DROP TABLE tsdb_pairs;
DROP TABLE tsdb_entities;
DROP TABLE tsdb_schemas;
DROP TABLE tsdb_partitions;
