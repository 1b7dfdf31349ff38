-- Removes a label of a job. Primary key.
DELETE FROM legwork_tag
WHERE tag = ?1
    AND id = ?2;
