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
