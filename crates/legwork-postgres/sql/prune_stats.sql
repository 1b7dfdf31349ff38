-- Removes old sums. Index stat_minute.
DELETE FROM legwork.stat
WHERE minute < $1;
