-- Moves the sequence on. One row.
UPDATE legwork_sequence
SET next = ?1
WHERE one = 1;
