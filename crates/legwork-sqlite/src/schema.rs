//! The schema: numbered migrations, each applied once.
//!
//! Opening and [`Storage::migrate`](legwork_core::Storage::migrate) call [`migrate`] in a write
//! transaction, so that of several processes that start at once one applies them, and a crash
//! leaves the old schema.

use legwork_core::{Error, ErrorKind};
use rusqlite::Connection;

use crate::error::Result;
use crate::query::{find, list, sql};
use crate::write::Write;

/// One step of the schema.
#[derive(Debug)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) up: &'static str,
    #[cfg(test)]
    pub(crate) down: &'static str,
}

macro_rules! migration {
    ($version:literal, $name:literal) => {
        Migration {
            version: $version,
            name: $name,
            up: include_str!(concat!("../migrations/", $name, ".up.sql")),
            #[cfg(test)]
            down: include_str!(concat!("../migrations/", $name, ".down.sql")),
        }
    };
}

/// All steps, in order.
pub(crate) const MIGRATIONS: [Migration; 1] = [migration!(1, "0001_create_tables")];

impl Migration {
    /// Tells whether versions that do not know it can no longer serve the schema.
    pub(crate) fn is_breaking(&self) -> bool {
        self.up.lines().any(|line| line.trim() == "-- breaking: yes")
    }
}

/// The version that this code knows.
pub(crate) fn known_version() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// Brings the schema up to date.
pub(crate) fn migrate(w: &mut Write<'_>) -> Result<()> {
    let applied = applied(w.db)?;
    if let Some(&(newest, breaking)) =
        applied.iter().rfind(|(version, breaking)| *version > known_version() && *breaking)
    {
        debug_assert!(breaking, "only breaking migrations are looked for");
        let known = known_version();
        let message = format!(
            "the schema has version {newest}, this version of Legwork knows version {known}: \
             update Legwork"
        );
        return Err(Error::new(ErrorKind::Incompatible, message).into());
    }
    for migration in &MIGRATIONS {
        if applied.iter().any(|(version, _)| *version == migration.version) {
            continue;
        }
        w.touched();
        w.db.execute_batch(sql!("migrate_table"))?;
        w.db.execute_batch(migration.up)?;
        let Migration { version, name, .. } = migration;
        let now = w.now.as_micros();
        w.execute(sql!("migrate_add"), (version, name, migration.is_breaking(), now))?;
        tracing::info!(version, name, "migrated");
    }
    Ok(())
}

