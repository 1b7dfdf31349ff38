-- Finds the ticket of a job that came in again. Index legwork_ready_again.
SELECT seq, first, n, run, failures, losses, entered_at
FROM legwork_ready
WHERE seq <> first
    AND first = ?1;
