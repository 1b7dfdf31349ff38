-- Gives a queue name its number.
INSERT INTO legwork_queue (name)
VALUES (?1);
