-- Reads which runs have ended, how, and on which server. Primary key of outcome.
SELECT o.id, o.run, CASE WHEN o.asked = 0 THEN o.result ELSE o.asked END, o.server
FROM unnest($1, $2) AS u (id, run)
    JOIN legwork.outcome AS o ON o.id = u.id AND o.run = u.run;
