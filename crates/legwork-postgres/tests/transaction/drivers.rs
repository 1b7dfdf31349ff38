//! The drivers, each with the same `within`: it does the steps in one transaction, and ends it.

use std::time::Instant;

use legwork_core::{JobId, Result};
use legwork_jobs::Jobs;

use crate::{End, Step, Work};

/// The ids of all steps, or the first error; and when the transaction had ended.
pub(crate) type Done = (Result<Vec<JobId>>, Instant);

#[expect(clippy::disallowed_methods, reason = "the storage's clock is not what is measured")]
fn now() -> Instant {
    Instant::now()
}

/// Does the steps with `.tx($tx)`, which is awaited or not.
macro_rules! do_steps {
    ($jobs:expr, $steps:expr, $tx:expr $(, $await:tt)?) => {{
        let mut ids: Vec<JobId> = Vec::new();
        let mut failed = None;
        for step in $steps {
            let work = Work { n: 0 };
            let one = match *step {
                Step::Many(n) => {
                    let batch = (0..n).map(|n| Work { n });
                    match $jobs.enqueue_all(batch).tx($tx)$(.$await)? {
                        Ok(many) => ids.extend(many.into_iter().map(JobId::from)),
                        Err(error) => failed = failed.or(Some(error)),
                    }
                    continue;
                }
                Step::One => $jobs.enqueue(work),
                Step::InAnHour => $jobs.enqueue(work).after(std::time::Duration::from_hours(1)),
                Step::Next => $jobs.enqueue(work).continues(*ids.last().unwrap()),
                Step::After(id) => $jobs.enqueue(work).continues(id),
                Step::Wrong => $jobs.enqueue(work).queue("a b"),
            };
            match one.tx($tx)$(.$await)? {
                Ok(one) => ids.push(one.into()),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(ids), Err)
    }};
}

pub(crate) mod tokio_postgres {
    use super::*;

    pub(crate) async fn within(url: &str, jobs: &Jobs, end: End, steps: &[Step]) -> Done {
        let connected = ::tokio_postgres::connect(url, ::tokio_postgres::NoTls).await;
        let (mut client, connection) = connected.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(connection);
        let tx = client.transaction().await.unwrap();
        let done = do_steps!(jobs, steps, &tx, await);
        match end {
            End::Commit => tx.commit().await.unwrap(),
            End::RollBack => tx.rollback().await.unwrap(),
        }
        (done, now())
    }
}

pub(crate) mod deadpool {
    use deadpool_postgres::{Manager, Pool};

    use super::*;

    pub(crate) async fn within(url: &str, jobs: &Jobs, end: End, steps: &[Step]) -> Done {
        let manager = Manager::new(url.parse().unwrap(), ::tokio_postgres::NoTls);
        let pool = Pool::builder(manager).max_size(1).build().unwrap();
        let mut client = pool.get().await.unwrap();
        let tx = client.transaction().await.unwrap();
        let done = do_steps!(jobs, steps, &tx, await);
        match end {
            End::Commit => tx.commit().await.unwrap(),
            End::RollBack => tx.rollback().await.unwrap(),
        }
        (done, now())
    }
}

macro_rules! sqlx {
    ($module:ident, $core:ident, $postgres:ident) => {
        pub(crate) mod $module {
            use $core::connection::Connection as _;
            use $postgres::PgConnection;

            use super::*;

            pub(crate) async fn within(url: &str, jobs: &Jobs, end: End, steps: &[Step]) -> Done {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let mut tx = connection.begin().await.unwrap();
                let (first, rest) = steps.split_at(1);
                let mut done = do_steps!(jobs, first, &mut tx, await);
                // A function that is given the connection of a transaction uses it as well.
                if let Ok(ids) = &mut done {
                    let more: Result<Vec<JobId>> = do_steps!(jobs, rest, &mut *tx, await);
                    match more {
                        Ok(more) => ids.extend(more),
                        Err(error) => done = Err(error),
                    }
                }
                match end {
                    End::Commit => tx.commit().await.unwrap(),
                    End::RollBack => tx.rollback().await.unwrap(),
                }
                (done, now())
            }
        }
    };
}

sqlx!(sqlx_0_8, sqlx_core_0_8, sqlx_postgres_0_8);
sqlx!(sqlx_0_9, sqlx_core_0_9, sqlx_postgres_0_9);

/// Ends a transaction of diesel as the test wants it.
#[derive(Debug)]
struct RollBack;

impl From<::diesel::result::Error> for RollBack {
    fn from(_: ::diesel::result::Error) -> Self {
        Self
    }
}

pub(crate) mod diesel {
    use ::diesel::Connection as _;
    use ::diesel_async::AsyncPgConnection;
    use ::diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
    use legwork_postgres::DieselTx;

    use super::*;

    /// It blocks, and so it is done on a thread where that is allowed.
    pub(crate) async fn within(url: &str, jobs: &Jobs, end: End, steps: &[Step]) -> Done {
        let (url, jobs, steps) = (url.to_owned(), jobs.clone(), steps.to_vec());
        let work = move || {
            let mut connection: AsyncConnectionWrapper<AsyncPgConnection> =
                AsyncConnectionWrapper::establish(&url).unwrap();
            let mut done = Ok(Vec::new());
            let ended: std::result::Result<(), RollBack> = connection.transaction(|connection| {
                done = do_steps!(jobs, &steps, DieselTx(connection));
                if end == End::Commit { Ok(()) } else { Err(RollBack) }
            });
            assert!(ended.is_err() || end == End::Commit, "{ended:?}");
            (done, now())
        };
        tokio::task::spawn_blocking(work).await.unwrap()
    }
}

pub(crate) mod diesel_async {
    use ::diesel_async::{AsyncConnection as _, AsyncPgConnection};

    use super::*;

    pub(crate) async fn within(url: &str, jobs: &Jobs, end: End, steps: &[Step]) -> Done {
        let mut connection = AsyncPgConnection::establish(url).await.unwrap();
        let mut done = Ok(Vec::new());
        let ended: std::result::Result<(), RollBack> = connection
            .transaction(async |connection| {
                done = do_steps!(jobs, steps, &mut *connection, await);
                if end == End::Commit { Ok(()) } else { Err(RollBack) }
            })
            .await;
        assert!(ended.is_err() || end == End::Commit, "{ended:?}");
        (done, now())
    }
}
