//! Telling network file systems, on which SQLite's locks may not hold.
//!
//! Opening asks [`network_type`]. Where the kernel's table of mounts cannot be read nothing is
//! refused.

use std::path::Path;

/// File systems that reach over a network or into another machine.
const NETWORK: [&str; 20] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "fuse.ceph",
    "fuse.davfs",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
];

/// Returns the name of the network file system that `path` lies on, if it does.
pub(crate) fn network_type(path: &Path) -> Option<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    type_of(&table, path).filter(|name| NETWORK.contains(&name.as_str()))
}

/// Finds the type of the mount that holds `path`: the longest mount point, and the last of equals.
fn type_of(table: &str, path: &Path) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in table.lines() {
        let Some((place, file_system)) = parse(line) else {
            continue;
        };
        let len = place.len();
        if path.starts_with(&place) && best.is_none_or(|(longest, _)| longest <= len) {
            best = Some((len, file_system));
        }
    }
    best.map(|(_, file_system)| file_system.to_owned())
}

/// Reads the mount point and the type of one line.
fn parse(line: &str) -> Option<(String, &str)> {
    let (left, right) = line.split_once(" - ")?;
    let place = left.split(' ').nth(4)?;
    // The kernel writes blanks in names as octal numbers.
    let place = place.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
    Some((place, right.split(' ').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:50 / /srv/shared\\040data rw,relatime shared:1 - nfs4 host:/x rw
31 30 0:51 / /srv/shared\\040data/local rw - xfs /dev/vdb rw
";

    #[test]
    fn the_longest_mount_point_decides() {
        let of = |path: &str| type_of(TABLE, Path::new(path)).unwrap();
        assert_eq!(of("/srv/app.db"), "ext4");
        assert_eq!(of("/srv/shared data/app.db"), "nfs4");
        assert_eq!(of("/srv/shared data/local/app.db"), "xfs");
        assert_eq!(of("/srv/shared database/app.db"), "ext4");
    }

    #[test]
    fn a_local_file_system_is_not_refused() {
        assert_eq!(network_type(&std::env::temp_dir()), None);
    }
}
