-- Gives numbers to the kind names that have none.
INSERT INTO legwork.kind (name)
SELECT n.name
FROM unnest($1) AS n (name)
WHERE NOT EXISTS (SELECT 1 FROM legwork.kind AS k WHERE k.name = n.name)
ON CONFLICT (name) DO NOTHING;
