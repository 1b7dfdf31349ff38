-- Ties a continuation to a parent.
INSERT INTO legwork_dependency (parent, child, condition, open, place)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO NOTHING;
