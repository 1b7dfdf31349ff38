-- Marks continuations with the transactions that must be over, or as settled. Primary key.
UPDATE legwork.waiting
SET unsettled = CASE WHEN id = ANY ($1) THEN pg_snapshot_xmax(pg_current_snapshot()) END
WHERE id = ANY ($1 || $2);
