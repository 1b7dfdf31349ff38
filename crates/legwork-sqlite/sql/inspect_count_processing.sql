-- Counts what servers hold. Leases are few.
SELECT coalesce(sum(open), 0)
FROM legwork_lease;
