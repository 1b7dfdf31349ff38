-- Gives numbers to the queue names that have none.
INSERT INTO legwork.queue (name)
SELECT n.name
FROM unnest($1) AS n (name)
WHERE NOT EXISTS (SELECT 1 FROM legwork.queue AS k WHERE k.name = n.name)
ON CONFLICT (name) DO NOTHING;
