//! The plans of the hot statements, on empty tables and on full ones.
//!
//! A session of Legwork may not choose its plans (see `SESSION_SETTINGS` of [`crate::dial`]): what
//! is asserted here holds whatever the tables looked like when a statement was prepared.

use tokio_postgres::Client;

use super::database::Database;
use super::{conn, up};
use crate::dial::SESSION_SETTINGS;
use crate::statement::{Sql, sql};

/// The tables that grow: no hot statement may read one from its beginning to its end.
const LARGE: [&str; 9] =
    ["job", "ready", "due", "outcome", "event", "dependency", "waiting", "tag", "result"];

/// Fills the schema with 30,000 jobs in all states.
const FILL: &str = "
INSERT INTO legwork.queue (name) SELECT 'q' || n FROM generate_series(1, 3) AS n;
INSERT INTO legwork.kind (name) SELECT 'k' || n FROM generate_series(1, 5) AS n;
INSERT INTO legwork.server (incarnation, beat, beat_at, started_at, gone_at, info)
SELECT lpad(n::text, 32, '0'), n, now(), now(), CASE WHEN n > 4 THEN now() END, '{}'
FROM generate_series(1, 50) AS n;
INSERT INTO legwork.job (id, created_at, queue, kind, priority, first_state, args)
SELECT n, now() - (30001 - n) * interval '1 s', 1 + n % 3, 1 + n % 5, 0, 0, '{}'
FROM generate_series(1, 30000) AS n;
INSERT INTO legwork.outcome (id, claimed_at, ended_at, ran_for, run, server, failures, result)
SELECT n, now(), now() - (30001 - n) * interval '1 s', 5, 1, 1, 0,
    CASE WHEN n <= 20000 THEN 1 WHEN n <= 21000 THEN 2 ELSE 3 END
FROM generate_series(1, 22000) AS n;
INSERT INTO legwork.event (id, at, run, what)
SELECT n, now(), 1, '{\"event\":\"failed\"}' FROM generate_series(15000, 22000) AS n;
INSERT INTO legwork.result (id, json) SELECT n, '7' FROM generate_series(1, 10000) AS n;
INSERT INTO legwork.progress (id, run, share, message)
SELECT n, 1, 0.5, '' FROM generate_series(1, 1000) AS n;
INSERT INTO legwork.tag (tag, id) SELECT 't' || n % 100, n FROM generate_series(1, 30000) AS n;
INSERT INTO legwork.ready
    (seq, first, queue, kind, run, failures, losses, priority, n, suspect)
SELECT n + CASE WHEN n % 20 = 0 THEN 100000 ELSE 0 END, n, 1 + n % 3, 1 + n % 5, 1, 0,
    CASE WHEN n % 500 = 0 THEN 2 ELSE 0 END, 0, 1, n % 500 = 0
FROM generate_series(22001, 26000) AS n;
INSERT INTO legwork.due (run_at, id, run, failures, losses)
SELECT now() + n * interval '1 s', n, 1, n % 2, 0 FROM generate_series(26001, 29000) AS n;
INSERT INTO legwork.waiting (id, open, unsettled)
SELECT n, 1, CASE WHEN n % 50 = 0 THEN '0'::xid8 END FROM generate_series(29001, 29900) AS n;
INSERT INTO legwork.dependency (parent, child, condition, open, place)
SELECT n - 28000, n, 'success', n > 29000, 0 FROM generate_series(28100, 29900) AS n;
INSERT INTO legwork.lease (claimed_at, server, open, firsts, ns, runs, failures, losses, queues,
    kinds, priorities)
SELECT now(), 1 + n % 4, 1, ARRAY[n::int8], '{1}', '{1}', '{0}', '{0}', '{1}', '{1}', '{0}'
FROM generate_series(29901, 30000) AS n;
INSERT INTO legwork.recurring (id, spec, generation, since, next_at, ended, revision)
SELECT 'r' || n, '{}', 0, now(), now() + n * interval '1 m', false, 1
FROM generate_series(1, 100) AS n;
INSERT INTO legwork.stat
    (minute, queue, kind, succeeded, failed, retried, cancelled, summed, ran_for)
SELECT now() - n * interval '1 m', 1, 1, 1, 0, 0, 0, n > 10, 5 FROM generate_series(1, 5000) AS n;
ANALYZE";

/// A statement, the types of its parameters, and the indexes that its plan goes by; `a|b` are two
/// that are as good.
struct Case {
    name: &'static str,
    sql: Sql,
    types: &'static str,
    indexes: &'static [&'static str],
    /// Whether it reads in the order of the index, so that it ends with the last row it wants.
    in_order: bool,
    /// The indexes that it walks from their beginning, up to a bound.
    walks: &'static [&'static str],
}

