//! The latest progress of runs, and the results of jobs.
//!
//! The server's executor sends progress in batches. Each is fenced by its lease; what is lost is
//! passed over. Results are written by [`crate::finish`].

use std::collections::HashMap;

use legwork_core::limits::{PROGRESS_MAX_BYTES, clip};
use legwork_core::{JobId, LeaseId, Progress, Run};

use crate::bind::{get, params, stored};
use crate::error::Result;
use crate::statement::sql;
use crate::tx::Tx;

/// Writes the progress of runs that their leases hold.
pub(crate) async fn record_progress(
    tx: &mut Tx,
    batch: &[(JobId, Run, LeaseId, Progress)],
) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let told = |progress: &Progress| clip(&progress.message, PROGRESS_MAX_BYTES);
    let columns = params![
        batch.iter().map(|(id, ..)| id.get()).collect::<Vec<_>>(),
        batch.iter().map(|(_, run, ..)| stored(run.0)).collect::<Vec<_>>(),
        batch.iter().map(|(_, _, lease, _)| lease.0).collect::<Vec<_>>(),
        batch.iter().map(|(.., progress)| share(progress)).collect::<Vec<_>>(),
        batch.iter().map(|(.., progress)| told(progress)).collect::<Vec<_>>(),
    ];
    tx.send(sql!("record_progress"), columns).await
}

fn share(progress: &Progress) -> f64 {
    let share = if progress.share.is_finite() { progress.share.clamp(0.0, 1.0) } else { 0.0 };
    f64::from(share)
}

/// Reads the results of jobs, in the order asked for.
pub(crate) async fn results(tx: &mut Tx, ids: &[JobId]) -> Result<Vec<Option<Vec<u8>>>> {
    let asked: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx.rows(sql!("results"), params![asked]).await?;
    let mut found: HashMap<i64, &str> = HashMap::with_capacity(rows.len());
    for row in &rows {
        found.insert(get(row, 0)?, get(row, 1)?);
    }
    Ok(ids.iter().map(|id| found.get(&id.get()).map(|json| json.as_bytes().to_vec())).collect())
}
