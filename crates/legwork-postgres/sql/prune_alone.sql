-- Tells whether this is the only pruner of the schema until the transaction ends.
SELECT pg_try_advisory_xact_lock(hashtextextended('prune', 'legwork.job'::regclass::oid::int8));
