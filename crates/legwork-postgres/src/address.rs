//! Where the database is and how to get in: a URL, taken apart and checked.
//!
//! [`crate::dial`] connects with it; the storage takes its schema and its location. It must never
//! let the password out, neither by `Debug` nor in an error. What `sslmode` means is in
//! [`crate::tls`], which parameters there are at [`Address::parse`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use legwork_core::{Error, Result};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslNegotiation, TargetSessionAttrs};

use crate::tls::{Given, SslMode, TlsOptions};

/// The schema that Legwork's tables are in unless the URL names another.
const DEFAULT_SCHEMA: &str = "legwork";

/// How PostgreSQL shows our connections unless the URL says otherwise.
const APPLICATION_NAME: &str = "legwork";

/// The longest name that PostgreSQL keeps whole, in bytes.
const NAME_MAX: usize = 63;

/// How long one address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

// A peer that is gone without a word is noticed after 5 + 3 × 2 s when nothing is sent, and after
// 8 s when something is.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_RETRIES: u32 = 3;
const USER_TIMEOUT: Duration = Duration::from_secs(8);

/// The parameters that the driver does not know, or knows by another meaning.
const OWN: [&str; 7] =
    ["pooled", "schema", "sslcert", "sslkey", "sslmode", "sslrootcert", "tcp_user_timeout"];

/// What would end the name of a database in a location before its end.
const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'/').add(b'?').add(b' ');

/// Where a database is and how to get in.
#[derive(Clone)]
pub(crate) struct Address {
    endpoints: Vec<Endpoint>,
    /// Everything that the driver is told, but for the server.
    session: Config,
    tls: TlsOptions,
    database: String,
    schema: String,
    pooled: Option<bool>,
    named: bool,
}

