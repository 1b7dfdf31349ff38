//! The latest progress of runs.
//!
//! The server's executor sends it in batches. Each is fenced by its lease; what is lost is passed
//! over.

use legwork_core::limits::{PROGRESS_MAX_BYTES, clip};
use legwork_core::{JobId, LeaseId, Progress, Run};

use crate::error::Result;
use crate::lease::{has_ended, holds, read};
use crate::query::sql;
use crate::write::Write;

/// Writes the progress of runs that their leases hold.
pub(crate) fn record_progress(
    w: &mut Write<'_>,
    batch: &[(JobId, Run, LeaseId, Progress)],
) -> Result<()> {
    for (id, run, lease, progress) in batch {
        let (id, run) = (id.get(), run.0);
        let held = read(w.db, lease.0)?.and_then(|lease| holds(&lease, id, run));
        if held.is_none() || has_ended(w.db, id, run)? {
            continue;
        }
        let share = if progress.share.is_finite() { progress.share.clamp(0.0, 1.0) } else { 0.0 };
        let message = clip(&progress.message, PROGRESS_MAX_BYTES);
        w.execute(sql!("record_progress"), (id, run, f64::from(share), message))?;
    }
    Ok(())
}
