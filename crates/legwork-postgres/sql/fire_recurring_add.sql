-- Remembers occurrences.
INSERT INTO legwork.occurrence (recurring, at, job)
SELECT $1, u.at, u.job
FROM unnest($2, $3) AS u (at, job);
