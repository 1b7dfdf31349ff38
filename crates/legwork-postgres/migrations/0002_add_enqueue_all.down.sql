-- breaking: yes
-- Removes what the drivers call; nothing is stored differently.
DROP FUNCTION legwork.enqueue_all;
DROP FUNCTION legwork.number_kinds;
DROP FUNCTION legwork.number_queues;
DROP FUNCTION legwork.adopt;
