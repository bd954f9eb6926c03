-- What to ask PostgreSQL regularly, as the role esmon_monitor, with thresholds. Each
-- query returns a row only while there is something to do; why is in
-- docs/monitoring-the-platform.md. Run all of them on the database esmon:
--   psql -X -A -F ' | ' -f postgresql.sql 'postgres://esmon_monitor@mon1.example.com/esmon'

-- connections: 80 % of what the server allows
SELECT 'connections' AS problem, used, allowed FROM
    (SELECT count(*) AS used, current_setting('max_connections')::int AS allowed FROM pg_stat_activity WHERE backend_type = 'client backend') c
WHERE used > 0.8 * allowed;

-- long transactions: they keep dead rows from being removed, and dropped blocks' space
SELECT 'long transaction' AS problem, pid, usename, application_name, state, now() - xact_start AS age
FROM pg_stat_activity WHERE datname = 'esmon' AND xact_start < now() - interval '10 minutes';

-- waits for locks: another process, or a person with psql, holds a table
SELECT 'blocked' AS problem, pid, pg_blocking_pids(pid) AS by_pids, now() - state_change AS since
FROM pg_stat_activity WHERE datname = 'esmon' AND cardinality(pg_blocking_pids(pid)) > 0 AND state_change < now() - interval '30 seconds';

-- standbys: how far behind, on the primary
SELECT 'standby lags' AS problem, application_name, state, replay_lag, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) AS bytes
FROM pg_stat_replication WHERE NOT pg_is_in_recovery() AND (state <> 'streaming' OR replay_lag > interval '1 minute');

-- no standby at all, on the primary
SELECT 'no standby' AS problem
WHERE NOT pg_is_in_recovery() AND NOT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming');

-- replication slots: an inactive one keeps WAL until the disk is full
SELECT 'slot keeps WAL' AS problem, slot_name, active, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) AS bytes
FROM pg_replication_slots WHERE NOT pg_is_in_recovery() AND (NOT active OR wal_status <> 'reserved');

-- the archive: nothing can be restored past its last file
SELECT 'archive fails' AS problem, failed_count, last_failed_wal, last_failed_time
FROM pg_stat_archiver WHERE last_failed_time > coalesce(last_archived_time, '-infinity');

-- wraparound: far below the two billion at which the server stops taking writes
SELECT 'freeze' AS problem, datname, age(datfrozenxid) FROM pg_database WHERE age(datfrozenxid) > 1000000000;

-- checkpoints forced by too little max_wal_size: more than half of all
SELECT current_setting('server_version_num')::int >= 170000 AS has_checkpointer \gset
\if :has_checkpointer
SELECT 'forced checkpoints' AS problem, num_requested AS forced, num_timed AS timed FROM pg_stat_checkpointer WHERE num_requested > 100 AND num_requested > num_timed;
\else
SELECT 'forced checkpoints' AS problem, checkpoints_req AS forced, checkpoints_timed AS timed FROM pg_stat_bgwriter WHERE checkpoints_req > 100 AND checkpoints_req > checkpoints_timed;
\endif

-- temporary files: work_mem is too small for something, or a disk is misused
SELECT 'temporary files' AS problem, temp_files, pg_size_pretty(temp_bytes) FROM pg_stat_database WHERE datname = 'esmon' AND temp_bytes > 10737418240;

-- deadlocks, checksum failures
SELECT 'deadlocks or damage' AS problem, deadlocks, checksum_failures, checksum_last_failure
FROM pg_stat_database WHERE datname = 'esmon' AND (deadlocks > 0 OR coalesce(checksum_failures, 0) > 0);
