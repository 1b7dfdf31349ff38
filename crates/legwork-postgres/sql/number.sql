-- Takes blocks of fresh numbers; yields the first of each.
SELECT nextval('legwork.number')
FROM generate_series(1, $1)
ORDER BY 1;
