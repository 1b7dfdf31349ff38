-- Forgets the oldest occurrences of a recurring job. Primary key.
DELETE FROM legwork.occurrence
WHERE recurring = $1
    AND at < $2;
