-- Reads the age of the first ticket of each group of a queue; groups are few. Primary key.
SELECT coalesce(r.entered_at, j.created_at)
FROM legwork_ready AS r
    LEFT JOIN legwork_job AS j ON j.id = r.first
WHERE r.queue = ?1
    AND r.suspect = ?2
    AND r.kind = ?3
ORDER BY r.priority, r.seq
LIMIT 1;