/// Lists the versions that were applied, and whether each is breaking.
fn applied(db: &Connection) -> Result<Vec<(i64, bool)>> {
    if find(db, sql!("migrate_exists"), [], |_| Ok(()))?.is_none() {
        return Ok(Vec::new());
    }
    list(db, sql!("migrate_versions"), [], |row| Ok((row.get(0)?, row.get(2)?)))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use rusqlite::Connection;

    use super::*;
    use crate::names::Names;
    use crate::server::Presence;

    /// Lists everything in the schema as text.
    fn schema(db: &Connection) -> String {
        let statement = "SELECT sql FROM sqlite_schema \
                         WHERE sql IS NOT NULL AND name LIKE 'legwork%' ORDER BY type DESC, name";
        let mut text = String::new();
        for sql in list(db, statement, [], |row| row.get::<_, String>(0)).unwrap() {
            writeln!(text, "{sql};").unwrap();
        }
        text
    }

    fn up(db: &Connection) {
        let (mut names, mut presence) = (Names::default(), Presence::default());
        let now = legwork_core::Timestamp::MIN;
        migrate(&mut Write::new(db, now, &mut names, &mut presence)).unwrap();
    }

    fn down(db: &Connection) {
        for migration in MIGRATIONS.iter().rev() {
            db.execute_batch(migration.down).unwrap();
            let delete = "DELETE FROM legwork_migration WHERE version = ?1";
            db.execute(delete, [migration.version]).unwrap();
        }
    }

    #[test]
    fn all_migrations_make_the_golden_schema() {
        let db = Connection::open_in_memory().unwrap();
        up(&db);
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.sql");
        if std::env::var_os("LEGWORK_BLESS").is_some() {
            std::fs::write(golden, schema(&db)).unwrap();
        }
        let expected = std::fs::read_to_string(golden).unwrap();
        assert_eq!(schema(&db), expected, "LEGWORK_BLESS=1 writes schema.sql anew");
    }

    #[test]
    fn up_down_up_is_up() {
        let db = Connection::open_in_memory().unwrap();
        up(&db);
        let first = schema(&db);
        down(&db);
        assert_eq!(schema(&db).lines().filter(|line| line.starts_with("CREATE")).count(), 1);
        up(&db);
        up(&db);
        assert_eq!(schema(&db), first);
    }

    #[test]
    fn a_crash_in_the_middle_leaves_the_old_schema_and_the_next_start_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        up(&db);
        // A process that dies never commits.
        drop(db);
        let db = Connection::open(&path).unwrap();
        assert_eq!(schema(&db), "");
        up(&db);
        assert!(schema(&db).contains("CREATE TABLE legwork_job"));
    }

    #[test]
    fn versions_are_numbered_without_gaps_and_tell_whether_they_break() {
        for (nth, migration) in (1..).zip(&MIGRATIONS) {
            assert_eq!(migration.version, nth);
            assert!(migration.name.starts_with(&format!("{nth:04}_")), "{}", migration.name);
            for text in [migration.up, migration.down] {
                let first = text.lines().next().unwrap();
                assert!(matches!(first, "-- breaking: yes" | "-- breaking: no"), "{first}");
            }
        }
    }

    /// Returns the plan of a statement, one line per step.
    fn plan(db: &Connection, sql: &str) -> String {
        let n = db.prepare(sql).unwrap().parameter_count();
        let params = rusqlite::params_from_iter(std::iter::repeat_n(1, n));
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps: Vec<String> =
            statement.query_map(params, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        steps.join(" | ")
    }

    #[test]
    fn hot_statements_use_the_index_they_were_written_for() {
        let db = Connection::open_in_memory().unwrap();
        up(&db);
        let ready = "SEARCH legwork_ready USING PRIMARY KEY";
        let prune = |state: &str| format!("SEARCH o USING COVERING INDEX legwork_outcome_{state}");
        let cases = [
            (
                sql!("claim_ready"),
                format!("{ready} (queue=? AND suspect=? AND kind=? AND (priority,seq)>(?,?))"),
            ),
            (sql!("claim_suspects"), format!("{ready} (queue=? AND suspect=?)")),
            (sql!("claim_jobs"), "SEARCH legwork_job USING INTEGER PRIMARY KEY".to_owned()),
            (
                sql!("ready_find"),
                format!("{ready} (queue=? AND suspect=? AND kind=? AND priority=? AND seq<?)"),
            ),
            (sql!("ready_find_again"), "USING INDEX legwork_ready_again".to_owned()),
            (sql!("promote"), "SEARCH d USING PRIMARY KEY (run_at<?)".to_owned()),
            (sql!("due_find"), "USING INDEX legwork_due_job".to_owned()),
            (sql!("prune_succeeded"), prune("succeeded")),
            (sql!("prune_failed"), prune("failed")),
            (sql!("prune_cancelled"), prune("cancelled")),
            (sql!("children"), "SEARCH legwork_dependency USING PRIMARY KEY (parent=?)".to_owned()),
            (
                sql!("inspect_succeeded"),
                "legwork_outcome_succeeded ((ended_at,id)<(?,?))".to_owned(),
            ),
            (sql!("inspect_retries"), "USING INDEX legwork_due_retry".to_owned()),
            (sql!("inspect_groups"), ready.to_owned()),
            (sql!("heartbeat"), "(incarnation=?)".to_owned()),
        ];
        for (statement, expected) in cases {
            let plan = plan(&db, statement);
            assert!(plan.contains(&expected), "{statement}\nplan: {plan}\nexpected: {expected}");
            assert!(!plan.contains("TEMP B-TREE"), "{statement}\nsorts: {plan}");
        }
    }
}
