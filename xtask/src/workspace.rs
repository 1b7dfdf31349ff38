//! Where the repository is and which cargo to call.
//!
//! Used by every task. It must not depend on the directory the task was started from.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository: the directory above xtask's own manifest.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The cargo that started xtask, so that a `+toolchain` choice carries on, in the root directory.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Whether `cargo <name>` is an installed subcommand.
pub(crate) fn has_subcommand(name: &str) -> bool {
    find_program(&format!("cargo-{name}")).is_some()
}

/// The full path of an installed program: the search path first, then the usual system directories,
/// which an ordinary user's search path may lack.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// Whether the task runs for continuous integration, where nothing may be skipped.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_directory_with_the_lint_table() {
        assert!(root().join("clippy.toml").is_file(), "clippy.toml lies in the root");
    }

    #[test]
    fn a_program_that_is_not_installed_is_not_found() {
        assert_eq!(find_program("legwork-no-such-program"), None, "nobody installs that name");
        assert!(find_program("sh").is_some(), "every Unix has a shell");
    }
}
