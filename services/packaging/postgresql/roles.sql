-- The platform's database and who may do what in it. Run it once, as a superuser:
--   psql -X -v ON_ERROR_STOP=1 -f roles.sql
-- and then give each role that logs in a password:
--   \password esmon_control
--
--   esmon_owner      owns everything; nobody logs in as it
--   esmon_control    brings the schema up to date, at the start of a new version
--   esmon_storage    makes and drops the tables of each two hours
--   esmon_collector  reads and writes rows, and changes no table: agents talk to it
--   esmon_alerting   the same: it reads what is stored, and keeps alerts
--   esmon_dispatch   the same: it keeps what became of notifications
--   esmon_monitor    reads the server's statistics, and none of the platform's rows

CREATE ROLE esmon_owner NOLOGIN;
CREATE ROLE esmon_control LOGIN CONNECTION LIMIT 100 IN ROLE esmon_owner;
CREATE ROLE esmon_storage LOGIN CONNECTION LIMIT 200 IN ROLE esmon_owner;
CREATE ROLE esmon_collector LOGIN CONNECTION LIMIT 200;
CREATE ROLE esmon_alerting LOGIN CONNECTION LIMIT 100;
CREATE ROLE esmon_dispatch LOGIN CONNECTION LIMIT 100;
CREATE ROLE esmon_monitor LOGIN CONNECTION LIMIT 5 IN ROLE pg_monitor;

CREATE DATABASE esmon OWNER esmon_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE esmon FROM PUBLIC;
GRANT CONNECT ON DATABASE esmon TO esmon_control, esmon_storage, esmon_collector, esmon_alerting, esmon_dispatch, esmon_monitor;

-- What either of the two makes belongs to the owner, so that the other can change it.
ALTER ROLE esmon_control IN DATABASE esmon SET role = 'esmon_owner';
ALTER ROLE esmon_storage IN DATABASE esmon SET role = 'esmon_owner';

\connect esmon
ALTER SCHEMA public OWNER TO esmon_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO esmon_collector, esmon_alerting, esmon_dispatch;
ALTER DEFAULT PRIVILEGES FOR ROLE esmon_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO esmon_collector, esmon_alerting, esmon_dispatch;
ALTER DEFAULT PRIVILEGES FOR ROLE esmon_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO esmon_collector, esmon_alerting, esmon_dispatch;
