-- Adds to the sums of a minute. Primary key.
INSERT INTO legwork_stat
    (minute, queue, kind, succeeded, failed, retried, cancelled, ran_for)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (minute, queue, kind) DO UPDATE SET
    succeeded = succeeded + excluded.succeeded,
    failed = failed + excluded.failed,
    retried = retried + excluded.retried,
    cancelled = cancelled + excluded.cancelled,
    ran_for = ran_for + excluded.ran_for;
