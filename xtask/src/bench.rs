//! `cargo xtask bench <storage> [args]`: the load generator in a release build.
//!
//! Only starts `legwork-bench` (in `bench/`), which measures and prints; this file holds no
//! measurement of its own.

use crate::workspace;
use anyhow::{Context as _, ensure};
use std::process::ExitCode;

/// Runs `legwork-bench` with `args`, the first of which names the storage.
///
/// # Errors
/// No storage was named, or cargo could not be started.
pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    ensure!(!args.is_empty(), "name the storage to measure: `cargo xtask bench sqlite`");
    let status = workspace::cargo()
        .args(["run", "--release", "-p", "legwork-bench", "--"])
        .args(args)
        .status()
        .context("cargo could not be started")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
