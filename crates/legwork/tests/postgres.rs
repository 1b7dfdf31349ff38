//! A whole application on a PostgreSQL database: every kind of job, and a restart.

#[path = "support/application.rs"]
mod application;
#[path = "../../legwork-postgres/tests/support/schema.rs"]
mod schema;

use legwork::JobState;
use legwork::prelude::*;
use legwork::storage::Upserted;

use crate::application::{Count, host, next, stop, told};
use crate::schema::Schema;

async fn connect(schema: &Schema) -> Jobs {
    Jobs::connect(&schema.url()).await.expect("the schema is made")
}

#[tokio::test]
async fn jobs_of_every_kind_run_and_are_found_succeeded_after_a_restart() {
    let Some(schema) = Schema::create() else { return };
    let jobs = connect(&schema).await;
    let (host, mut heard) = host(&jobs);
    let host = host.build().expect("the host is valid");
    let handle = host.handle();
    let work = async {
        jobs.enqueue(told("now")).await?;
        assert_eq!(next(&mut heard).await, "now, attempt 1");
        jobs.enqueue(told("later")).after(Duration::from_millis(20)).await?;
        assert_eq!(next(&mut heard).await, "later, attempt 1");
        jobs.enqueue(told("fails once")).await?;
        assert_eq!(next(&mut heard).await, "fails once, attempt 2");

        let counted = jobs.enqueue(Count { up_to: 4 }).await?;
        let continuation = jobs.enqueue(told("the sum is")).continues(counted).await?;
        assert_eq!(next(&mut heard).await, "the sum is 10, attempt 1");

        let upserted =
            jobs.recurring("nightly", "0 3 * * *").job(told("at night")).upsert().await?;
        assert_eq!(upserted, Upserted::Added);
        jobs.trigger_recurring("nightly").await?;
        assert_eq!(next(&mut heard).await, "at night, attempt 1");
        stop(&handle);
        Ok::<_, legwork::Error>(continuation)
    };
    let (exit, continuation) = tokio::join!(host.run(), work);
    assert!(exit.is_success(), "{exit:?}");
    let continuation = continuation.expect("every call is accepted");
    jobs.close().await.expect("everything is stored");

    let jobs = connect(&schema).await;
    let job = jobs.store().job((&continuation).into()).await.expect("the storage answers");
    assert_eq!(job.expect("the job was kept").summary.state, JobState::Succeeded);
    assert_eq!(jobs.store().recurring().await.expect("the storage answers").len(), 1);
}
