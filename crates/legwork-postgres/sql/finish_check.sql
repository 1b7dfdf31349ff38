-- Refuses when children wait for jobs that have ended, or when jobs that would run again were to be
-- cancelled. It follows the outcomes, so that it sees what was committed before they were written.
SELECT CASE
        WHEN EXISTS (SELECT 1 FROM legwork.waiting)
            AND EXISTS (SELECT 1 FROM legwork.dependency AS d WHERE d.parent = ANY ($2) AND d.open)
            THEN legwork.refuse('children wait')
        WHEN cardinality($3) > 0
            AND EXISTS (SELECT 1 FROM legwork.cancel AS c WHERE c.server = $1 AND c.id = ANY ($3))
            THEN legwork.refuse('a cancel was requested')
    END;