/// One server that the URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) place: Place,
    pub(crate) port: u16,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A host by its name or its address, and the address to use instead of looking the name up.
    Tcp(String, Option<IpAddr>),
    /// The directory of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Takes a URL apart.
    ///
    /// `postgres://user:password@host:port/database?parameter=value&…`, also with `postgresql://`,
    /// several hosts with commas between them, and the directory of a Unix socket, percent-encoded,
    /// in the place of a host. Without a host it is `localhost`, without a port 5432, without a
    /// database the one named like the user. Parameters:
    ///
    /// - `schema`: the schema of Legwork's tables; `legwork`
    /// - `pooled`: `true` when a pooler in transaction mode is in front of the server, `false` when
    ///   there is none; `auto`, which finds out
    /// - `sslmode`, `sslrootcert`, `sslcert`, `sslkey`: see [`crate::tls`]; a server of another
    ///   machine must prove who it is (`verify-full`), one of this machine is spoken to in clear
    ///   text
    /// - `connect_timeout`, in seconds for each address of a host; 5
    /// - `tcp_user_timeout`, in milliseconds as everywhere in PostgreSQL; 8000
    /// - `keepalives`, `keepalives_idle`, `keepalives_interval`, `keepalives_count`: on, 5 s, 2 s,
    ///   3
    /// - `application_name`; `legwork` with what the connection is for
    /// - `user`, `password`, `dbname`, `host`, `hostaddr`, `port`, `options`, `channel_binding`,
    ///   `sslnegotiation`, `load_balance_hosts`, `target_session_attrs`: as in PostgreSQL; the last
    ///   is always taken for `read-write`
    ///
    /// # Errors
    /// [`Invalid`](legwork_core::ErrorKind::Invalid), with the name of the parameter and the rule
    /// that it breaks.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let parts = Parts::split(url)?;
        let given = parts.driver_url().parse::<Config>().map_err(|error| parts.refused(&error))?;
        let endpoints = endpoints(&given)?;
        let local = endpoints.iter().all(Endpoint::is_local);
        let tls = parts.tls(local)?;
        check_session(&given, tls.mode())?;
        let database = given.get_dbname().or(given.get_user()).filter(|name| !name.is_empty());
        let database = database.ok_or_else(|| {
            Error::invalid("the PostgreSQL URL names no database: add `/name` after the host")
        })?;
        Ok(Self {
            session: session(&given, &parts, &tls)?,
            database: database.to_owned(),
            schema: parts.schema()?,
            pooled: parts.pooled()?,
            named: given.get_application_name().is_some(),
            endpoints,
            tls,
        })
    }

    /// Returns the name of the place, without user and secrets.
    ///
    /// Storages with the same location share their jobs.
    pub(crate) fn location(&self) -> String {
        let hosts: Vec<String> = self.endpoints.iter().map(Endpoint::to_string).collect();
        let database = utf8_percent_encode(&self.database, RESERVED);
        let location = format!("postgres:{}/{database}", hosts.join(","));
        if self.schema == DEFAULT_SCHEMA {
            return location;
        }
        format!("{location}?schema={}", self.schema)
    }

    /// Returns the schema of Legwork's tables: an identifier in lower case.
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// Tells whether a pooler in transaction mode is in front, where the URL says so.
    pub(crate) fn pooled(&self) -> Option<bool> {
        self.pooled
    }

    /// Returns the servers, at least one, in the order of the URL.
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Returns how connections are to be protected.
    pub(crate) fn tls(&self) -> &TlsOptions {
        &self.tls
    }

    /// Tells whether every server is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.endpoints.iter().all(Endpoint::is_local)
    }

    /// Tells whether the order of the servers is left to chance.
    pub(crate) fn is_balanced(&self) -> bool {
        self.session.get_load_balance_hosts() == tokio_postgres::config::LoadBalanceHosts::Random
    }

    /// Returns what the driver is told to reach `endpoint`, at `ip` if it is a host.
    ///
    /// `purpose` is shown by the server beside our name, unless the URL gives the name.
    pub(crate) fn config(
        &self,
        endpoint: &Endpoint,
        ip: Option<IpAddr>,
        purpose: Option<&str>,
    ) -> Config {
        let mut config = self.session.clone();
        config.port(endpoint.port);
        match &endpoint.place {
            Place::Tcp(name, _) => config.host(name),
            // PostgreSQL knows no TLS on Unix sockets.
            Place::Unix(directory) => {
                config.ssl_mode(SslMode::Disable.for_driver()).host_path(directory)
            }
        };
        if let Some(ip) = ip {
            config.hostaddr(ip);
        }
        if let Some(purpose) = purpose.filter(|_| !self.named) {
            config.application_name(format!("{APPLICATION_NAME} {purpose}"));
        }
        config
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("location", &self.location())
            .field("user", &self.session.get_user())
            .field("tls", &self.tls)
            .field("pooled", &self.pooled)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    fn new(host: Option<&Host>, ip: Option<IpAddr>, port: u16) -> Self {
        let place = match host {
            Some(Host::Unix(directory)) => Place::Unix(directory.clone()),
            Some(Host::Tcp(name)) if !name.is_empty() => Place::Tcp(name.to_lowercase(), ip),
            _ => Place::Tcp(ip.map_or_else(|| "localhost".to_owned(), |ip| ip.to_string()), ip),
        };
        Self { place, port }
    }

    fn is_local(&self) -> bool {
        match &self.place {
            Place::Unix(_) => true,
            Place::Tcp(name, ip) => match ip.or_else(|| name.parse().ok()) {
                Some(ip) => ip.is_loopback(),
                None => name == "localhost" || name.ends_with(".localhost"),
            },
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(name, _) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Place::Tcp(name, _) => write!(f, "{name}:{}", self.port),
            Place::Unix(directory) => write!(f, "{}:{}", directory.display(), self.port),
        }
    }
}

/// A URL in two halves: what the driver reads, and what is for us.
struct Parts<'u> {
    /// User, password, hosts and database.
    front: &'u str,
    /// The parameters for the driver, as they were written.
    parameters: String,
    names: BTreeSet<String>,
    own: BTreeMap<String, String>,
}

