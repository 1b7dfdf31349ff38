//! The PostgreSQL database: a pool of sessions for the application's own tables.

use std::time::Duration;

use anyhow::{Context, Result};
use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Pool, RecycleError, RecycleResult};
use legwork::postgres::PostgresStorage;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::Tx;

/// How many transactions of this process run at once; the others wait for their turn.
const SESSIONS_MAX: usize = 8;

/// How long a transaction waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(30);

/// A pool of sessions, shared by everything in this process.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    sessions: Pool<Sessions>,
}

/// Opens sessions as the storage does: the URL, its certificates and its servers are the same.
#[derive(Debug)]
struct Sessions {
    storage: PostgresStorage,
}

/// A client, and the task that moves its connection for as long as it lives.
#[derive(Debug)]
struct Session {
    client: Client,
    _connection: JoinSet<()>,
}

impl Manager for Sessions {
    type Type = Session;
    type Error = legwork::Error;

    async fn create(&self) -> Result<Session, legwork::Error> {
        let (client, moving) = self.storage.session().await?;
        let mut connection = JoinSet::new();
        connection.spawn(moving);
        Ok(Session { client, _connection: connection })
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<legwork::Error> {
        if session.client.is_closed() {
            return Err(RecycleError::message("the server has ended the session"));
        }
        Ok(())
    }
}

impl Postgres {
    /// Takes sessions from `PostgresStorage::session`.
    pub(super) fn new(storage: PostgresStorage) -> Result<Self> {
        let sessions = Pool::builder(Sessions { storage })
            .max_size(SESSIONS_MAX)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(TURN_MAX))
            .build()?;
        Ok(Self { sessions })
    }

    /// Runs `work` in a transaction, which commits when it returns `Ok`.
    pub(super) async fn transaction<T>(
        &self,
        work: impl AsyncFnOnce(&Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut session = self.sessions.get().await.context("no session with the database")?;
        // It rolls back when it is dropped.
        let tx = session.client.transaction().await?;
        let value = work(&Tx::Postgres(&tx)).await?;
        tx.commit().await?;
        Ok(value)
    }
}
