-- Finds the job of an occurrence. Primary key.
SELECT job
FROM legwork_occurrence
WHERE recurring = ?1
    AND at = ?2;