impl<'u> Parts<'u> {
    fn split(url: &'u str) -> Result<Self> {
        if url.contains(|c: char| c.is_control() || c == ' ') {
            return Err(Error::invalid(
                "the PostgreSQL URL contains a space or a line break, perhaps at its end",
            ));
        }
        let schemes = ["postgres://", "postgresql://"];
        let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)).ok_or_else(|| {
            Error::invalid("a PostgreSQL URL begins with `postgres://` or `postgresql://`")
        })?;
        let (front, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (servers, path) = front.split_once('/').unwrap_or((front, ""));
        // What follows would be taken for a host, or a database, and shown.
        if servers.matches('@').count() > 1 || path.contains('@') {
            return Err(Error::invalid(
                "a user name or password in the PostgreSQL URL contains `@` or `/`: write `%40` \
                 and `%2F`",
            ));
        }
        let (parameters, names) = (String::new(), BTreeSet::new());
        let mut parts = Self { front, parameters, names, own: BTreeMap::new() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            parts.take(pair)?;
        }
        Ok(parts)
    }

    fn take(&mut self, pair: &str) -> Result<()> {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::invalid(
                "a parameter of the PostgreSQL URL has no value: write `name=value`, and `%26` for \
                 `&` in a value",
            ));
        };
        let name = decode(name)?;
        if OWN.contains(&name.as_str()) {
            let again = self.own.insert(name.clone(), decode(value)?).is_some();
            if again {
                return Err(Error::invalid(format!("`{name}` is given twice")));
            }
            return Ok(());
        }
        // PostgreSQL's name for what the driver calls a retry.
        let name = if name == "keepalives_count" { "keepalives_retries".to_owned() } else { name };
        // The driver takes everything before an `@`, wherever it is, for a user and a password.
        let value = value.replace('@', "%40");
        self.parameters.extend(["&", &name, "=", &value]);
        self.names.insert(name);
        Ok(())
    }

    fn driver_url(&self) -> String {
        format!("postgres://{}?{}", self.front, self.parameters.trim_start_matches('&'))
    }

    /// Makes an error of the driver's, which names parameters and no values.
    fn refused(&self, error: &tokio_postgres::Error) -> Error {
        use std::error::Error as _;
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        // With an `@` among the parameters, what looks like their names may be part of a password.
        if !self.front.contains('@') && self.parameters.contains("%40") {
            return Error::invalid(
                "the PostgreSQL URL is not understood: special characters of a user name or \
                 password must be percent-encoded",
            );
        }
        Error::invalid(format!("the PostgreSQL URL is not understood: {cause}"))
    }

    fn is_given(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn own(&self, name: &str) -> Option<&str> {
        self.own.get(name).map(String::as_str)
    }

    fn tls(&self, local: bool) -> Result<TlsOptions> {
        let text = |name| self.own(name).map(str::to_owned);
        let given = Given {
            mode: self.own("sslmode").map(SslMode::parse).transpose()?,
            roots: text("sslrootcert"),
            certificate: text("sslcert"),
            key: text("sslkey"),
        };
        TlsOptions::new(given, local)
    }

    fn schema(&self) -> Result<String> {
        let schema = self.own("schema").unwrap_or(DEFAULT_SCHEMA);
        check_schema(schema)?;
        Ok(schema.to_owned())
    }

    fn pooled(&self) -> Result<Option<bool>> {
        match self.own("pooled") {
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some("auto") | None => Ok(None),
            Some(_) => Err(Error::invalid("`pooled` must be true, false or auto")),
        }
    }

    fn user_timeout(&self) -> Result<Option<Duration>> {
        let Some(text) = self.own("tcp_user_timeout") else { return Ok(Some(USER_TIMEOUT)) };
        let millis: u32 = text
            .parse()
            .map_err(|_| Error::invalid("`tcp_user_timeout` must be a number of milliseconds"))?;
        Ok((millis > 0).then(|| Duration::from_millis(millis.into())))
    }
}

