//! The schema: numbered migrations, each applied once.
//!
//! Connecting and [`Storage::migrate`](legwork_core::Storage::migrate) call [`migrate`]; connecting
//! without migration calls [`check`]. One step is one transaction under a lock of its own, so that
//! of several processes that start at once one applies it, and a crash leaves the schema as it was.
//! Where everything is in place nothing is locked and nothing is written.

use std::time::Duration;

use legwork_core::{Error, ErrorKind, Timestamp};
use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;

use crate::bind::{At, get, params};
use crate::conn::Conn;
use crate::error::{Failure, Remedy, Result};
use crate::statement::sql;

/// How long the processes that hold the locks of a step are waited for. Each try waits for 5 s, so
/// that a queue of others behind it moves on meanwhile.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// How long after a try that met others the next one begins.
const PAUSE: Duration = Duration::from_millis(50);

/// The only encoding that holds every text of Legwork.
const ENCODING: &str = "UTF8";

/// One step of the schema.
#[derive(Debug)]
pub(crate) struct Migration {
    pub(crate) version: i32,
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
pub(crate) const MIGRATIONS: [Migration; 2] =
    [migration!(1, "0001_create_tables"), migration!(2, "0002_add_enqueue_all")];

impl Migration {
    /// Tells whether versions that do not know it can no longer serve the schema.
    pub(crate) fn is_breaking(&self) -> bool {
        self.up.lines().any(|line| line.trim() == "-- breaking: yes")
    }
}

/// The version that this code knows.
pub(crate) fn known_version() -> i32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// Brings the schema up to date and returns the id of the installation, a UUID.
///
/// Steps are stamped with `now`, or the server's time without it. Waits for others for at most
/// [`WAIT_MAX`]. Behind a transaction pooler it works as well.
///
/// # Errors
/// [`Incompatible`](ErrorKind::Incompatible) when a newer version has left the schema in a form
/// that this one cannot serve; [`Unsupported`](ErrorKind::Unsupported) when the database is not in
/// UTF-8, or a step is missing and the role may not apply it.
///
/// # Cancel safety
/// No step is left half done, but the connection may be in a transaction: drop it.
pub(crate) async fn migrate(conn: &Conn, schema: &str, now: Option<Timestamp>) -> Result<String> {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let found = Found::read(conn, schema).await?;
        found.check_encoding()?;
        found.check_not_newer()?;
        let Some(step) = found.first_missing() else {
            return installation(conn).await;
        };
        let Err(failure) = apply(conn, schema, now).await else { continue };
        // Of a connection that is gone nothing needs to be undone, and the failure says more.
        if let Err(error) = conn.batch("ROLLBACK").await {
            tracing::debug!(%error, "a migration was not rolled back by hand");
        }
        let met_others = matches!(failure.remedy(), Remedy::Repeat | Remedy::RepeatCarefully);
        if !met_others || Instant::now() >= deadline {
            return Err(explain(failure, schema, &found, step));
        }
        tracing::info!(version = step.version, schema, "waiting for others to migrate");
        sleep(PAUSE).await;
    }
}

/// Makes sure that this version can serve the schema as it is; returns the id of the installation.
///
/// # Errors
/// As [`migrate`], and [`Incompatible`](ErrorKind::Incompatible) when a step is missing.
///
/// # Cancel safety
/// Nothing is changed.
pub(crate) async fn check(conn: &Conn, schema: &str) -> Result<String> {
    let found = Found::read(conn, schema).await?;
    found.check_encoding()?;
    found.check_not_newer()?;
    if found.first_missing().is_none() {
        return installation(conn).await;
    }
    let needed = known_version();
    let message = format!(
        "{}, this version of Legwork needs version {needed}: migrate it, or connect with migration",
        found.standing(schema)
    );
    Err(Error::new(ErrorKind::Incompatible, message).into())
}

/// What is there.
struct Found {
    encoding: String,
    has_schema: bool,
    /// The versions that were applied, in order, and whether each is breaking.
    applied: Vec<(i32, bool)>,
}

