//! Servers: registration and heartbeats.
//!
//! A server lives while its beat moves; who says that it does not is [`crate::rescue`]. A heartbeat
//! is one statement, so that it gets through when the database is slow.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use legwork_core::storage::{Beat, CancelRequest, ServerBeat, ServerInfo};
use legwork_core::{Actor, Error, ErrorKind, Incarnation, JobId, LeaseId, QueueName, Run};
use tokio_postgres::Row;

use crate::bind::{count, get, params};
use crate::error::Result;
use crate::statement::sql;
use crate::tx::Tx;

/// Registers a server that is starting.
pub(crate) async fn register(tx: &mut Tx, info: &ServerInfo) -> Result<()> {
    let incarnation = info.incarnation.to_string();
    let json = serde_json::to_string(info).map_err(|error| {
        Error::with_source(ErrorKind::Invalid, "the server cannot be written as JSON", error)
    })?;
    let values = params![incarnation.clone(), tx.at(), json];
    if tx.execute(sql!("register"), values).await? == 0 {
        let message = format!("the incarnation {incarnation} was registered before");
        return Err(Error::new(ErrorKind::Conflict, message).into());
    }
    Ok(())
}

/// Returns the number of a server, live or gone; `None` when it was never registered.
pub(crate) async fn number_of(tx: &mut Tx, server: Incarnation) -> Result<Option<i32>> {
    let known = {
        let servers = tx.ground.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.get(&server).copied()
    };
    if known.is_some() {
        return Ok(known);
    }
    let Some(row) = tx.row(sql!("server_find"), params![server.to_string()]).await? else {
        return Ok(None);
    };
    let number = get(&row, 0)?;
    // Committed: a server is registered before anyone asks about it. Numbers never change.
    tx.ground.servers.lock().unwrap_or_else(PoisonError::into_inner).insert(server, number);
    Ok(Some(number))
}

/// Moves the beat of a server on, and reads what it must know.
pub(crate) async fn heartbeat(tx: &mut Tx, server: &Incarnation) -> Result<Beat> {
    let values = params![server.to_string(), tx.at()];
    let Some(row) = tx.row(sql!("heartbeat"), values).await? else {
        return Ok(Beat::Lost);
    };
    let leases: Vec<i64> = get(&row, 5)?;
    let open: Vec<i32> = get(&row, 6)?;
    let leases: BTreeMap<_, _> =
        leases.into_iter().map(LeaseId).zip(open.into_iter().map(count)).collect();
    Ok(Beat::Live { cancels: cancels(&row)?, paused: paused(get(&row, 4)?), leases })
}

/// Reads the cancel requests for runs that go on.
fn cancels(row: &Row) -> Result<Vec<CancelRequest>> {
    let ids: Vec<i64> = get(row, 1)?;
    let runs: Vec<i32> = get(row, 2)?;
    let actors: Vec<&str> = get(row, 3)?;
    let request = |((id, run), actor): ((i64, i32), &str)| {
        let actor = serde_json::from_str(actor).unwrap_or_else(|_| Actor::new("unknown"));
        Ok(CancelRequest { id: JobId::new(id)?, run: Run(count(run)), actor })
    };
    ids.into_iter().zip(runs).zip(actors).map(request).collect()
}

/// Reads the names of paused queues; one that is damaged must not cost the server its life.
fn paused(names: Vec<&str>) -> Vec<QueueName> {
    let mut paused = Vec::with_capacity(names.len());
    for name in names {
        match QueueName::new(name) {
            Ok(name) => paused.push(name),
            Err(error) => tracing::error!(%error, "the name of a paused queue is damaged"),
        }
    }
    paused.sort_unstable();
    paused
}

/// Reads the beat counters of all live servers.
pub(crate) async fn beats(tx: &mut Tx, (): &()) -> Result<Vec<ServerBeat>> {
    let rows = tx.rows(sql!("beats"), params![]).await?;
    let mut beats = Vec::with_capacity(rows.len());
    for row in &rows {
        let beat: i64 = get(row, 1)?;
        match get::<&str>(row, 0)?.parse() {
            Ok(server) => {
                beats.push(ServerBeat { server, beat: beat.unsigned_abs(), gone: false });
            }
            Err(error) => tracing::error!(%error, "the incarnation of a server is damaged"),
        }
    }
    Ok(beats)
}
