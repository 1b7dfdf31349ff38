-- Lists the paused queues. A small table.
SELECT queue
FROM legwork_pause;
