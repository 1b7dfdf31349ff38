//! From an address to a session that is ready: reached, logged in, looked at and set up.
//!
//! [`crate::ground`] dials every connection here and drives what it gets. It tries each server of
//! the URL, the one that answered last first, and gives up on all of them after [`DIAL_LIMIT`].
//! It never waits and tries again: that is [`crate::line`]'s. Failures are put into words in
//! `refusal`.

mod refusal;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join;
use legwork_core::{Error, Result};
use tokio::time::timeout;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, SimpleQueryMessage, SimpleQueryRow, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::refusal::Refusal;
use crate::address::{Address, Endpoint, Place};
use crate::tls::Tls;

/// How long a dial may take, over all servers; each server has an equal share of it.
pub(crate) const DIAL_LIMIT: Duration = Duration::from_secs(10);

/// How often the question is asked whether a pooler is in front. With four sessions for twelve
/// clients that never rest, five times missed one pooler in 60, and ten none in 300.
const PROBES: usize = 10;

/// The oldest PostgreSQL that Legwork runs on, as the server numbers it: 13.
const VERSION_MIN: u32 = 130_000;

/// What a session is like.
///
/// - Plans are pinned: every hot statement has an index to go by, and a plan that was made while a
///   table was empty must not outlive that. A planner that may not choose never chooses badly.
/// - No statement, lock or forgotten transaction holds others up for long: 30, 5 and 15 s.
macro_rules! settings {
    ($set:literal) => {
        concat!(
            $set,
            " plan_cache_mode = force_generic_plan; ",
            $set,
            " enable_seqscan = off; ",
            $set,
            " enable_bitmapscan = off; ",
            $set,
            " enable_hashjoin = off; ",
            $set,
            " enable_mergejoin = off; ",
            $set,
            " jit = off; ",
            $set,
            " statement_timeout = '30s'; ",
            $set,
            " lock_timeout = '5s'; ",
            $set,
            " idle_in_transaction_session_timeout = '15s'; ",
            $set,
            " TimeZone = 'UTC'",
        )
    };
}

/// The settings of a session of our own; the encoding is the driver's, always UTF-8.
pub(crate) const SESSION_SETTINGS: &str = settings!("SET");

/// The same for one transaction, where a pooler shares the session with others.
pub(crate) const LOCAL_SETTINGS: &str = settings!("SET LOCAL");

/// Asks a server what it is.
const FACTS: &str = "SELECT current_setting('server_version_num') AS version, \
                     pg_is_in_recovery() AS standby, \
                     current_setting('transaction_read_only') AS read_only";

const BACKEND: &str = "SELECT pg_backend_pid() AS backend";

/// Opens connections to one address. Clones share what they learn.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: Address,
    tls: Tls,
    /// The server to try first: the one that answered last.
    first: AtomicUsize,
}

/// A session that is ready, and the connection to drive it by.
pub(crate) struct Dialed {
    pub(crate) client: Client,
    pub(crate) connection: Connection,
}

impl fmt::Debug for Dialed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialed").finish_non_exhaustive()
    }
}

type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// The connection behind a [`Client`], which moves only while [`next`](Self::next) is awaited.
pub(crate) struct Connection(tokio_postgres::Connection<Socket, Stream>);

impl Connection {
    /// Moves the connection until the server has something to say by itself.
    ///
    /// Returns `None` once the client was dropped and everything it sent is answered. After `None`
    /// or an error it must not be called again.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped: what was half read stays in the connection.
    pub(crate) async fn next(&mut self) -> Option<Result<AsyncMessage, tokio_postgres::Error>> {
        poll_fn(|cx| self.0.poll_message(cx)).await
    }

    /// Moves the connection until `work` is done; what the server says by itself is dropped.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Refusal> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(done) = work.as_mut().poll(cx) {
                    return Poll::Ready(Ok(done));
                }
                let ended = match self.0.poll_message(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(_))) => continue,
                    Poll::Ready(Some(Err(error))) => Refusal::Driver(error),
                    Poll::Ready(None) => Refusal::Closed,
                };
                // The last answer may have come with the end.
                return match work.as_mut().poll(cx) {
                    Poll::Ready(done) => Poll::Ready(Ok(done)),
                    Poll::Pending => Poll::Ready(Err(ended)),
                };
            }
        })
        .await
    }
}

