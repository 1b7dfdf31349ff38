-- Gives a kind its number.
INSERT INTO legwork_kind (name)
VALUES (?1);