macro_rules! case {
    ($name:literal ($types:literal) by $($index:literal),* $(; walks $($walked:literal),+)?) => {
        case!(@ $name, $types, [$($index),*], false, [$($($walked),+)?])
    };
    ($name:literal ($types:literal) by $($index:literal),* ; in_order) => {
        case!(@ $name, $types, [$($index),*], true, [$($index),*])
    };
    (@ $name:literal, $types:literal, [$($index:literal),*], $in_order:literal,
        [$($walked:literal),*]) => {
        Case {
            name: $name,
            sql: sql!($name),
            types: $types,
            indexes: &[$($index),*],
            in_order: $in_order,
            walks: &[$($walked),*],
        }
    };
}

/// What servers do all the time.
const WORK: [Case; 23] = [
    case!("enqueue" ("timestamptz, int8[], int4[], int4[], int2[], int2[], text[], text[], int8[], \
        int4[], int4[], int2[], int2[]") by),
    case!("enqueue_unless_stored" ("timestamptz, int8[], int4[], int4[], int2[], int2[], text[], \
        text[]") by),
    case!("claim" ("int4, int2[], int4[], bool[], int4[], int2[], int8[], int2[], int8, int8, \
        int8, timestamptz, bool") by "ready_pkey", "job_pkey", "server_live|server_pkey";
        walks "ready_suspect"),
    case!("finish_leases" ("int4, int8[], int4[]") by "lease_pkey|lease_server"),
    case!("finish_check" ("int4, int8[], int8[]") by "dependency_pkey", "cancel_pkey";
        walks "waiting_pkey"),
    case!("finish_recorded" ("int8[], int4[]") by "outcome_pkey"),
    case!("finish_interruptions" ("int8[]") by "outcome_pkey"),
    case!("leases_lock" ("int4, int8[]") by "lease_pkey|lease_server"),
    case!("outcome" ("timestamptz, int8[], timestamptz[], int8[], int4[], int4[], int4[], int2[], \
        int2[]") by),
    case!("children" ("int8[]") by "dependency_pkey"),
    case!("children_close" ("int8[]") by "dependency_pkey"),
    case!("waiting_lock" ("int8[]") by "waiting_pkey"),
    case!("waiting_unsettled" ("int8, int8") by "waiting_unsettled"; in_order),
    case!("waiting_settle" ("int8[], int8[]") by "waiting_pkey"),
    case!("waiting_decided" ("int8[]") by "dependency_child", "outcome_pkey"),
    case!("job_end" ("int8[]") by "outcome_pkey"),
    case!("promote" ("timestamptz, int8") by "due_pkey", "job_pkey"),
    case!("promote_next" ("timestamptz") by "due_pkey"; in_order),
    case!("heartbeat" ("text, timestamptz") by "server_incarnation_key", "lease_server"),
    case!("beats" ("") by "server_live"),
    case!("record_progress" ("int8[], int4[], int8[], float8[], text[]") by "lease_pkey",
        "outcome_pkey"),
    case!("due_recurring_next" ("timestamptz") by "recurring_next"; in_order),
    case!("results" ("int8[]") by "result_pkey"),
];

/// What the pruner does.
const PRUNE: [Case; 13] = [
    case!("prune_succeeded" ("timestamptz, int8") by "outcome_succeeded"; in_order),
    case!("prune_failed" ("timestamptz, int8") by "outcome_failed"; in_order),
    case!("prune_cancelled" ("timestamptz, int8") by "outcome_cancelled"; in_order),
    case!("prune_lock" ("int8[]") by "job_pkey"),
    case!("prune_check" ("int8[], int4[], bool[]") by "outcome_pkey", "dependency_pkey"),
    case!("delete_job" ("int8[]") by "job_pkey"),
    case!("delete_outcomes" ("int8[]") by "outcome_pkey"),
    case!("delete_events" ("int8[]") by "event_job"),
    case!("delete_tag" ("text[], int8[]") by "tag_pkey"),
    case!("delete_as_child" ("int8[]") by "dependency_child"),
    case!("delete_as_parent" ("int8[]") by "dependency_pkey"),
    case!("result_remove" ("int8[]") by "result_pkey"),
    case!("prune_stats" ("timestamptz") by "stat_minute"),
];

/// What operators and dashboards do.
const LOOK: [Case; 16] = [
    case!("locate" ("int8") by "job_pkey", "outcome_pkey", "ready_pkey", "ready_again", "due_job",
        "waiting_pkey"),
    case!("ready_cut" ("int4, bool, int4, int2, int8, int8, int2, int4, int8") by "ready_pkey"),
    case!("due_remove" ("int8, int4") by "due_job"),
    case!("waiting_close" ("int8[]") by "dependency_child"),
    case!("inspect_job" ("int8") by "job_pkey", "result_pkey"),
    case!("inspect_events" ("int8") by "event_job"; in_order),
    case!("inspect_outcomes" ("int8") by "outcome_pkey"),
    case!("inspect_states" ("int8[]") by "job_pkey", "outcome_pkey", "ready_pkey", "ready_again"),
    case!("inspect_homes" ("int8[]") by "job_pkey"),
    case!("inspect_summaries" ("int8[], int4[], int4[]") by "job_pkey", "outcome_pkey",
        "event_job"),
    case!("inspect_succeeded" ("timestamptz, int8, int8") by "outcome_succeeded"; in_order),
    case!("inspect_failed" ("timestamptz, int8, int8") by "outcome_failed"; in_order),
    case!("inspect_cancelled" ("timestamptz, int8, int8") by "outcome_cancelled"; in_order),
    case!("inspect_scheduled" ("timestamptz, int8, int8") by "due_pkey"; in_order),
    case!("inspect_retries" ("timestamptz, int8, int8") by "due_retry"; in_order),
    case!("inspect_awaiting" ("int8, int8") by "waiting_pkey"; in_order),
];

