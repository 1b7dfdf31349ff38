-- Counts parents off. Primary key.
UPDATE legwork.waiting AS w
SET open = u.open
FROM unnest($1, $2) AS u (id, open)
WHERE w.id = u.id;
