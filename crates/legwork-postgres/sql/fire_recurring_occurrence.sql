-- Lists which occurrences were enqueued before. Primary key.
SELECT at
FROM legwork.occurrence
WHERE recurring = $1
    AND at = ANY ($2);
