-- Lists awaiting jobs by id. Primary key.
SELECT id
FROM legwork_waiting
WHERE id > ?1
ORDER BY id
LIMIT ?2;
