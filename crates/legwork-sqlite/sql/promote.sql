-- Lists what is due, earliest first. Primary key of due and of job.
SELECT d.run_at, d.id, d.run, d.failures, d.losses, j.queue, j.kind, j.priority
FROM legwork_due AS d
    LEFT JOIN legwork_job AS j ON j.id = d.id
WHERE d.run_at <= ?1
ORDER BY d.run_at, d.id
LIMIT ?2;
