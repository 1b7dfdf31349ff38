-- Makes jobs claimable.
INSERT INTO legwork_ready
    (queue, suspect, kind, priority, seq, first, n, run, failures, losses, entered_at)
VALUES (?1, ?9 >= 2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10);
