-- Lists the recurring jobs by id. Primary key.
SELECT spec, since, last_at, next_at, last_job, revision
FROM legwork.recurring
ORDER BY id;
