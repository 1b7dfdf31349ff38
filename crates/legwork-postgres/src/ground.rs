//! What all connections of one storage share.
//!
//! [`crate::storage`] makes it; [`crate::line`] dials through it. It knows where the database is,
//! whether a pooler is in front of it, and whether the storage was closed.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use legwork_core::{CancellationToken, Capabilities, Clock, Error, ErrorKind, Incarnation, Result};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::task::TaskTracker;

use crate::conn::Conn;
use crate::dial::Dialer;
use crate::error::Remedy;
use crate::floor::Floors;
use crate::lease::Granted;
use crate::line::{CALL_LIMIT, back_off, too_slow};
use crate::names::{Name, Names};
use crate::number::Numbers;
use crate::schema;
use crate::signal::Signals;

/// How long a connection that nobody uses any more may take to say goodbye, or to answer what it
/// was asked last.
const GOODBYE_LIMIT: Duration = Duration::from_secs(5);

/// What all connections of one storage share.
pub(crate) struct Ground {
    pub(crate) dialer: Dialer,
    pub(crate) location: String,
    pub(crate) schema: Arc<str>,
    pub(crate) capabilities: Capabilities,
    /// The time of tests; `None` stands for the server's.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) names: Arc<Names>,
    /// What tells the database apart from others with the same address.
    pub(crate) installation: OnceLock<String>,
    pub(crate) numbers: Numbers,
    /// The numbers of this process's servers.
    pub(crate) servers: Mutex<HashMap<Incarnation, i32>>,
    pub(crate) granted: Granted,
    pub(crate) floors: Mutex<Floors>,
    /// Where the last look at unsettled continuations ended.
    pub(crate) settled_up_to: AtomicI64,
    pub(crate) signals: Signals,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the storage is closed.
    pub(crate) closing: CancellationToken,
    pub(crate) pooled: AtomicBool,
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Ground {
    /// Refuses calls after the storage was closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closing.is_cancelled() {
            return Err(Error::new(ErrorKind::Closed, "the storage has been closed"));
        }
        Ok(())
    }

    /// Tells whether a transaction pooler is in front of the database.
    pub(crate) fn is_pooled(&self) -> bool {
        self.pooled.load(Ordering::Relaxed)
    }

    /// Remembers that a transaction pooler is in front of the database.
    pub(crate) fn set_pooled(&self) {
        if !self.pooled.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                location = self.location,
                "a pooler in transaction mode is in front of the database: no statement is \
                 prepared and other processes are found by polling"
            );
        }
    }

    /// Opens a connection and sees to it until it ends.
    pub(crate) async fn dial(&self, purpose: &str) -> Result<Arc<Conn>> {
        let pooled = self.is_pooled();
        let dialed = self.dialer.dial(purpose, pooled).await?;
        let mut connection = dialed.connection;
        let ended = CancellationToken::new();
        let unused = ended.clone();
        self.tasks.spawn(async move {
            let unused_for_long = async {
                unused.cancelled().await;
                sleep(GOODBYE_LIMIT).await;
            };
            let moving = async {
                while let Some(message) = connection.next().await {
                    if let Err(error) = message {
                        tracing::debug!(%error, "a connection to the database ended");
                        break;
                    }
                }
            };
            tokio::select! {
                () = moving => {}
                () = unused_for_long => tracing::debug!("a connection that is silent is closed"),
            }
        });
        Ok(Arc::new(Conn::new(dialed.client, Arc::clone(&self.schema), pooled, ended)))
    }

    /// Brings the schema up to date, or only makes sure that it is.
    pub(crate) async fn open_schema(&self, migrate: bool) -> Result<()> {
        loop {
            let conn = self.dial("migrate").await?;
            let installation = if migrate {
                let now = self.clock.as_ref().map(|clock| Clock::now(&**clock));
                schema::migrate(&conn, &self.schema, now).await
            } else {
                schema::check(&conn, &self.schema).await
            };
            let failure = match installation {
                Ok(id) => {
                    self.installation.get_or_init(|| id);
                    return Ok(());
                }
                Err(failure) => failure,
            };
            if conn.pooled || failure.remedy() != Remedy::Pooled {
                return Err(failure.into_error());
            }
            self.set_pooled();
        }
    }

    /// Sees to it that names have numbers; what has none gets one on a connection of its own.
    ///
    /// However many calls need a name at once, there is one connection. Takes no longer than a
    /// call.
    pub(crate) async fn number_names<N: Name>(&self, names: &[N]) -> Result<()> {
        if names.iter().all(|name| self.names.known(name).is_some()) {
            return Ok(());
        }
        let deadline = Instant::now() + CALL_LIMIT;
        let mut n_failed = 0;
        let numbered = async {
            let _turn = self.names.turn().await;
            loop {
                self.check_open()?;
                match self.try_to_number(names).await {
                    Ok(()) => return Ok(()),
                    Err((error, false)) => return Err(error),
                    Err((error, true)) => {
                        n_failed += 1;
                        let retry_at = Instant::now() + back_off(n_failed);
                        if retry_at >= deadline {
                            return Err(error);
                        }
                        sleep_until(retry_at).await;
                    }
                }
            }
        };
        let late = |_| Err(too_slow("the database did not say the numbers of names"));
        timeout_at(deadline, Box::pin(numbered)).await.unwrap_or_else(late)
    }

    /// Does it once; tells with an error whether to try again.
    async fn try_to_number<N: Name>(&self, names: &[N]) -> Result<(), (Error, bool)> {
        let mut unknown: Vec<N> = Vec::new();
        for name in names {
            if self.names.known(name).is_none() && !unknown.contains(name) {
                unknown.push(name.clone());
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let conn = self.dial("names").await.map_err(|error| {
            let again = error.is_transient();
            (error, again)
        })?;
        self.names.add(&conn, &unknown).await.map_err(|failure| {
            let remedy = failure.remedy();
            if remedy == Remedy::Pooled && !conn.pooled {
                self.set_pooled();
            }
            (failure.into_error(), remedy != Remedy::Tell)
        })
    }
}
