//! Who runs this process, and which account runs the servers that refuse root.
//!
//! Used by `packages` (only root installs) and by `servers`. Accounts are read from `/etc/passwd`,
//! so that no program is needed to change to one; an account that is only in a directory service is
//! not found. Changing to an account is the business of `guard`.

use anyhow::Context as _;
use std::process::Command;

const ACCOUNTS: &str = "/etc/passwd";

/// The accounts that may run a server, in order of preference.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// An account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) user_id: u32,
    pub(crate) group_id: u32,
}

impl Account {
    /// The account for a server that refuses root; `None` when we are not root ourselves.
    ///
    /// # Errors
    /// We are root, and the machine has no account without privileges.
    pub(crate) fn for_server() -> anyhow::Result<Option<Self>> {
        if !is_root() {
            return Ok(None);
        }
        let accounts = std::fs::read_to_string(ACCOUNTS)
            .with_context(|| format!("{ACCOUNTS} cannot be read"))?;
        let found = UNPRIVILEGED.iter().find_map(|name| Self::find(&accounts, name));
        found.map(Some).with_context(|| format!("no account of {UNPRIVILEGED:?} exists"))
    }

    /// Reads one account from the text of `/etc/passwd`: `name:password:user:group:…`.
    fn find(accounts: &str, name: &str) -> Option<Self> {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let is_it = fields.next() == Some(name);
            let (user_id, group_id) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            is_it.then(|| Self { name: name.to_owned(), user_id, group_id })
        })
    }
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\npostgres:x:101:104::/home:/bin/sh\n";

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let found = Account { name: "postgres".to_owned(), user_id: 101, group_id: 104 };
        assert_eq!(Account::find(TEXT, "postgres"), Some(found), "user and group of its line");
        assert_eq!(Account::find(TEXT, "post"), None, "a part of a name is another name");
    }

    #[test]
    fn only_root_changes_to_another_account() {
        let account = Account::for_server().unwrap();
        assert_eq!(account.is_some(), is_root(), "everyone else runs servers as themselves");
        assert!(account.is_none_or(|account| account.user_id != 0), "and never as root again");
    }
}
