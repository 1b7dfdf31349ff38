-- Ties a continuation to a parent.
INSERT INTO legwork_dependency (parent, child, condition, open)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO NOTHING;