impl Dialer {
    /// Makes a dialer, after having read the certificates that the address names.
    ///
    /// # Errors
    /// [`Invalid`](legwork_core::ErrorKind::Invalid) when a certificate cannot be used.
    pub(crate) fn new(address: Address) -> Result<Self> {
        let tls = Tls::new(address.tls().clone());
        tls.connector()?;
        if address.tls().is_unverified() && !address.is_local() {
            tracing::warn!(
                location = address.location(),
                sslmode = address.tls().mode().as_str(),
                "the database is not asked to prove who it is: whoever stands between can read and \
                 change everything"
            );
        }
        Ok(Self { inner: Arc::new(Inner { address, tls, first: AtomicUsize::new(0) }) })
    }

    /// Opens a session on a server that takes writes, and sets it up unless it is `pooled`.
    ///
    /// `purpose` is what the server shows the connection for. Takes at most [`DIAL_LIMIT`].
    ///
    /// # Errors
    /// [`Unavailable`](legwork_core::ErrorKind::Unavailable) when no server can be reached or the
    /// one that can takes no writes, [`Invalid`](legwork_core::ErrorKind::Invalid) when the login
    /// or the certificate is refused, [`NotFound`](legwork_core::ErrorKind::NotFound) without the
    /// database, [`Unsupported`](legwork_core::ErrorKind::Unsupported) when the server is too old
    /// or the role may not enter.
    ///
    /// # Cancel safety
    /// A connection that was half open is closed.
    pub(crate) async fn dial(&self, purpose: &str, pooled: bool) -> Result<Dialed> {
        let own = Wish { purpose: Some(purpose), settings: Some(SESSION_SETTINGS) };
        let wish = if pooled { Wish::BARE } else { own };
        self.within_limit(self.open(wish)).await
    }

    /// Opens a session on a server that takes writes, with none of our settings.
    ///
    /// # Errors
    /// As [`dial`](Self::dial).
    pub(crate) async fn dial_bare(&self) -> Result<Dialed> {
        self.within_limit(self.open(Wish::BARE)).await
    }

    /// Tells whether a pooler in transaction mode is in front of the server.
    ///
    /// Asks the server, on two connections, unless the URL says it. Takes at most [`DIAL_LIMIT`].
    ///
    /// # Errors
    /// As [`dial`](Self::dial).
    pub(crate) async fn is_pooled(&self) -> Result<bool> {
        match self.inner.address.pooled() {
            Some(pooled) => Ok(pooled),
            None => self.within_limit(self.probe()).await,
        }
    }

    async fn within_limit<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let too_late = |_| {
            let servers = refusal::list(self.inner.address.endpoints());
            Err(refusal::too_late(&servers, DIAL_LIMIT))
        };
        timeout(DIAL_LIMIT, Box::pin(work)).await.unwrap_or_else(too_late)
    }

    /// Tries one server after the other.
    async fn open(&self, wish: Wish<'_>) -> Result<Dialed> {
        let Inner { address, tls, first } = &*self.inner;
        let connector = tls.connector()?;
        let endpoints = address.endpoints();
        let start = if address.is_balanced() {
            fastrand::usize(..endpoints.len())
        } else {
            first.load(Ordering::Relaxed)
        };
        let n = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
        let share = DIAL_LIMIT / n;
        let mut refusals = Vec::new();
        for (index, endpoint) in
            endpoints.iter().enumerate().cycle().skip(start).take(endpoints.len())
        {
            let attempt = self.open_endpoint(endpoint, &connector, wish, &mut refusals);
            match timeout(share, attempt).await {
                Ok(Some(dialed)) => {
                    first.store(index, Ordering::Relaxed);
                    return Ok(dialed);
                }
                Ok(None) => {}
                Err(_) => refusals.push(refusal::too_late(&endpoint.to_string(), share)),
            }
        }
        Err(refusal::all(refusals))
    }

    /// Tries every address of a server.
    async fn open_endpoint(
        &self,
        endpoint: &Endpoint,
        connector: &MakeRustlsConnect,
        wish: Wish<'_>,
        refusals: &mut Vec<Error>,
    ) -> Option<Dialed> {
        let address = &self.inner.address;
        let server = endpoint.to_string();
        let ips = match look_up(endpoint).await {
            Ok(ips) => ips,
            Err(refusal) => {
                refusals.push(refusal.into_error(&server, address.tls()));
                return None;
            }
        };
        for ip in ips {
            let config = address.config(endpoint, ip, wish.purpose);
            match enter(&config, connector, wish.settings).await {
                Ok(dialed) => return Some(dialed),
                Err(refusal) => refusals.push(refusal.into_error(&server, address.tls())),
            }
        }
        None
    }

    /// Finds out whether what looks like a session is the same session from one statement to the
    /// next, while another session is kept busy.
    async fn probe(&self) -> Result<bool> {
        let mut idle = self.open(Wish::BARE).await?;
        let mut busy = self.open(Wish::BARE).await?;
        let mut pooled = false;
        let session = self.ask(&mut idle, BACKEND).await?;
        for _ in 0..PROBES {
            let held = self.ask(&mut busy, &format!("BEGIN; {BACKEND}")).await?;
            pooled = held == session || self.ask(&mut idle, BACKEND).await? != session;
            self.ask(&mut busy, "ROLLBACK").await?;
            if pooled {
                break;
            }
        }
        idle.close().await;
        busy.close().await;
        Ok(pooled)
    }

    /// Runs a statement and returns the first column of its last row.
    async fn ask(&self, dialed: &mut Dialed, sql: &str) -> Result<Option<String>> {
        let question = dialed.client.simple_query(sql);
        let answer = match dialed.connection.drive(question).await {
            Ok(answer) => answer.map_err(Refusal::Driver),
            Err(refusal) => Err(refusal),
        };
        let answer = answer.map_err(|refusal| {
            let Inner { address, .. } = &*self.inner;
            let cause = refusal.into_error(&refusal::list(address.endpoints()), address.tls());
            let message = "cannot find out whether a pooler is in front of the database: say it \
                           with `pooled=true` or `pooled=false`";
            Error::with_source(cause.kind(), message, cause)
        })?;
        Ok(rows(&answer).last().and_then(|row| row.get(0)).map(str::to_owned))
    }
}

