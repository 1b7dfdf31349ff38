-- Declares a server dead, guarded by the beat that was seen. Unique index on incarnation.
UPDATE legwork.server
SET gone_at = coalesce($3, now())
WHERE incarnation = $1
    AND beat = $2
    AND gone_at IS NULL;
