-- Lists awaiting jobs by id. Primary key.
SELECT id
FROM legwork.waiting
WHERE id > $1
ORDER BY id
LIMIT $2;
