//! What holds of the tables between any two transactions, whatever happened before.
//!
//! The races and the torture look at it at their ends. It reads the tables, not the storage's idea
//! of them.

use tokio_postgres::Client;

/// Yields one row for each thing that is wrong. The tables are those of the search path.
const WRONG: &str = "
    WITH held AS (
        SELECT l.id AS lease, e.first + k AS id, e.run
        FROM lease AS l
            CROSS JOIN LATERAL unnest(l.firsts, l.ns, l.runs) AS e (first, n, run)
            CROSS JOIN LATERAL generate_series(0, e.n - 1) AS k
        WHERE NOT EXISTS (SELECT FROM outcome AS o WHERE o.id = e.first + k AND o.run = e.run)),
    marker (id, place, run) AS (
        SELECT w.id, 'waiting', 1 FROM waiting AS w
        UNION ALL SELECT d.id, 'due', d.run FROM due AS d
        UNION ALL SELECT r.first + k, 'ready', r.run
            FROM ready AS r CROSS JOIN LATERAL generate_series(0, r.n - 1) AS k
        UNION ALL SELECT h.id, 'lease', h.run FROM held AS h),
    final AS (SELECT o.id, o.run FROM outcome AS o WHERE o.result BETWEEN 1 AND 3),
    ended AS (SELECT o.id, max(o.run) AS last, count(*) AS n FROM outcome AS o GROUP BY o.id)
    SELECT format('job %s is in %s places', j.id, count(p.id))
    FROM job AS j
        LEFT JOIN (SELECT m.id FROM marker AS m UNION ALL SELECT f.id FROM final AS f) AS p
            ON p.id = j.id
    GROUP BY j.id
    HAVING count(p.id) <> 1
    UNION ALL
    SELECT format('run %s of job %s is in %s, but the job is not stored', m.run, m.id, m.place)
    FROM marker AS m
    WHERE NOT EXISTS (SELECT FROM job AS j WHERE j.id = m.id)
    UNION ALL
    SELECT format('run %s of job %s has ended, but the job is not stored', o.run, o.id)
    FROM outcome AS o
    WHERE NOT EXISTS (SELECT FROM job AS j WHERE j.id = o.id)
    UNION ALL
    SELECT format('run %s of job %s is in %s after run %s', m.run, m.id, m.place, e.last)
    FROM marker AS m
        LEFT JOIN ended AS e ON e.id = m.id
    WHERE m.run <> coalesce(e.last, 0) + 1
    UNION ALL
    SELECT format('job %s has ended for good in run %s and ended again in %s', f.id, f.run, e.last)
    FROM final AS f
        JOIN ended AS e ON e.id = f.id
    WHERE f.run <> e.last
    UNION ALL
    SELECT format('job %s has %s outcomes, the last of run %s', e.id, e.n, e.last)
    FROM ended AS e
    WHERE e.n <> e.last
    UNION ALL
    SELECT format('lease %s counts %s runs and holds %s', l.id, l.open, count(h.id))
    FROM lease AS l
        LEFT JOIN held AS h ON h.lease = l.id
    GROUP BY l.id
    HAVING count(h.id) <> l.open
    UNION ALL
    SELECT format('job %s waits for %s parents and has %s', w.id, w.open, count(d.parent))
    FROM waiting AS w
        LEFT JOIN dependency AS d ON d.child = w.id AND d.open
    GROUP BY w.id
    HAVING count(d.parent) <> w.open
    UNION ALL
    SELECT format('job %s waits for job %s, which is not stored', d.child, d.parent)
    FROM dependency AS d
    WHERE d.open
        AND NOT EXISTS (SELECT FROM job AS j WHERE j.id = d.parent)
    UNION ALL
    SELECT format('job %s is tied to job %s and does not wait', d.child, d.parent)
    FROM dependency AS d
    WHERE d.open
        AND NOT EXISTS (SELECT FROM waiting AS w WHERE w.id = d.child)";

/// Makes sure that everything is where it belongs, by one look at all tables.
pub(crate) async fn check(client: &Client) {
    let rows = client.query(WRONG, &[]).await.unwrap();
    let wrong: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
