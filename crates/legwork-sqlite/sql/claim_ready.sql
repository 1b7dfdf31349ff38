-- Reads the next tickets of one kind in their order. Primary key.
SELECT priority, seq, first, n, run, failures, losses, entered_at
FROM legwork_ready
WHERE queue = ?1
    AND suspect = ?2
    AND kind = ?3
    AND (priority, seq) > (?4, ?5)
ORDER BY priority, seq
LIMIT ?6;
