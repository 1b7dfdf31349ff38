-- Takes a ticket away. Primary key.
DELETE FROM legwork_ready
WHERE queue = ?1
    AND suspect = ?2
    AND kind = ?3
    AND priority = ?4
    AND seq = ?5;
