-- Begins a transaction that gives up when others hold what it needs, not when it has much to do.
BEGIN;
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = 0;
