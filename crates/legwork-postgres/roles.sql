-- Roles with no more rights than their work needs. Run it with psql as a role that may create roles
-- (a superuser, or CREATEROLE and the owner of the database):
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f roles.sql
--
-- once before the first migration, which makes the schema and its owner, and again after each
-- migration, which gives the rights on what is new. Repeating it does no harm. Variables:
--
--     -v schema=…   the schema of Legwork's tables, as in the URL; legwork
--     -v prefix=…   what the names of the roles begin with; legwork
--
-- The roles cannot log in. Give them to those that do:
--
--     GRANT legwork_worker TO my_app;
--     GRANT legwork_owner TO my_deploy;
--     ALTER ROLE my_deploy SET role = legwork_owner;   -- so that what it makes is the owner's
--
--     role                    for
--     legwork_owner           migrations: owns everything. The only one that may change tables.
--     legwork_worker          processes that work jobs; they also enqueue, and serve a dashboard
--     legwork_producer        processes that only enqueue: from SQL with legwork.enqueue(…), from
--                             Rust with a client. They cannot read arguments, results or errors.
--     legwork_dashboard_ro    a dashboard that only shows
--     legwork_dashboard_op    a dashboard that also cancels, requeues, deletes, pauses and resumes,
--                             and changes recurring jobs
--
-- All but the owner connect without migration, or after it: where nothing is to be migrated,
-- connecting changes nothing. For SQL alone, EXECUTE on legwork.enqueue is all that is needed: it
-- checks what it stores, and runs with the rights of the owner.

\if :{?schema}
\else
    \set schema legwork
\endif
\if :{?prefix}
\else
    \set prefix legwork
\endif
\set owner :prefix _owner
\set worker :prefix _worker
\set producer :prefix _producer
\set dashboard_ro :prefix _dashboard_ro
\set dashboard_op :prefix _dashboard_op

BEGIN;

-- Two operators at once would meet at the names of the roles.
SELECT pg_advisory_xact_lock(hashtextextended('legwork roles', 0)) \gset ignored_

SELECT format('CREATE ROLE %I NOLOGIN', r.name)
FROM unnest(ARRAY[
    :'owner', :'worker', :'producer', :'dashboard_ro', :'dashboard_op']) AS r (name)
WHERE NOT EXISTS (SELECT 1 FROM pg_roles AS p WHERE p.rolname = r.name) \gexec

-- The owner owns the schema and all that is in it.
SELECT format('CREATE SCHEMA %I', :'schema')
WHERE NOT EXISTS (SELECT 1 FROM pg_namespace AS n WHERE n.nspname = :'schema') \gexec
SELECT format('ALTER SCHEMA %I OWNER TO %I', :'schema', :'owner') \gexec
-- A sequence that belongs to a column follows its table.
SELECT format('ALTER %s %s OWNER TO %I',
    CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass, :'owner')
FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = :'schema'
    AND (c.relkind = 'r' OR c.relkind = 'S' AND NOT EXISTS (
        SELECT 1
        FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')))
\gexec
SELECT format('ALTER FUNCTION %s OWNER TO %I', p.oid::regprocedure, :'owner')
FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = :'schema' \gexec

GRANT USAGE ON SCHEMA :"schema"
    TO :"worker", :"producer", :"dashboard_ro", :"dashboard_op";

SELECT EXISTS (
    SELECT 1
    FROM pg_tables AS t
    WHERE t.schemaname = :'schema' AND t.tablename = 'migration') AS migrated \gset
\if :migrated

-- Nothing that an older version of this file gave stays by accident.
REVOKE ALL ON ALL TABLES IN SCHEMA :"schema"
    FROM :"worker", :"producer", :"dashboard_ro", :"dashboard_op";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA :"schema"
    FROM :"worker", :"producer", :"dashboard_ro", :"dashboard_op";
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA :"schema"
    FROM :"worker", :"producer", :"dashboard_ro", :"dashboard_op";

-- Which version is there, and whether two databases are one: whoever connects asks.
GRANT SELECT ON :"schema".migration, :"schema".installation
    TO :"worker", :"producer", :"dashboard_ro", :"dashboard_op";

-- Worker: every row but those that never change. To lock a job takes a right to UPDATE it; that on
-- the id is the least.
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"worker";
GRANT INSERT ON :"schema".queue, :"schema".kind TO :"worker";
GRANT INSERT, UPDATE (id), DELETE ON :"schema".job TO :"worker";
GRANT INSERT, UPDATE, DELETE ON
    :"schema".ready, :"schema".due, :"schema".waiting, :"schema".dependency, :"schema".lease,
    :"schema".outcome, :"schema".event, :"schema".cancel, :"schema".recurring,
    :"schema".occurrence, :"schema".pause, :"schema".result, :"schema".progress, :"schema".tag,
    :"schema".stat TO :"worker";
GRANT INSERT, UPDATE ON :"schema".server TO :"worker";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA :"schema" TO :"worker";

-- Producer: adds jobs and their markers. Of what is stored it sees numbers and names. The ends of
-- parents decide about their continuations as these are stored.
GRANT SELECT, INSERT ON :"schema".queue, :"schema".kind TO :"producer";
GRANT SELECT (id, queue, kind, priority), INSERT, UPDATE (id) ON :"schema".job TO :"producer";
GRANT INSERT ON
    :"schema".ready, :"schema".due, :"schema".event, :"schema".stat TO :"producer";
GRANT SELECT, INSERT ON :"schema".tag TO :"producer";
GRANT SELECT, INSERT, UPDATE, DELETE ON :"schema".waiting TO :"producer";
GRANT SELECT, INSERT, UPDATE ON :"schema".dependency TO :"producer";
GRANT SELECT (id, run, result), INSERT ON :"schema".outcome TO :"producer";
GRANT USAGE, SELECT ON SEQUENCE :"schema".number TO :"producer";

-- Dashboards see everything.
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"dashboard_ro", :"dashboard_op";

-- The operator's moves jobs from place to place and may remove them. Leases are the servers': it
-- strikes removed jobs from them, but neither grants nor ends one.
GRANT INSERT ON :"schema".queue, :"schema".kind TO :"dashboard_op";
GRANT INSERT, UPDATE (id), DELETE ON :"schema".job TO :"dashboard_op";
GRANT INSERT, UPDATE, DELETE ON
    :"schema".ready, :"schema".due, :"schema".waiting, :"schema".dependency, :"schema".outcome,
    :"schema".recurring, :"schema".pause TO :"dashboard_op";
GRANT UPDATE ON :"schema".lease TO :"dashboard_op";
GRANT INSERT, UPDATE ON :"schema".cancel TO :"dashboard_op";
GRANT INSERT, DELETE ON :"schema".event, :"schema".tag TO :"dashboard_op";
GRANT INSERT ON :"schema".stat TO :"dashboard_op";
GRANT DELETE ON :"schema".result, :"schema".progress TO :"dashboard_op";
GRANT USAGE, SELECT ON SEQUENCE :"schema".number TO :"dashboard_op";

GRANT EXECUTE ON FUNCTION :"schema".enqueue, :"schema".enqueue_all TO :"worker", :"producer";

\else
    \echo :schema has no tables yet: run this file again after the migration
\endif

COMMIT;
