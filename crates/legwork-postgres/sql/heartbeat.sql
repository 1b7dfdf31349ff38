-- Moves the beat of a live server on, forgets the cancel requests for its runs that have ended or
-- are gone, and reads what it must know. Unique index on incarnation, primary keys, lease_server.
WITH live AS (
    UPDATE legwork.server
    SET beat = beat + 1,
        beat_at = coalesce($2, now())
    WHERE incarnation = $1
        AND gone_at IS NULL
    RETURNING id
), asked AS MATERIALIZED (
    SELECT c.server, c.id, c.run, c.actor,
        o.run IS NOT NULL OR j.id IS NULL AS ended
    FROM live
        JOIN legwork.cancel AS c ON c.server = live.id
        LEFT JOIN legwork.outcome AS o ON o.id = c.id AND o.run = c.run
        LEFT JOIN legwork.job AS j ON j.id = c.id
    ORDER BY c.id
), forgotten AS (
    DELETE FROM legwork.cancel AS c
    USING asked AS a
    WHERE a.ended
        AND c.server = a.server
        AND c.id = a.id
        AND c.run = a.run
), held AS MATERIALIZED (
    SELECT l.id, l.open
    FROM live
        JOIN legwork.lease AS l ON l.server = live.id
)
SELECT live.id,
    ARRAY(SELECT a.id FROM asked AS a WHERE NOT a.ended),
    ARRAY(SELECT a.run FROM asked AS a WHERE NOT a.ended),
    ARRAY(SELECT a.actor FROM asked AS a WHERE NOT a.ended),
    ARRAY(SELECT q.name FROM legwork.pause AS p JOIN legwork.queue AS q ON q.id = p.queue),
    ARRAY(SELECT h.id FROM held AS h),
    ARRAY(SELECT h.open FROM held AS h)
FROM live;
