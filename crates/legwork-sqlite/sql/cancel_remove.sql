-- Forgets a cancel request. Primary key.
DELETE FROM legwork_cancel
WHERE server = ?1
    AND id = ?2;
