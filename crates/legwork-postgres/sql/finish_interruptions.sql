-- Counts the interruptions of jobs since they were last requeued. Primary key of outcome.
SELECT u.id, count(*)
FROM (SELECT DISTINCT id FROM unnest($1) AS v (id)) AS u
    JOIN legwork.outcome AS o ON o.id = u.id AND o.result = 7
WHERE o.run > (
    SELECT coalesce(max(p.run), 0)
    FROM legwork.outcome AS p
    WHERE p.id = u.id
        AND p.result < 0)
GROUP BY u.id;
