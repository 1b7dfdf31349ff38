-- Labels jobs. Primary key.
INSERT INTO legwork.tag (tag, id)
SELECT u.tag, u.id
FROM unnest($1, $2) AS u (tag, id)
ON CONFLICT DO NOTHING;
