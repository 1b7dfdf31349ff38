-- Makes jobs claimable that have never run.
INSERT INTO legwork.ready (seq, first, queue, kind, run, failures, losses, priority, n, suspect)
SELECT t.first, t.first, t.queue, t.kind, 1, 0, 0, t.priority, t.n, false
FROM unnest($1, $2, $3, $4, $5) AS t (first, queue, kind, priority, n);
