-- Keeps the results of jobs. Primary key.
INSERT INTO legwork.result (id, json)
SELECT u.id, u.json
FROM unnest($1, $2) AS u (id, json)
ON CONFLICT (id) DO UPDATE SET json = excluded.json;
