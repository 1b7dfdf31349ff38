//! The golden schema, the way back, and what is refused.
//!
//! Whole processes are in `tests/migrate.rs`; here one connection is enough.

use std::fmt::Write as _;
use std::sync::Arc;

use legwork_core::CancellationToken;
use tokio_postgres::Client;

use super::*;

#[path = "../../tests/support/database.rs"]
mod database;
mod plans;

use database::Database;

/// How wide a line of the golden schema is at most.
const WIDTH: usize = 100;

/// Lists everything in the schema `legwork` as text, in an order that does not depend on chance.
const DUMP: &str = r"
WITH n AS (SELECT 'legwork'::regnamespace::oid AS oid),
tables AS (
    SELECT c.oid, c.relname, c.reloptions
    FROM pg_class AS c JOIN n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p')),
columns AS (
    SELECT t.relname, a.attnum::int AS place, concat_ws(' ', a.attname,
        format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation NOT IN (0, (SELECT typcollation FROM pg_type
            WHERE oid = a.atttypid)) THEN 'COLLATE ' || a.attcollation::regcollation::text END,
        CASE WHEN a.attstorage <> (SELECT typstorage FROM pg_type WHERE oid = a.atttypid)
            THEN 'STORAGE ' || a.attstorage::text END,
        CASE WHEN a.attnotnull THEN 'NOT NULL' END,
        CASE WHEN a.attidentity <> '' THEN 'IDENTITY ' || a.attidentity::text END,
        'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)) AS text
    FROM tables AS t
        JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = a.attnum),
constraints AS (
    SELECT t.relname, 1000 AS place, c.conname || ' ' || pg_get_constraintdef(c.oid) AS text
    FROM tables AS t
        JOIN pg_constraint AS c ON c.conrelid = t.oid AND c.contype IN ('p', 'u', 'c')),
options AS (
    SELECT t.relname, 2000 AS place, o.option AS text
    FROM tables AS t, unnest(t.reloptions) AS o (option)),
indexes AS (
    SELECT t.relname, 3000 AS place, pg_get_indexdef(i.indexrelid) AS text
    FROM tables AS t JOIN pg_index AS i ON i.indrelid = t.oid),
sequences AS (
    SELECT c.relname, 4000 AS place,
        format('SEQUENCE %s INCREMENT %s FROM %s TO %s START %s CACHE %s',
            format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax, s.seqstart,
            s.seqcache) AS text
    FROM pg_class AS c
        JOIN n ON n.oid = c.relnamespace
        JOIN pg_sequence AS s ON s.seqrelid = c.oid),
functions AS (
    SELECT p.proname AS relname, 5000 AS place, pg_get_functiondef(p.oid) ||
        CASE WHEN has_function_privilege('public', p.oid, 'EXECUTE')
            THEN 'EXECUTE for all' ELSE 'EXECUTE for the owner' END AS text
    FROM pg_proc AS p JOIN n ON n.oid = p.pronamespace)
SELECT o.relname::text, o.text
FROM (TABLE columns UNION ALL TABLE constraints UNION ALL TABLE options UNION ALL TABLE indexes
    UNION ALL TABLE sequences UNION ALL TABLE functions) AS o
ORDER BY o.relname COLLATE 'C', o.place, o.text COLLATE 'C'";

async fn dump(client: &Client) -> String {
    let mut text = String::from("-- Everything in the schema, one object after the other.\n");
    let mut last = String::new();
    for row in client.query(&DUMP.replace("'C'", "\"C\""), &[]).await.unwrap() {
        let object: String = row.get(0);
        if object != last {
            writeln!(text, "\n{object}").unwrap();
            last = object;
        }
        for line in row.get::<_, &str>(1).lines() {
            text.push_str(&wrapped(&format!("    {line}\n")));
        }
    }
    text
}

/// Breaks a line that is too wide for the repository; what comes after stands further in.
fn wrapped(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.to_owned();
    while rest.trim_end().len() > WIDTH {
        let Some(at) = rest.get(..WIDTH).and_then(|start| start.rfind(' ')).filter(|&at| at > 12)
        else {
            break;
        };
        writeln!(text, "{}", &rest[..at]).unwrap();
        rest = format!("            {}", rest[at..].trim_start());
    }
    text.push_str(&rest);
    text
}

async fn conn(database: &Database, schema: &str) -> Conn {
    Conn::new(database.client().await, Arc::from(schema), false, CancellationToken::new())
}

async fn up(conn: &Conn) -> String {
    migrate(conn, "legwork", None).await.unwrap()
}

#[tokio::test]
async fn all_migrations_make_the_golden_schema() {
    let Some(database) = Database::create().await else { return };
    let conn = conn(&database, "legwork").await;
    up(&conn).await;
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.sql");
    let dumped = dump(&conn.client).await;
    if std::env::var_os("LEGWORK_BLESS").is_some() {
        std::fs::write(golden, &dumped).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap();
    assert_eq!(dumped, expected, "LEGWORK_BLESS=1 writes schema.sql anew");
}

#[tokio::test]
async fn up_down_up_is_up() {
    let Some(database) = Database::create().await else { return };
    let conn = conn(&database, "legwork").await;
    let first_id = up(&conn).await;
    let first = dump(&conn.client).await;
    for migration in MIGRATIONS.iter().rev() {
        conn.batch(migration.down).await.unwrap();
        let delete = "DELETE FROM legwork.migration WHERE version = $1";
        conn.client.execute(delete, &[&migration.version]).await.unwrap();
    }
    let nothing = dump(&conn.client).await;
    let objects = nothing.lines().skip(1).filter(|line| !line.is_empty() && !line.starts_with(' '));
    assert_eq!(objects.collect::<Vec<_>>(), ["migration"], "only the table of versions is left");
    let second_id = up(&conn).await;
    assert_eq!(dump(&conn.client).await, first);
    assert_ne!(second_id, first_id, "what is made anew is another installation");
    assert_eq!(up(&conn).await, second_id, "what is in place is left alone");
}

#[tokio::test]
async fn a_step_that_fails_leaves_nothing_and_the_next_start_goes_on() {
    let Some(database) = Database::create().await else { return };
    let conn = conn(&database, "legwork").await;
    // The last statement of the step meets something in its way.
    let block = "CREATE SCHEMA legwork; CREATE FUNCTION legwork.refuse(why text) RETURNS boolean \
                 LANGUAGE sql AS 'SELECT true'";
    conn.client.batch_execute(block).await.unwrap();
    let error = migrate(&conn, "legwork", None).await.unwrap_err().into_error();
    assert!(error.to_string().contains("0001_create_tables could not be applied"), "{error}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'legwork'";
    let n: i64 = conn.client.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(n, 0);
    conn.client.batch_execute("DROP FUNCTION legwork.refuse").await.unwrap();
    up(&conn).await;
    check(&conn, "legwork").await.unwrap();
}

#[tokio::test]
async fn versions_are_numbered_without_gaps_and_tell_whether_they_break() {
    for (nth, migration) in (1..).zip(&MIGRATIONS) {
        assert_eq!(migration.version, nth);
        assert!(migration.name.starts_with(&format!("{nth:04}_")), "{}", migration.name);
        for text in [migration.up, migration.down] {
            let first = text.lines().next().unwrap();
            assert!(matches!(first, "-- breaking: yes" | "-- breaking: no"), "{first}");
        }
    }
}

#[tokio::test]
async fn a_schema_that_a_newer_version_broke_is_refused_and_one_that_it_only_extended_is_served() {
    let Some(database) = Database::create().await else { return };
    let conn = conn(&database, "legwork").await;
    let id = up(&conn).await;
    let add = "INSERT INTO legwork.migration VALUES ($1, 'later', $2, now())";
    let later = known_version() + 1;
    conn.client.execute(add, &[&later, &false]).await.unwrap();
    assert_eq!(up(&conn).await, id);
    assert_eq!(check(&conn, "legwork").await.unwrap(), id);
    conn.client.execute(add, &[&(later + 1), &true]).await.unwrap();
    let message = format!(
        "the schema has version {}, this version of Legwork knows version {}: update Legwork",
        later + 1,
        known_version()
    );
    for refused in [migrate(&conn, "legwork", None).await, check(&conn, "legwork").await] {
        let error = refused.unwrap_err().into_error();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Incompatible, message.clone()));
    }
}

#[tokio::test]
async fn a_schema_that_is_missing_or_older_is_refused_by_who_may_not_migrate() {
    let Some(database) = Database::create().await else { return };
    let conn = conn(&database, "legwork").await;
    let refusal = async || {
        let error = check(&conn, "legwork").await.unwrap_err().into_error();
        assert_eq!(error.kind(), ErrorKind::Incompatible);
        error.to_string()
    };
    assert!(refusal().await.starts_with("there is no schema legwork, this version"));
    conn.client.batch_execute("CREATE SCHEMA legwork").await.unwrap();
    assert!(refusal().await.starts_with("the schema legwork has no tables of Legwork, this"));
    up(&conn).await;
    check(&conn, "legwork").await.unwrap();
    let newest = known_version();
    let forget = format!("DELETE FROM legwork.migration WHERE version = {newest}");
    conn.client.batch_execute(&forget).await.unwrap();
    let says = format!(
        "the schema legwork has version {}, this version of Legwork needs version {newest}",
        newest - 1
    );
    assert!(refusal().await.starts_with(&says));
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused() {
    let latin = "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'";
    let Some(database) = Database::create_with(latin).await else { return };
    let conn = conn(&database, "legwork").await;
    for refused in [migrate(&conn, "legwork", None).await, check(&conn, "legwork").await] {
        let error = refused.unwrap_err().into_error();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().starts_with("the database is encoded in LATIN1"), "{error}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_migrate_is_told_so_and_needs_no_rights_when_all_is_in_place() {
    let Some(database) = Database::create().await else { return };
    let conn = conn(&database, "legwork").await;
    let role = format!("legwork_test_{}_{:08x}", std::process::id(), fastrand::u32(..));
    let client = &conn.client;
    client.batch_execute(&format!("CREATE ROLE {role}; SET ROLE {role}")).await.unwrap();
    let error = migrate(&conn, "legwork", None).await.unwrap_err().into_error();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let says = "there is no schema legwork, and the role may not bring it to version 1";
    assert!(error.to_string().starts_with(says), "{error}");
    client.batch_execute("RESET ROLE").await.unwrap();
    let id = up(&conn).await;
    let grant = format!(
        "GRANT USAGE ON SCHEMA legwork TO {role}; \
         GRANT SELECT ON legwork.migration, legwork.installation TO {role}; SET ROLE {role}"
    );
    client.batch_execute(&grant).await.unwrap();
    assert_eq!(up(&conn).await, id);
    let undo = format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}");
    client.batch_execute(&undo).await.unwrap();
}

#[tokio::test]
async fn steps_are_stamped_with_the_time_of_tests() {
    let Some(database) = Database::create().await else { return };
    let conn = conn(&database, "other").await;
    let at = Timestamp::from_micros(1_800_000_000_000_000);
    migrate(&conn, "other", Some(at)).await.unwrap();
    let stamp = "SELECT DISTINCT extract(epoch FROM applied_at)::int8 FROM other.migration";
    let secs: i64 = conn.client.query_one(stamp, &[]).await.unwrap().get(0);
    assert_eq!(secs, 1_800_000_000);
}
