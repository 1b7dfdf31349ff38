-- Reads when the oldest of the first tickets of a group was stored. Primary keys.
SELECT min(j.created_at)
FROM (
        SELECT first
        FROM legwork_ready
        WHERE queue = ?1
            AND suspect = ?2
            AND kind = ?3
        ORDER BY priority, seq
        LIMIT 200) AS r
    JOIN legwork_job AS j ON j.id = r.first;
