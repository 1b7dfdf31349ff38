-- Counts ended runs off their leases; refuses when one of them is gone. Primary key.
WITH part AS MATERIALIZED (
    SELECT u.lease, u.n
    FROM unnest($2, $3) AS u (lease, n)),
shrunk AS (
    UPDATE legwork.lease AS l
    SET open = l.open - p.n
    FROM part AS p
    WHERE l.id = p.lease
        AND l.server = $1
        AND l.open > p.n
    RETURNING 1),
removed AS (
    DELETE FROM legwork.lease AS l
    USING part AS p
    WHERE l.id = p.lease
        AND l.server = $1
        AND l.open = p.n
    RETURNING 1)
SELECT (SELECT count(*) FROM shrunk) + (SELECT count(*) FROM removed) = cardinality($2)
    OR legwork.refuse('a lease is gone');
