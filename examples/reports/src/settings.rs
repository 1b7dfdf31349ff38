//! What can be set from outside, read once from environment variables.
//!
//! `main` reads it before anything starts. A value that cannot be used is an error that names the
//! variable; nothing falls back in silence. The table of variables is in the README.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Everything that can be set, with its default in [`Settings::read`].
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `REPORTS_ADDR`: where to listen; port 0 takes a free one.
    pub(crate) addr: SocketAddr,
    /// `REPORTS_DATA`: the directory of uploads, reports and mails, and of the SQLite file.
    pub(crate) data: PathBuf,
    /// `DATABASE_URL`: the PostgreSQL database; the SQLite file without it.
    pub(crate) database_url: Option<String>,
    /// `REPORTS_ROLE`: what this process does.
    pub(crate) role: Role,
    /// `REPORTS_UPLOAD_MAX_BYTES`: larger uploads are refused.
    pub(crate) upload_max_bytes: u64,
    /// `REPORTS_ROWS_PER_SECOND`: slows the report job down, to watch it or to interrupt it.
    pub(crate) rows_per_second: Option<u32>,
    /// `KEEP_REPORTS_SECS`: older reports are deleted each night.
    pub(crate) keep_reports: Duration,
    /// `TIME_ZONE`: what "night" means.
    pub(crate) time_zone: String,
    /// `MAIL_FROM`: the sender of every mail.
    pub(crate) mail_from: String,
    /// `SMTP_URL`: where mail goes; `.eml` files in the data directory without it.
    pub(crate) smtp_url: Option<String>,
    /// `AMQP_URL`: the RabbitMQ to publish events to; in memory without it.
    pub(crate) amqp_url: Option<String>,
    /// `REMIND_AFTER_SECS`: how long after signing up a user is reminded.
    pub(crate) remind_after: Duration,
    /// `ORDER_GRACE_SECS`: how long an order may be changed before the event goes out.
    pub(crate) order_grace: Duration,
    /// `ORDER_POLL_SECS`: how often orders are looked at.
    pub(crate) order_poll: Duration,
    /// `NOTIFY_SECS`: how long the notification of a new product takes.
    pub(crate) notify: Duration,
    /// `CACHE_REFRESH_SECS`: how often the summary of products is computed.
    pub(crate) cache_refresh: Duration,
    /// `LEASE_SECS`: how long a killed process keeps its jobs before another may take them.
    pub(crate) lease: Duration,
    /// `SHUTDOWN_SECS`: how long the process may take to stop.
    pub(crate) shutdown: Duration,
}

/// What a process does; together they are the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything: the one process of a small installation.
    All,
    /// Answers requests and enqueues jobs.
    Web,
    /// Works jobs. There may be any number of such processes.
    Worker,
}

impl Role {
    pub(crate) fn serves_web(self) -> bool {
        self != Self::Worker
    }

    pub(crate) fn works_jobs(self) -> bool {
        self != Self::Web
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "all" => Ok(Self::All),
            "web" => Ok(Self::Web),
            "worker" => Ok(Self::Worker),
            _ => Err(()),
        }
    }
}

impl Settings {
    /// Reads the environment of the process.
    pub(crate) fn from_env() -> Result<Self> {
        Self::read(|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => bail!("{name} is not valid UTF-8"),
        })
    }

    fn read(lookup: impl Fn(&str) -> Result<Option<String>>) -> Result<Self> {
        let vars = Variables { lookup };
        let day = 24 * 60 * 60;
        Ok(Self {
            addr: vars
                .parse("REPORTS_ADDR", "an address such as 127.0.0.1:8080")?
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
            data: vars.text("REPORTS_DATA")?.map_or("reports-data".into(), PathBuf::from),
            database_url: vars.text("DATABASE_URL")?,
            role: vars.parse("REPORTS_ROLE", "all, web or worker")?.unwrap_or(Role::All),
            upload_max_bytes: vars
                .parse("REPORTS_UPLOAD_MAX_BYTES", "a number of bytes")?
                .unwrap_or(1024 * 1024 * 1024),
            rows_per_second: vars
                .parse::<std::num::NonZeroU32>("REPORTS_ROWS_PER_SECOND", "a positive number")?
                .map(std::num::NonZeroU32::get),
            keep_reports: vars.secs("KEEP_REPORTS_SECS", 0, 30 * day)?,
            time_zone: vars.text("TIME_ZONE")?.unwrap_or_else(|| "UTC".to_owned()),
            mail_from: vars
                .text("MAIL_FROM")?
                .unwrap_or_else(|| "Reports <reports@example.org>".to_owned()),
            smtp_url: vars.text("SMTP_URL")?,
            amqp_url: vars.text("AMQP_URL")?,
            remind_after: vars.secs("REMIND_AFTER_SECS", 0, day)?,
            order_grace: vars.secs("ORDER_GRACE_SECS", 0, 60)?,
            order_poll: vars.secs("ORDER_POLL_SECS", 1, 5)?,
            notify: vars.secs("NOTIFY_SECS", 0, 5)?,
            cache_refresh: vars.secs("CACHE_REFRESH_SECS", 1, 60)?,
            lease: vars.secs("LEASE_SECS", 1, 30)?,
            shutdown: vars.secs("SHUTDOWN_SECS", 1, 30)?,
        })
    }
}

