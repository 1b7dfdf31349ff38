//! The rows of reports.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::database::{Row, Sql, Tx, Value};

/// A report as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) id: i64,
    /// What the uploader called the file.
    pub(crate) name: String,
    /// Whom the finished report is mailed to.
    pub(crate) mail_to: String,
    /// The column to draw; the first numeric one when `None`.
    pub(crate) chart: Option<String>,
    /// The file name in the directory of uploads.
    pub(crate) upload: String,
    /// The job that builds it.
    pub(crate) job_id: Option<i64>,
    pub(crate) created_at: String,
    pub(crate) n_rows: Option<i64>,
    pub(crate) n_bad_rows: Option<i64>,
    pub(crate) finished_at: Option<String>,
    /// Why it will never be finished.
    pub(crate) failure: Option<String>,
}

/// What is known of a report when its file has arrived.
#[derive(Debug)]
pub(crate) struct NewReport {
    pub(crate) name: String,
    pub(crate) mail_to: String,
    pub(crate) chart: Option<String>,
    pub(crate) upload: String,
}

impl Report {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            mail_to: row.get("mail_to")?,
            chart: row.get("chart")?,
            upload: row.get("upload")?,
            job_id: row.get("job_id")?,
            created_at: row.get("created_at")?,
            n_rows: row.get("n_rows")?,
            n_bad_rows: row.get("n_bad_rows")?,
            finished_at: row.get("finished_at")?,
            failure: row.get("failure")?,
        })
    }
}

pub(crate) async fn insert(tx: &Tx<'_>, new: &NewReport) -> Result<i64> {
    let sql = "INSERT INTO reports (name, mail_to, chart, upload) VALUES ($1, $2, $3, $4)
               RETURNING id";
    let values: [&dyn Value; 4] = [&new.name, &new.mail_to, &new.chart, &new.upload];
    let id = tx.row(sql, &values, |row| row.get("id")).await?;
    id.context("the report got no id")
}

/// Notes which job builds the report.
pub(crate) async fn set_job(tx: &Tx<'_>, id: i64, job_id: i64) -> Result<()> {
    tx.execute("UPDATE reports SET job_id = $2 WHERE id = $1", &[&id, &job_id]).await?;
    Ok(())
}

pub(crate) async fn find(tx: &Tx<'_>, id: i64) -> Result<Option<Report>> {
    tx.row("SELECT * FROM reports WHERE id = $1", &[&id], Report::read).await
}

/// Notes that the page is written. Doing it again only moves the time.
pub(crate) async fn finish(tx: &Tx<'_>, id: i64, n_rows: u64, n_bad_rows: u64) -> Result<()> {
    let sql = Sql {
        sqlite: "UPDATE reports
                 SET n_rows = $2, n_bad_rows = $3, failure = NULL,
                     finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
                 WHERE id = $1",
        postgres: "UPDATE reports
                   SET n_rows = $2, n_bad_rows = $3, failure = NULL,
                       finished_at = utc_text(now())
                   WHERE id = $1",
    };
    tx.execute(sql, &[&id, &i64::try_from(n_rows)?, &i64::try_from(n_bad_rows)?]).await?;
    Ok(())
}

/// Notes why the report will never be finished.
pub(crate) async fn fail(tx: &Tx<'_>, id: i64, reason: &str) -> Result<()> {
    tx.execute("UPDATE reports SET failure = $2 WHERE id = $1", &[&id, &reason]).await?;
    Ok(())
}

/// Lists the reports that were asked for longer ago than `age`, oldest first.
pub(crate) async fn older_than(tx: &Tx<'_>, age: Duration) -> Result<Vec<Report>> {
    let sql = Sql {
        sqlite: "SELECT * FROM reports
                 WHERE created_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || $1 || ' seconds')
                 ORDER BY created_at",
        postgres: "SELECT * FROM reports
                   WHERE created_at <= utc_text(now() - $1::bigint * interval '1 second')
                   ORDER BY created_at",
    };
    tx.rows(sql, &[&i64::try_from(age.as_secs())?], Report::read).await
}

pub(crate) async fn delete(tx: &Tx<'_>, id: i64) -> Result<()> {
    tx.execute("DELETE FROM reports WHERE id = $1", &[&id]).await?;
    Ok(())
}

/// Tells whether a file of the uploads directory belongs to a report.
pub(crate) async fn has_upload(tx: &Tx<'_>, upload: &str) -> Result<bool> {
    let sql = "SELECT id FROM reports WHERE upload = $1";
    Ok(tx.row(sql, &[&upload], |row| row.get::<i64>("id")).await?.is_some())
}
