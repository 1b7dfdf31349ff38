//! Passing hints between processes, with NOTIFY and LISTEN.
//!
//! [`start`] runs two tasks: one tells the others, after the commit and never within it, many hints
//! as one; the other takes what they tell. Hints only save time: servers poll. A listener whose own
//! hints do not come back is deaf and connects again. Behind a transaction pooler there is neither.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::{Error, ErrorKind};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::AsyncMessage;

use crate::bind::{get, params};
use crate::conn::Conn;
use crate::dial::Dialed;
use crate::error::Failure;
use crate::ground::Ground;
use crate::line::back_off;
use crate::statement::sql;

/// How long hints are gathered before others are told again.
const TELL_PAUSE: Duration = Duration::from_millis(2);

/// How often a listener tells itself something, and how long that may take.
const ECHO_INTERVAL: Duration = Duration::from_secs(10);
const ECHO_LIMIT: Duration = Duration::from_secs(5);

/// How long a listener must have lived for its end to be the first of a row.
const HEALTHY: Duration = Duration::from_secs(30);

/// How long anything that is asked of the server may take.
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// Runs the tasks until the storage is closed.
pub(crate) fn start(ground: &Arc<Ground>) {
    let (telling, listening) = (Arc::clone(ground), Arc::clone(ground));
    ground.tasks.spawn(async move {
        let closing = telling.closing.clone();
        closing.run_until_cancelled(tell(&telling)).await;
    });
    ground.tasks.spawn(async move {
        let closing = listening.closing.clone();
        closing.run_until_cancelled(listen(&listening)).await;
    });
}

/// Names the channel of a schema.
fn channel(ground: &Ground) -> String {
    format!("legwork:{}", ground.schema)
}

/// Tells other processes that something was committed, until they are told.
async fn tell(ground: &Ground) {
    let mut conn = None;
    loop {
        ground.signals.untold().await;
        let mut n_failed = 0;
        while !ground.is_pooled()
            && let Err(error) = tell_once(ground, &mut conn).await
        {
            conn = None;
            n_failed += 1;
            tracing::debug!(%error, "other processes cannot be told");
            sleep(back_off(n_failed)).await;
        }
        if ground.is_pooled() {
            return;
        }
        sleep(TELL_PAUSE).await;
    }
}

/// Tells other processes, on the connection that there is or on a new one.
async fn tell_once(ground: &Ground, conn: &mut Option<Arc<Conn>>) -> legwork_core::Result<()> {
    let open = conn.take().filter(|conn| !conn.client.is_closed());
    let telling = if let Some(open) = open {
        open
    } else {
        let fresh = ground.dial("notify").await?;
        let answer = timeout(ASK_LIMIT, fresh.rows(sql!("backend"), params![])).await;
        let rows = answer.map_err(|_| silent())?.map_err(Failure::from)?;
        if let Some(row) = rows.first() {
            ground.signals.set_teller(get(row, 0)?);
        }
        fresh
    };
    // One transaction without a wait for the disk: the lock that NOTIFY takes is short. In a
    // session that a pooler shares nothing may stay behind, or others would lose what they commit.
    let text = format!(
        "BEGIN; SET LOCAL synchronous_commit = off; NOTIFY \"{}\"; COMMIT",
        channel(ground)
    );
    let told = timeout(ASK_LIMIT, telling.client.batch_execute(&text)).await;
    told.map_err(|_| silent())?.map_err(Failure::from)?;
    *conn = Some(telling);
    Ok(())
}

fn silent() -> Error {
    let message = format!("the server did not answer within {} s", ASK_LIMIT.as_secs());
    Error::new(ErrorKind::Unavailable, message)
}

/// Takes what other processes tell.
async fn listen(ground: &Ground) {
    let mut n_failed = 0;
    while !ground.is_pooled() {
        match ground.dialer.dial("listen", false).await {
            Ok(dialed) => {
                let since = Instant::now();
                let why = hear(ground, dialed).await;
                tracing::debug!(why, "the listener connects again");
                if since.elapsed() >= HEALTHY {
                    n_failed = 0;
                }
                // What was told meanwhile was not heard.
                ground.signals.heard();
            }
            Err(error) => tracing::debug!(%error, "the listener cannot connect"),
        }
        n_failed += 1;
        sleep(back_off(n_failed)).await;
    }
}

/// Passes hints on until the connection is of no use; returns why.
async fn hear(ground: &Ground, dialed: Dialed) -> &'static str {
    let Dialed { client, mut connection } = dialed;
    let text = format!("LISTEN \"{}\"", channel(ground));
    let listening = client.batch_execute(&text);
    let mut asking = Box::pin(timeout(ASK_LIMIT, listening));
    let mut asked = false;
    let mut heard_at = Instant::now();
    let mut echo_at = heard_at + ECHO_INTERVAL;
    loop {
        tokio::select! {
            message = connection.next() => match message {
                Some(Ok(AsyncMessage::Notification(hint))) => {
                    heard_at = Instant::now();
                    if !ground.signals.is_own(hint.process_id()) {
                        ground.signals.heard();
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return "the connection ended",
            },
            answer = &mut asking, if !asked => {
                if !matches!(answer, Ok(Ok(()))) {
                    return "the server did not answer";
                }
                asked = true;
                // Between the LISTEN before and this one others may have told something.
                ground.signals.heard();
            }
            () = tokio::time::sleep_until(echo_at) => {
                let silent = heard_at + ECHO_INTERVAL <= echo_at;
                if silent && !echo(ground, &client, &mut connection).await {
                    return "its own hint did not come back";
                }
                heard_at = Instant::now();
                echo_at = heard_at + ECHO_INTERVAL;
            }
        }
    }
}

/// Tells itself something and waits for it.
async fn echo(
    ground: &Ground,
    client: &tokio_postgres::Client,
    connection: &mut crate::dial::Connection,
) -> bool {
    let text = format!("NOTIFY \"{}\", 'echo'", channel(ground));
    let telling = async {
        client.batch_execute(&text).await.map_err(Failure::from)?;
        std::future::pending::<Result<(), Failure>>().await
    };
    let hearing = async {
        while let Some(Ok(message)) = connection.next().await {
            if matches!(message, AsyncMessage::Notification(_)) {
                return true;
            }
        }
        false
    };
    let both = async {
        tokio::select! {
            heard = hearing => heard,
            _ = telling => false,
        }
    };
    timeout(ECHO_LIMIT, both).await.unwrap_or(false)
}