/// What the first page of a dashboard asks; its counts end at a bound.
const OVERVIEW: [Case; 5] = [
    case!("inspect_counts" ("int8") by "waiting_pkey", "ready_pkey", "outcome_succeeded",
        "outcome_failed", "outcome_cancelled"; walks "waiting_pkey", "due_job", "due_retry",
        "ready_pkey", "outcome_succeeded", "outcome_failed", "outcome_cancelled"),
    case!("inspect_enqueued" ("text, int4, int2, int8, int4, int4, int8") by "ready_pkey"),
    case!("inspect_queues" ("int8") by "ready_pkey", "job_pkey"),
    case!("inspect_processing" ("timestamptz, int8, int8") by "outcome_pkey"),
    case!("inspect_throughput" ("timestamptz, timestamptz") by "stat_minute"),
];

/// Returns the plan that every session of Legwork has for a statement, one line per step.
async fn plan(client: &Client, case: &Case) -> String {
    let types = if case.types.is_empty() { String::new() } else { format!("({})", case.types) };
    let n = case.types.split(',').filter(|name| !name.trim().is_empty()).count();
    let values = vec!["NULL"; n].join(", ");
    let values = if n == 0 { String::new() } else { format!("({values})") };
    let name = case.name;
    let prepare = format!("PREPARE {name} {types} AS {}", case.sql.0);
    if let Err(error) = client.batch_execute(&prepare).await {
        panic!("{name}: {error:?}");
    }
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE {name} {values}");
    let rows = client.query(&explain, &[]).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    client.batch_execute(&format!("DEALLOCATE {name}")).await.unwrap();
    lines.join("\n")
}

/// Returns what is wrong with the plan of a case.
fn faults(case: &Case, plan: &str) -> Vec<String> {
    let lines: Vec<&str> = plan.lines().map(str::trim).collect();
    let uses = |line: &str, index: &str| {
        line.contains(&format!(" using {index} ")) || line.ends_with(&format!(" on {index}"))
    };
    let mut faults = Vec::new();
    for indexes in case.indexes {
        if !indexes.split('|').any(|index| lines.iter().any(|line| uses(line, index))) {
            faults.push(format!("does not use {indexes}"));
        }
    }
    for (at, line) in lines.iter().enumerate() {
        let is_large = LARGE.iter().any(|table| {
            line.ends_with(&format!(" on {table}")) || line.contains(&format!(" on {table} "))
        });
        let has_condition = lines.get(at + 1).is_some_and(|next| next.starts_with("Index Cond"));
        let is_allowed = has_condition || case.walks.iter().any(|index| uses(line, index));
        let walks =
            is_large && (line.contains("Seq Scan") || line.contains(" using ") && !is_allowed);
        let joins = line.contains("Join") && (line.contains("Hash") || line.contains("Merge"));
        let sorts = case.in_order && line.ends_with("Sort");
        if walks || joins || sorts {
            faults.push((*line).to_owned());
        }
    }
    faults
}

async fn check(client: &Client, tables: &str) -> Vec<String> {
    let mut all = Vec::new();
    for case in WORK.iter().chain(&PRUNE).chain(&LOOK).chain(&OVERVIEW) {
        let plan = plan(client, case).await;
        let faults = faults(case, &plan);
        if !faults.is_empty() {
            all.push(format!("{} on {tables} tables: {}\n{plan}", case.name, faults.join(", ")));
        }
    }
    all
}

#[tokio::test]
async fn hot_statements_use_the_index_they_were_written_for() {
    let Some(database) = Database::create().await else { return };
    let conn = conn(&database, "legwork").await;
    up(&conn).await;
    conn.client.batch_execute(SESSION_SETTINGS).await.unwrap();
    let mut faults = check(&conn.client, "empty").await;
    conn.client.batch_execute(FILL).await.unwrap();
    faults.extend(check(&conn.client, "full").await);
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[tokio::test]
async fn a_plan_without_an_index_is_found_out() {
    let Some(database) = Database::create().await else { return };
    let conn = conn(&database, "legwork").await;
    up(&conn).await;
    conn.client.batch_execute(SESSION_SETTINGS).await.unwrap();
    let drop = "DROP INDEX legwork.event_job; DROP INDEX legwork.outcome_succeeded";
    conn.client.batch_execute(drop).await.unwrap();
    for (case, says) in [(&PRUNE[7], "Seq Scan on event"), (&LOOK[10], "Sort")] {
        let found = faults(case, &plan(&conn.client, case).await).join(", ");
        assert!(found.contains(says), "{found}");
        assert!(found.contains("does not use"), "{found}");
    }
}
