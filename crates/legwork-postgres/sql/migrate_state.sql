-- Tells how texts are stored, and whether there are the schema and its table of versions.
SELECT pg_encoding_to_char(d.encoding)::text,
    EXISTS (SELECT 1 FROM pg_namespace AS n WHERE n.nspname = $1),
    EXISTS (
        SELECT 1
        FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = 'migration')
FROM pg_database AS d
WHERE d.datname = current_database();
