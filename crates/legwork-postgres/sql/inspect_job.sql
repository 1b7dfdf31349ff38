-- Reads what is written of a job, and its result. Primary keys.
SELECT j.created_at, j.first_state, j.args, j.options, r.json
FROM legwork.job AS j
    LEFT JOIN legwork.result AS r ON r.id = j.id
WHERE j.id = $1;
