//! A job in the shape that Hangfire gives it: ten statements, each a transaction of its own.
//!
//! `yardstick/postgres.rs` repeats it. Three statements enqueue the job, seven run it: three rows
//! of state, two parameters, a row in the queue and a counter, and a job row that is updated three
//! times.

use anyhow::ensure;
use tokio_postgres::{Client, Statement};

pub(crate) const TABLES: &str = "
    DROP TABLE IF EXISTS hang_job, hang_state, hang_parameter, hang_queue, hang_counter;
    CREATE TABLE hang_job (
        id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state_id int8, state text,
        invocation jsonb NOT NULL, args jsonb NOT NULL, created_at timestamptz NOT NULL,
        expire_at timestamptz
    );
    CREATE INDEX hang_job_state ON hang_job (state);
    CREATE INDEX hang_job_expire ON hang_job (expire_at);
    CREATE TABLE hang_state (
        id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job int8 NOT NULL, name text NOT NULL,
        reason text, created_at timestamptz NOT NULL, data jsonb NOT NULL
    );
    CREATE INDEX hang_state_job ON hang_state (job);
    CREATE TABLE hang_parameter (
        id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job int8 NOT NULL, name text NOT NULL,
        value text
    );
    CREATE INDEX hang_parameter_job ON hang_parameter (job, name);
    CREATE TABLE hang_queue (
        id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job int8 NOT NULL, queue text NOT NULL,
        fetched_at timestamptz
    );
    CREATE INDEX hang_queue_fetch ON hang_queue (queue, fetched_at NULLS FIRST, id);
    CREATE TABLE hang_counter (
        id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, value int8 NOT NULL
    );
    CREATE INDEX hang_counter_key ON hang_counter (key)";

const CREATE: &str = "INSERT INTO hang_job (invocation, args, created_at)
    VALUES ('{\"t\":\"App.Mail, App\",\"m\":\"Send\",\"p\":[\"System.String\"]}', $1::text::jsonb,
        now())
    RETURNING id";

const PARAMETERS: &str = "INSERT INTO hang_parameter (job, name, value)
    VALUES ($1, 'CurrentCulture', '\"en-GB\"'), ($1, 'CurrentUICulture', '\"en-GB\"')";

const ENQUEUE: &str = "
    WITH s AS (
        INSERT INTO hang_state (job, name, created_at, data)
        VALUES ($1, 'Enqueued', now(), '{\"Queue\":\"default\"}') RETURNING id
    ), q AS (INSERT INTO hang_queue (job, queue) VALUES ($1, 'default'))
    UPDATE hang_job SET state_id = s.id, state = 'Enqueued' FROM s WHERE hang_job.id = $1";

const FETCH: &str = "
    UPDATE hang_queue SET fetched_at = now() WHERE id = (
        SELECT id FROM hang_queue WHERE queue = 'default' AND fetched_at IS NULL
        ORDER BY queue, fetched_at NULLS FIRST, id LIMIT 1 FOR UPDATE SKIP LOCKED
    ) RETURNING id, job";

const READ: &str = "SELECT invocation::text, args::text, state FROM hang_job WHERE id = $1";

const PROCESSING: &str = "INSERT INTO hang_state (job, name, created_at, data)
    VALUES ($1, 'Processing', now(), '{\"ServerId\":\"host:1\",\"WorkerId\":\"1\"}') RETURNING id";

const SUCCEEDED: &str = "
    WITH c AS (INSERT INTO hang_counter (key, value) VALUES ('stats:succeeded', 1))
    INSERT INTO hang_state (job, name, created_at, data)
    VALUES ($1, 'Succeeded', now(), '{\"Latency\":\"1\",\"PerformanceDuration\":\"0\"}')
    RETURNING id";

const MOVE: &str = "UPDATE hang_job SET state_id = $2, state = $3, expire_at = now() + '1 day'
    WHERE id = $1";

const REMOVE: &str = "DELETE FROM hang_queue WHERE id = $1";

/// The statements of one connection.
pub(crate) struct Statements {
    create: Statement,
    parameters: Statement,
    enqueue: Statement,
    fetch: Statement,
    read: Statement,
    processing: Statement,
    succeeded: Statement,
    move_on: Statement,
    remove: Statement,
}

impl Statements {
    pub(crate) async fn new(client: &Client) -> anyhow::Result<Self> {
        Ok(Self {
            create: client.prepare(CREATE).await?,
            parameters: client.prepare(PARAMETERS).await?,
            enqueue: client.prepare(ENQUEUE).await?,
            fetch: client.prepare(FETCH).await?,
            read: client.prepare(READ).await?,
            processing: client.prepare(PROCESSING).await?,
            succeeded: client.prepare(SUCCEEDED).await?,
            move_on: client.prepare(MOVE).await?,
            remove: client.prepare(REMOVE).await?,
        })
    }

    /// Enqueues a job and runs one; returns how many jobs that were.
    pub(crate) async fn once(&self, client: &Client, args: &str) -> anyhow::Result<u64> {
        let id: i64 = client.query_one(&self.create, &[&args]).await?.get(0);
        client.execute(&self.parameters, &[&id]).await?;
        client.execute(&self.enqueue, &[&id]).await?;
        // Each connection enqueues before it fetches, so there is always one left for it; while
        // others hold theirs, the fetch may have to look again.
        let fetched = loop {
            if let Some(row) = client.query_opt(&self.fetch, &[]).await? {
                break row;
            }
        };
        let (place, job): (i64, i64) = (fetched.get(0), fetched.get(1));
        client.query_one(&self.read, &[&job]).await?;
        let processing: i64 = client.query_one(&self.processing, &[&job]).await?.get(0);
        client.execute(&self.move_on, &[&job, &processing, &"Processing"]).await?;
        let succeeded: i64 = client.query_one(&self.succeeded, &[&job]).await?.get(0);
        client.execute(&self.move_on, &[&job, &succeeded, &"Succeeded"]).await?;
        let removed = client.execute(&self.remove, &[&place]).await?;
        ensure!(removed == 1, "a place in the queue was taken twice");
        Ok(1)
    }
}
