-- Removes jobs; yields the options of those that may have labels. Primary key.
WITH removed AS (
    DELETE FROM legwork.job
    WHERE id = ANY ($1)
    RETURNING id, options
)
SELECT id, options
FROM removed
WHERE strpos(options, '"tags"') > 0;
