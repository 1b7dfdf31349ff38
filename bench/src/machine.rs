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

/// Returns the microseconds since 1970 of an instant: what two processes can compare.
pub(crate) fn wall_micros(at: Instant) -> i64 {
    SystemClock.now().before(at.elapsed()).as_micros()
}

/// Returns the parent of the process `pid`, if that runs the program `name`.
pub(crate) fn parent_of(pid: u32, name: &str) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, _) = stat.rsplit_once(')')?;
    let (_, program) = head.split_once('(')?;
    (program == name).then_some(())?;
    nth(&stat, 1)
}

/// Returns the CPU seconds of a process, its children, and those of its children that have ended.
pub(crate) fn family_cpu_secs(parent: u32) -> Option<f64> {
    let own = fs::read_to_string(format!("/proc/{parent}/stat")).ok()?;
    let ended = f64::from(nth(&own, 13)?) + f64::from(nth(&own, 14)?);
    let children: f64 = children(parent).iter().filter_map(|(_, stat)| cpu_secs(stat)).sum();
    Some(cpu_secs(&own)? + ended / TICKS_PER_SEC + children)
}

/// Returns the memory of a process and its children in bytes; a page that several use is counted
/// once.
pub(crate) fn family_memory(parent: u32) -> Option<u64> {
    let mut pids: Vec<u32> = children(parent).into_iter().map(|(pid, _)| pid).collect();
    pids.push(parent);
    let mut total = 0;
    for pid in pids {
        // A process that has ended since has no memory.
        let sums = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        total += field(&sums, "Pss:").unwrap_or(0) * 1024;
    }
    (total > 0).then_some(total)
}

/// Lists the children of a process with their lines of `/proc/<pid>/stat`.
fn children(parent: u32) -> Vec<(u32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let stats = pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        (nth(&stat, 1) == Some(parent)).then_some((pid, stat))
    });
    stats.collect()
}

/// Adds the user and system time of a line of `/proc/<pid>/stat`.
fn cpu_secs(stat: &str) -> Option<f64> {
    Some((f64::from(nth(stat, 11)?) + f64::from(nth(stat, 12)?)) / TICKS_PER_SEC)
}

/// Reads the `n`-th number behind the name of the program, which stands in parentheses and may hold
/// spaces.
fn nth(stat: &str, n: usize) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(n)?.parse().ok()
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
    fn the_times_of_a_family_hold_those_of_its_members() {
        let me = std::process::id();
        let all = family_cpu_secs(me).unwrap();
        assert!(all >= Usage::now().unwrap().cpu_secs - 0.5, "{all} s of this process and others");
        assert!(family_memory(me).unwrap() > 0, "this process has memory");
        assert_eq!(parent_of(me, "no such program"), None);
    }

    #[test]
    fn fields_are_found_by_their_names() {
        let status = "VmPeak:\t 9 kB\nVmHWM:\t    1234 kB\n";
        assert_eq!(field(status, "VmHWM:"), Some(1234));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}
