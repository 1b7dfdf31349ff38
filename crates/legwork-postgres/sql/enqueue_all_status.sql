-- Tells what has become of transactions: in progress, committed or aborted.
SELECT u.number, pg_xact_status(u.number::xid8)
FROM unnest($1) AS u (number);
