-- Locks continuations that a parent may have missed; tells which are new here, and for which every
-- transaction is over that could have missed them. Index waiting_unsettled.
SELECT id, unsettled = '0'::xid8, unsettled <= pg_snapshot_xmin(pg_current_snapshot())
FROM legwork.waiting
WHERE unsettled IS NOT NULL
    AND id > $1
ORDER BY id
LIMIT $2
FOR UPDATE SKIP LOCKED;
