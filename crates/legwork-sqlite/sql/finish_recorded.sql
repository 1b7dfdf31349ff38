-- Reads how a run was recorded before. Primary key.
SELECT coalesce(asked, result), server
FROM legwork_outcome
WHERE id = ?1
    AND run = ?2;
