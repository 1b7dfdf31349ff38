-- Counts the interruptions of a job since it was last requeued. Primary key of outcome.
SELECT count(*)
FROM legwork_outcome
WHERE id = ?1
    AND result = 7
    AND run > (SELECT coalesce(max(run), 0) FROM legwork_outcome WHERE id = ?1 AND result < 0);
