-- Removes labels of jobs. Primary key.
DELETE FROM legwork.tag AS t
USING unnest($1, $2) AS u (tag, id)
WHERE t.tag = u.tag
    AND t.id = u.id;