impl Dialed {
    /// Says goodbye, so that neither the server nor a pooler has a death to report.
    async fn close(self) {
        let Self { client, mut connection } = self;
        drop(client);
        while let Some(Ok(_)) = connection.next().await {}
    }
}

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy)]
struct Wish<'w> {
    /// Shown by the server. Behind a pooler all connections must look alike, or it would rename the
    /// sessions that they share time and again.
    purpose: Option<&'w str>,
    settings: Option<&'static str>,
}

impl Wish<'_> {
    const BARE: Self = Self { purpose: None, settings: None };
}

/// Returns the addresses of a server; `None` stands for a Unix socket.
async fn look_up(endpoint: &Endpoint) -> Result<Vec<Option<IpAddr>>, Refusal> {
    match &endpoint.place {
        Place::Unix(_) => Ok(vec![None]),
        Place::Tcp(_, Some(ip)) => Ok(vec![Some(*ip)]),
        Place::Tcp(name, None) => {
            let found = tokio::net::lookup_host((name.as_str(), endpoint.port)).await;
            let ips: Vec<_> =
                found.map_err(Refusal::LookUp)?.map(|address| Some(address.ip())).collect();
            if ips.is_empty() {
                return Err(Refusal::LookUp(io::ErrorKind::NotFound.into()));
            }
            Ok(ips)
        }
    }
}

/// Connects, logs in, and looks at the server and sets the session up in one round trip.
async fn enter(
    config: &Config,
    connector: &MakeRustlsConnect,
    settings: Option<&str>,
) -> Result<Dialed, Refusal> {
    let (client, connection) = config.connect(connector.clone()).await.map_err(Refusal::Driver)?;
    let mut connection = Connection(connection);
    let set = async {
        match settings {
            Some(settings) => client.batch_execute(settings).await,
            None => Ok(()),
        }
    };
    let (facts, set) = connection.drive(join(client.simple_query(FACTS), set)).await?;
    // First what the server is: one that is too old does not know all the settings.
    judge(&facts.map_err(Refusal::Driver)?)?;
    set.map_err(Refusal::Driver)?;
    Ok(Dialed { client, connection })
}

/// Refuses a server on which Legwork cannot work.
fn judge(facts: &[SimpleQueryMessage]) -> Result<(), Refusal> {
    let row = rows(facts).next().ok_or(Refusal::Unclear)?;
    let version = row.get("version").and_then(|text| text.parse().ok()).ok_or(Refusal::Unclear)?;
    verdict(version, row.get("standby") == Some("t"), row.get("read_only") != Some("off"))
}

fn verdict(version: u32, is_standby: bool, is_read_only: bool) -> Result<(), Refusal> {
    if version < VERSION_MIN {
        return Err(Refusal::TooOld(version));
    }
    if is_standby {
        return Err(Refusal::Standby);
    }
    if is_read_only { Err(Refusal::ReadOnly) } else { Ok(()) }
}

fn rows(answer: &[SimpleQueryMessage]) -> impl Iterator<Item = &SimpleQueryRow> {
    answer.iter().filter_map(|message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        Some(row)
    })
}

#[cfg(test)]
mod tests;
