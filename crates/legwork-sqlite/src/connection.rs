//! Opening connections with the settings that the guarantees rest on.
//!
//! The writer, the checkpointer, the readers and users' own connections come from here. Files are
//! created readable by their owner only. What runs on a connection is elsewhere.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use legwork_core::{Error, ErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::options::Synchronous;
use crate::query::STATEMENTS_MAX;

/// How long a connection waits for a lock that another process holds.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The first SQLite without the defect by which two connections that write or checkpoint at the
/// same moment can damage a database in WAL mode.
pub(crate) const FIXED_VERSION: i32 = 3_051_003;

/// Tells whether a second connection may checkpoint.
pub(crate) fn may_checkpoint_apart() -> bool {
    rusqlite::version_number() >= FIXED_VERSION
}

/// Opens or creates a file that only its owner can read.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates an empty database file where there is none.
///
/// A file that exists must not be opened here: closing it would drop the locks that SQLite holds on
/// it for this process.
fn create_database(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn failed(path: &Path, error: impl Into<legwork_core::BoxError>) -> Error {
    let message = format!("the database {} cannot be opened", path.display());
    Error::with_source(ErrorKind::Unavailable, message, error)
}

/// Makes sure that the database exists; returns its one true path.
pub(crate) fn resolve(path: &Path) -> legwork_core::Result<PathBuf> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        let message = "an SQLite database in memory cannot be shared by threads: name a file, or \
                       use the memory storage";
        return Err(Error::invalid(message));
    }
    create_database(path).map_err(|error| failed(path, error))?;
    let path = path.canonicalize().map_err(|error| failed(path, error))?;
    if path.to_str().is_none() {
        return Err(Error::invalid(format!("the path {} is not UTF-8", path.display())));
    }
    Ok(path)
}

/// Returns the path beside a database with `suffix` added to its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn open(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // The plan of a statement must not depend on the values bound to it: the plans are chosen by
    // the indexes, and a claim was parsed anew on nearly every call without this.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.execute_batch(
        "PRAGMA temp_store = MEMORY;
         PRAGMA mmap_size = 0;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA foreign_keys = OFF;",
    )?;
    Ok(db)
}

/// Opens the connection that writes.
///
/// It checkpoints only when it is told to: a checkpoint within a commit would make its callers
/// wait.
pub(crate) fn open_writer(
    path: &Path,
    synchronous: Synchronous,
) -> legwork_core::Result<Connection> {
    let open_it = || -> rusqlite::Result<(Connection, String)> {
        let db = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mode = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        db.execute_batch(
            "PRAGMA wal_autocheckpoint = 0;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA cache_size = -32768;",
        )?;
        db.execute_batch(synchronous.pragma())?;
        Ok((db, mode))
    };
    let (db, mode) = open_it().map_err(|error| explain(path, error))?;
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(db);
    }
    let message = format!("{} cannot be used in WAL mode, only in {mode}", path.display());
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// Opens the connection of the checkpointer, which never writes rows.
pub(crate) fn open_checkpointer(path: &Path) -> legwork_core::Result<Connection> {
    let open_it = || -> rusqlite::Result<Connection> {
        let db = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL;")?;
        Ok(db)
    };
    open_it().map_err(|error| explain(path, error))
}

/// Opens a connection that cannot write.
pub(crate) fn open_reader(path: &Path) -> legwork_core::Result<Connection> {
    let open_it = || -> rusqlite::Result<Connection> {
        let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")?;
        Ok(db)
    };
    open_it().map_err(|error| explain(path, error))
}

/// Opens a connection for the caller's own tables in the same file.
pub(crate) fn open_for_user(path: &Path) -> legwork_core::Result<Connection> {
    let open_it = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        db.execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA mmap_size = 0;",
        )?;
        if !may_checkpoint_apart() {
            db.execute_batch("PRAGMA wal_autocheckpoint = 0;")?;
        }
        Ok(db)
    };
    open_it().map_err(|error| explain(path, error))
}

fn explain(path: &Path, error: rusqlite::Error) -> Error {
    let kind = crate::error::Failure::Sql(error).into_error();
    let message = format!("the database {} cannot be opened", path.display());
    Error::with_source(kind.kind(), message, kind)
}
