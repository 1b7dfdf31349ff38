-- Ties continuations to their parents.
INSERT INTO legwork.dependency (parent, child, condition, open, place)
SELECT u.parent, u.child, u.condition, u.open, u.place
FROM unnest($1, $2, $3, $4, $5) AS u (parent, child, condition, open, place);
