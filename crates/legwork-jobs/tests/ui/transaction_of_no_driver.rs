//! What `.tx(…)` says to a thing that is no transaction of a driver.

use legwork_core::Job;
use legwork_jobs::Jobs;

struct Connection;

fn sign_up<J: Job>(jobs: &Jobs, job: J, connection: &Connection) -> legwork_core::Result<()> {
    jobs.enqueue(job).tx(connection)?;
    Ok(())
}

fn main() {}
