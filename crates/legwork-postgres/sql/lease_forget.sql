-- Strikes removed jobs from a lease. Primary key.
UPDATE legwork.lease
SET firsts = $2,
    ns = $3,
    runs = $4,
    failures = $5,
    losses = $6,
    queues = $7,
    kinds = $8,
    priorities = $9
WHERE id = $1;
