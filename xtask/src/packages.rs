//! Installs the programs that tests need and the machine lacks.
//!
//! Called by `test` before it starts `servers`. Acts only as root on a system with apt; everyone
//! else gets the command to run. Never touches what is already installed, and never starts the
//! system service that a package may bring: the tests use private servers only.

use crate::account::is_root;
use crate::{runner, workspace};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that tests need and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    /// Names it goes by, in order of preference; an absolute path counts as a name, and a `*` in it
    /// stands for the number of the newest version.
    names: &'static [&'static str],
    package: &'static str,
}

pub(crate) const CHROMIUM: Program =
    Program { names: &["chromium", "chromium-browser", "google-chrome"], package: "chromium" };
pub(crate) const CHROMEDRIVER: Program =
    Program { names: &["chromedriver"], package: "chromium-driver" };
// Debian's /usr/sbin/rabbitmq-server changes the user and ignores the environment; the script
// behind it does neither.
pub(crate) const RABBITMQ: Program = Program {
    names: &["/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"],
    package: "rabbitmq-server",
};
// Erlang's name server, which RabbitMQ would otherwise start as a daemon that nobody stops.
pub(crate) const EPMD: Program = Program { names: &["epmd"], package: "erlang-base" };

// Debian keeps the programs of each version in a directory that is on nobody's search path.
pub(crate) const POSTGRES: Program =
    Program { names: &["postgres", "/usr/lib/postgresql/*/bin/postgres"], package: "postgresql" };
pub(crate) const PGBOUNCER: Program = Program { names: &["pgbouncer"], package: "pgbouncer" };

const ALL: [Program; 6] = [CHROMIUM, CHROMEDRIVER, RABBITMQ, EPMD, POSTGRES, PGBOUNCER];

impl Program {
    /// Where the program is, when it is installed.
    pub(crate) fn find(self) -> Option<PathBuf> {
        self.names.iter().find_map(|name| match name.split_once("/*/") {
            Some((versions, rest)) => newest(Path::new(versions), rest),
            None => workspace::find_program(name),
        })
    }
}

/// `<versions>/<number>/<rest>` with the highest number for which that is a file.
fn newest(versions: &Path, rest: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(versions).ok()?.flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let program = |number: u32| versions.join(number.to_string()).join(rest);
    numbers.filter(|number| program(*number).is_file()).max().map(program)
}

/// Installs what is missing, or prints how to.
///
/// What is still missing afterwards is found out by `Program::find`: its tests are skipped.
pub(crate) fn install_missing() {
    let missing: Vec<&str> =
        ALL.iter().filter(|program| program.find().is_none()).map(|p| p.package).collect();
    if missing.is_empty() {
        return;
    }
    let commands = [update(), install(&missing)];
    if workspace::find_program("apt-get").is_none() {
        println!("xtask: some tests need {}; install what has them", missing.join(", "));
    } else if !is_root() {
        let sudo = commands.each_ref().map(|command| format!("sudo {}", runner::shown(command)));
        println!("xtask: some tests need programs that are missing. To install them:");
        println!("  {}", sudo.join(" && "));
    } else {
        for mut command in commands {
            println!("==> install: {}", runner::shown(&command));
            match command.status() {
                Ok(status) if status.success() => {}
                Ok(status) => println!("xtask: apt-get failed ({status})"),
                Err(error) => println!("xtask: apt-get could not be started: {error}"),
            }
        }
    }
}

fn update() -> Command {
    let mut command = Command::new("apt-get");
    command.args(["update", "-q"]);
    command
}

fn install(packages: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["install", "-y", "-q", "--no-install-recommends"]).args(packages);
    // In run level 1 a package's post-installation script does not start its service.
    command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_install_command_names_only_what_is_missing() {
        let command = runner::shown(&install(&["chromium"]));
        assert_eq!(command, "apt-get install -y -q --no-install-recommends chromium", "as typed");
    }

    #[test]
    fn an_absolute_name_is_found_by_its_path() {
        let shell = Program { names: &["/no/such/sh", "/bin/sh"], package: "dash" };
        assert_eq!(shell.find(), Some(PathBuf::from("/bin/sh")), "the first that exists");
    }

    #[test]
    fn the_newest_version_is_the_one_with_the_highest_number() {
        let root = std::env::temp_dir().join(format!("legwork-versions-{}", std::process::id()));
        for version in ["9", "15", "16", "old"] {
            std::fs::create_dir_all(root.join(version).join("bin")).unwrap();
        }
        for version in ["9", "15", "old"] {
            std::fs::write(root.join(version).join("bin/server"), "").unwrap();
        }
        let found = newest(&root, "bin/server");
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, Some(root.join("15/bin/server")), "16 has no server, 9 is older");
    }
}
