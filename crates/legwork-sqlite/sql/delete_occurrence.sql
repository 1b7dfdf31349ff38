-- Forgets an occurrence; the high-water mark still guards it. Primary key.
DELETE FROM legwork_occurrence
WHERE recurring = ?1
    AND at = ?2
    AND job = ?3;