/// Looks variables up and names them in errors.
struct Variables<F> {
    lookup: F,
}

impl<F: Fn(&str) -> Result<Option<String>>> Variables<F> {
    /// Returns the trimmed text; an empty variable counts as not set.
    fn text(&self, name: &str) -> Result<Option<String>> {
        let value = (self.lookup)(name)?.map(|value| value.trim().to_owned());
        Ok(value.filter(|value| !value.is_empty()))
    }

    fn parse<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let Ok(value) = text.parse() else { bail!("{name} is {text:?}, not {expected}") };
        Ok(Some(value))
    }

    /// Reads whole seconds, at least `least`.
    fn secs(&self, name: &str, least: u64, default: u64) -> Result<Duration> {
        let secs = self.parse(name, "a whole number of seconds")?.unwrap_or(default);
        if secs < least {
            bail!("{name} is {secs}, and must be at least {least}");
        }
        // A century bounds every later addition.
        let most = 100 * 366 * 24 * 60 * 60;
        Some(secs)
            .filter(|&secs| secs <= most)
            .map(Duration::from_secs)
            .with_context(|| format!("{name} is {secs}, which is over 100 years"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Settings> {
        Settings::read(|name| {
            let found = vars.iter().find(|(var, _)| *var == name);
            Ok(found.map(|(_, value)| (*value).to_owned()))
        })
    }

    #[test]
    fn nothing_has_to_be_set() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.addr.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.remind_after, Duration::from_hours(24));
        assert_eq!((settings.smtp_url, settings.database_url), (None, None));
        assert!(settings.role.serves_web() && settings.role.works_jobs());
    }

    #[test]
    fn a_process_serves_works_or_does_both() {
        let role = |text| read(&[("REPORTS_ROLE", text)]).map(|settings| settings.role);
        assert!(role("web").unwrap().serves_web() && !role("web").unwrap().works_jobs());
        assert!(!role("worker").unwrap().serves_web() && role("worker").unwrap().works_jobs());
        let error = role("queen").unwrap_err().to_string();
        assert_eq!(error, "REPORTS_ROLE is \"queen\", not all, web or worker");
    }

    #[test]
    fn a_value_is_read_and_an_empty_one_is_not_set() {
        let settings = read(&[("LEASE_SECS", " 3 "), ("SMTP_URL", "")]).unwrap();
        assert_eq!(settings.lease, Duration::from_secs(3));
        assert_eq!(settings.smtp_url, None);
    }

    #[test]
    fn an_error_names_the_variable_and_what_is_expected() {
        let error = |vars: &[(&str, &str)]| read(vars).unwrap_err().to_string();
        assert_eq!(
            error(&[("REPORTS_ADDR", "8080")]),
            "REPORTS_ADDR is \"8080\", not an address such as 127.0.0.1:8080"
        );
        assert_eq!(error(&[("LEASE_SECS", "0")]), "LEASE_SECS is 0, and must be at least 1");
        assert_eq!(
            error(&[("REPORTS_ROWS_PER_SECOND", "0")]),
            "REPORTS_ROWS_PER_SECOND is \"0\", not a positive number"
        );
        assert!(error(&[("REMIND_AFTER_SECS", "99999999999")]).contains("over 100 years"));
    }
}