impl Found {
    async fn read(conn: &Conn, schema: &str) -> Result<Self> {
        let rows = conn.rows(sql!("migrate_state"), params![schema.to_owned()]).await?;
        let row = rows.first().ok_or_else(|| Error::corrupt("the database has no entry"))?;
        let mut found =
            Self { encoding: get(row, 0)?, has_schema: get(row, 1)?, applied: Vec::new() };
        if get(row, 2)? {
            let rows = conn.rows(sql!("migrate_versions"), params![]).await?;
            for row in &rows {
                found.applied.push((get(row, 0)?, get(row, 1)?));
            }
        }
        Ok(found)
    }

    fn first_missing(&self) -> Option<&'static Migration> {
        let is_applied = |step: &Migration| self.applied.iter().any(|&(v, _)| v == step.version);
        MIGRATIONS.iter().find(|step| !is_applied(step))
    }

    fn check_encoding(&self) -> Result<()> {
        let Self { encoding, .. } = self;
        if encoding == ENCODING {
            return Ok(());
        }
        let message = format!(
            "the database is encoded in {encoding}: Legwork needs one that was created with \
             ENCODING '{ENCODING}'"
        );
        Err(Error::new(ErrorKind::Unsupported, message).into())
    }

    fn check_not_newer(&self) -> Result<()> {
        let known = known_version();
        let newer = |&&(version, breaking): &&(i32, bool)| version > known && breaking;
        let Some((newest, _)) = self.applied.iter().rfind(newer) else { return Ok(()) };
        let message = format!(
            "the schema has version {newest}, this version of Legwork knows version {known}: \
             update Legwork"
        );
        Err(Error::new(ErrorKind::Incompatible, message).into())
    }

    /// Says in words which version is there.
    fn standing(&self, schema: &str) -> String {
        match self.applied.last() {
            Some((version, _)) => format!("the schema {schema} has version {version}"),
            None if self.has_schema => format!("the schema {schema} has no tables of Legwork"),
            None => format!("there is no schema {schema}"),
        }
    }
}

/// Applies the first step that is missing, if one still is, in a transaction.
async fn apply(conn: &Conn, schema: &str, now: Option<Timestamp>) -> Result<()> {
    conn.batch(sql!("migrate_begin").0).await?;
    conn.rows(sql!("migrate_lock"), params![schema.to_owned()]).await?;
    // Another may have been here before the lock was free.
    let found = Found::read(conn, schema).await?;
    found.check_not_newer()?;
    if let Some(step) = found.first_missing() {
        if !found.has_schema {
            // The name was checked when the address was parsed.
            conn.batch(&format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"")).await?;
        }
        conn.batch(sql!("migrate_table").0).await?;
        conn.batch(step.up).await?;
        let Migration { version, name, .. } = step;
        let row = params![*version, *name, step.is_breaking(), now.map(At)];
        conn.execute(sql!("migrate_add"), row).await?;
        conn.batch("COMMIT").await?;
        tracing::info!(version, name, schema, "migrated");
        return Ok(());
    }
    conn.batch("ROLLBACK").await?;
    Ok(())
}

async fn installation(conn: &Conn) -> Result<String> {
    let rows = conn.rows(sql!("migrate_installation"), params![]).await?;
    let row = rows.first().ok_or_else(|| Error::corrupt("the installation has no id"))?;
    get(row, 0)
}

/// Says which step could not be applied, where the reason alone would leave the user guessing.
fn explain(failure: Failure, schema: &str, found: &Found, step: &Migration) -> Failure {
    let Failure::Sql(error) = failure else { return failure };
    let standing = found.standing(schema);
    let Migration { version, name, .. } = step;
    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        let message = format!(
            "{standing}, and the role may not bring it to version {version}: migrate as the owner \
             of the schema (see roles.sql)"
        );
        return Error::with_source(ErrorKind::Unsupported, message, error).into();
    }
    let (kind, context) = crate::error::explain(&error);
    let message = format!("{standing}, and {name} could not be applied: {context}");
    Error::with_source(kind, message, error).into()
}

#[cfg(test)]
mod tests;
