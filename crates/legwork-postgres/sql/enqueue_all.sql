-- Stores jobs in the transaction of the caller, and tells which transaction that is. What it locks
-- is in the function. It suits every driver: its parameters are texts and a number.
SELECT nth, id, is_new, refusal,
    CASE WHEN nth = 0 THEN pg_current_xact_id_if_assigned()::text END AS transaction
FROM legwork.enqueue_all(
    $1::text::uuid,
    $2::text::json,
    timestamptz 'epoch' + $3::int8 / 1000000 * interval '1 second'
        + $3::int8 % 1000000 * interval '1 microsecond')
ORDER BY nth;
