//! Writes files so that a crash leaves the old one or the new one, never half of one.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes `path`, replacing what is there, in one step.
///
/// Blocks until the content is on the disk.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let directory = path.parent().context("the path has no directory")?;
    let write = || -> std::io::Result<()> {
        // In the same directory, because a rename cannot cross file systems. The file removes
        // itself when this function fails.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_directory(directory)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Makes the names in a directory as durable as the files behind them.
pub(crate) fn sync_directory(directory: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        replace(&path, b"old").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = replace(&dir.path().join("no/a.txt"), b"").unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.ends_with("a.txt"), "{error}");
    }
}
