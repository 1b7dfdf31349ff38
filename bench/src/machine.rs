//! What the machine is and what this process takes from it.
//!
//! The report and the measurements call it. It reads `/proc`; where that is missing, the figures
//! are left out.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use legwork_core::{Clock as _, SystemClock};

use crate::sample::Percentiles;

/// Linux counts the CPU time that it shows in hundredths of a second.
const TICKS_PER_SEC: f64 = 100.0;

/// How many times the disk is asked to make a page durable.
const N_SYNCS: u32 = 200;

/// Returns the time by which everything here is measured.
pub(crate) fn now() -> Instant {
    SystemClock.monotonic()
}

/// What this process has used so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    /// User and system time of all threads in seconds.
    pub(crate) cpu_secs: f64,
    /// Bytes sent to the disk.
    pub(crate) written: u64,
}

impl Usage {
    /// Reads it now.
    pub(crate) fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let io = fs::read_to_string("/proc/self/io").ok()?;
        Some(Self { cpu_secs: cpu_secs(&stat)?, written: field(&io, "write_bytes:")? })
    }
}

/// Returns the largest resident size of this process in bytes.
pub(crate) fn peak_rss() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some(field(&status, "VmHWM:")? * 1024)
}

/// Adds the user and system time of a line of `/proc/<pid>/stat`.
fn cpu_secs(stat: &str) -> Option<f64> {
    // The name of the program, in parentheses, may hold spaces: fields are counted behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SEC)
}

/// Reads the number behind `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Returns how many cores there are.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Measures how long one changed page takes to become durable in `dir`.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn sync_time(dir: &Path) -> anyhow::Result<Option<Percentiles>> {
    let mut file = tempfile::tempfile_in(dir)?;
    file.write_all(&[0; 4096])?;
    file.sync_all()?;
    let times = (1..=N_SYNCS).map(|n| sync_once(&mut file, n));
    Ok(Percentiles::of(times.collect::<std::io::Result<Vec<Duration>>>()?))
}

fn sync_once(file: &mut File, n: u32) -> std::io::Result<Duration> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&n.to_le_bytes())?;
    let began = now();
    file.sync_data()?;
    Ok(began.elapsed())
}

/// Returns the type of the file system that holds `dir`, such as `ext4`.
pub(crate) fn file_system(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let holders = mounts.lines().filter_map(|line| {
        let mut columns = line.split(' ').skip(1);
        let (place, kind) = (columns.next()?, columns.next()?);
        dir.starts_with(place).then_some((place.len(), kind))
    });
    let innermost = holders.max_by_key(|(len, _)| *len);
    innermost.map_or_else(|| "unknown file system".to_owned(), |(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_spaces() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 1 2 3";
        assert_eq!(cpu_secs(stat), Some(3.0));
        assert_eq!(cpu_secs("7 (a"), None);
    }

    #[test]
    fn fields_are_found_by_their_names() {
        let status = "VmPeak:\t 9 kB\nVmHWM:\t    1234 kB\n";
        assert_eq!(field(status, "VmHWM:"), Some(1234));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}
