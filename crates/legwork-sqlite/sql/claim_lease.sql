-- Remembers what a server holds now.
INSERT INTO legwork_lease (id, server, claimed_at, open, jobs)
VALUES (?1, ?2, ?3, ?4, ?5);
