//! Where a torture takes place: a schema, and the directory with the ledger.
//!
//! The test makes them and tells its processes; the ledger stays when the test fails.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::schema::Schema;

/// Names the directory to the processes.
pub(crate) const DIR: &str = "LEGWORK_TORTURE_DIR";

pub(crate) struct Place {
    dir: PathBuf,
    url: String,
    /// Removed at the end; the processes leave that to the test.
    owned: Option<(TempDir, Schema)>,
}

impl Place {
    /// Makes a place; `None` without a server.
    pub(crate) fn new() -> Option<Self> {
        let schema = Schema::create()?;
        let owned = tempfile::Builder::new().prefix("legwork-torture-").tempdir().unwrap();
        let (dir, url) = (owned.path().to_owned(), schema.url());
        std::fs::write(dir.join("url"), &url).unwrap();
        Some(Self { dir, url, owned: Some((owned, schema)) })
    }

    pub(crate) fn of_this_process() -> Self {
        let dir = std::env::var_os(DIR).expect("whoever gives a role gives a directory");
        let dir = PathBuf::from(dir);
        let url = std::fs::read_to_string(dir.join("url")).unwrap();
        Self { dir, url, owned: None }
    }

    pub(crate) fn dir(&self) -> &PathBuf {
        &self.dir
    }

    /// Returns the URL of the storage.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Returns the URL of the database, and the name of the schema.
    pub(crate) fn database(&self) -> (String, String) {
        let (url, rest) = self.url.split_once("schema=").unwrap();
        let schema = rest.split('&').next().unwrap();
        (url.trim_end_matches(['?', '&']).to_owned(), schema.to_owned())
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir.join("ledger")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some((owned, _)) = &mut self.owned
        {
            owned.disable_cleanup(true);
            println!("the ledger is kept in {}", self.dir.display());
        }
    }
}
