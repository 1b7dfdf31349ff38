-- Moves the beat of a live server on. Unique index on incarnation.
UPDATE legwork_server
SET beat = beat + 1,
    beat_at = ?2
WHERE incarnation = ?1
    AND gone_at IS NULL
RETURNING id;
