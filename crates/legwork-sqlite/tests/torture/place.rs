//! Where a torture takes place: the directory with the database and the ledger.
//!
//! The test makes it and tells its processes; it stays when the test fails.

use std::path::PathBuf;

use tempfile::TempDir;

/// Names the directory to the processes.
pub(crate) const DIR: &str = "LEGWORK_TORTURE_DIR";

pub(crate) struct Place {
    dir: PathBuf,
    /// Removes the directory at the end; the processes leave that to the test.
    owned: Option<TempDir>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let owned = tempfile::Builder::new().prefix("legwork-torture-").tempdir().unwrap();
        Self { dir: owned.path().to_owned(), owned: Some(owned) }
    }

    pub(crate) fn of_this_process() -> Self {
        let dir = std::env::var_os(DIR).expect("whoever gives a role gives a directory");
        Self { dir: dir.into(), owned: None }
    }

    pub(crate) fn dir(&self) -> &PathBuf {
        &self.dir
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.dir.join("torture.db")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir.join("ledger")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(owned) = &mut self.owned
        {
            owned.disable_cleanup(true);
            println!("database and ledger are kept in {}", self.dir.display());
        }
    }
}
