-- +goose Up

-- Who does what only one should do at a time, and until when: Unix milliseconds
-- of the database's clock.
CREATE TABLE leases (
    name   text COLLATE "C" NOT NULL PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    end_ms bigint           NOT NULL
);

-- +goose Down
DROP TABLE leases;