fn decode(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| {
        Error::invalid("a parameter of the PostgreSQL URL is not UTF-8 once it is decoded")
    })?;
    Ok(decoded.into_owned())
}

/// Refuses a name that is not a plain identifier, or one that is not Legwork's to use.
fn check_schema(schema: &str) -> Result<()> {
    let first = schema.bytes().next();
    let rule = if schema.is_empty() || schema.len() > NAME_MAX {
        "must have 1 to 63 bytes"
    } else if !schema.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
        "may contain only a-z, 0-9 and _"
    } else if first.is_some_and(|b| b.is_ascii_digit()) {
        "must not begin with a digit"
    } else if schema.starts_with("pg_") {
        "must not begin with pg_, which PostgreSQL keeps for itself"
    } else if matches!(schema, "public" | "information_schema") {
        "must be Legwork's own, not one that others use"
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("`schema` {rule}")))
}

/// Pairs hosts, addresses and ports.
fn endpoints(given: &Config) -> Result<Vec<Endpoint>> {
    let hosts: Vec<Host> = given.get_hosts().iter().flat_map(one_by_one).collect();
    let (ips, ports) = (given.get_hostaddrs(), given.get_ports());
    if !hosts.is_empty() && !ips.is_empty() && hosts.len() != ips.len() {
        return Err(Error::invalid("`hostaddr` must have one address for each host"));
    }
    let n = std::cmp::max(std::cmp::max(hosts.len(), ips.len()), 1);
    if ports.len() > 1 && ports.len() != n {
        return Err(Error::invalid("`port` must be one number, or one for each host"));
    }
    let port = |i| ports.get(i).or(ports.first()).copied().unwrap_or(5432);
    Ok((0..n).map(|i| Endpoint::new(hosts.get(i), ips.get(i).copied(), port(i))).collect())
}

/// Parts hosts that came as one parameter, which the driver leaves together.
fn one_by_one(host: &Host) -> Vec<Host> {
    match host {
        Host::Tcp(names) => names.split(',').map(|name| Host::Tcp(name.to_owned())).collect(),
        Host::Unix(_) => vec![host.clone()],
    }
}

fn check_session(given: &Config, mode: SslMode) -> Result<()> {
    if given.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
        return Err(Error::invalid("`target_session_attrs` must not be read-only: Legwork writes"));
    }
    if given.get_ssl_negotiation() == SslNegotiation::Direct && mode < SslMode::Require {
        return Err(Error::invalid("`sslnegotiation=direct` needs `sslmode=require` or more"));
    }
    Ok(())
}

/// Returns everything that was given but for the servers, with our defaults where it says nothing.
fn session(given: &Config, parts: &Parts<'_>, tls: &TlsOptions) -> Result<Config> {
    let mut config = Config::new();
    if let Some(user) = given.get_user() {
        config.user(user);
    }
    if let Some(password) = given.get_password() {
        config.password(password);
    }
    if let Some(database) = given.get_dbname() {
        config.dbname(database);
    }
    if let Some(options) = given.get_options() {
        config.options(options);
    }
    config
        .application_name(given.get_application_name().unwrap_or(APPLICATION_NAME))
        .ssl_mode(tls.mode().for_driver())
        .ssl_negotiation(given.get_ssl_negotiation())
        .channel_binding(given.get_channel_binding())
        .load_balance_hosts(given.get_load_balance_hosts())
        .connect_timeout(given.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT))
        .keepalives(given.get_keepalives())
        .keepalives_interval(given.get_keepalives_interval().unwrap_or(KEEPALIVE_INTERVAL))
        .keepalives_retries(given.get_keepalives_retries().unwrap_or(KEEPALIVE_RETRIES));
    let idle = parts.is_given("keepalives_idle").then(|| given.get_keepalives_idle());
    config.keepalives_idle(idle.unwrap_or(KEEPALIVE_IDLE));
    if let Some(timeout) = parts.user_timeout()? {
        config.tcp_user_timeout(timeout);
    }
    Ok(config)
}

#[cfg(test)]
mod tests;
