//! Products: a notification on the **in-memory task queue**, a cache that a **timer** refreshes.
//!
//! The notification is light and may be lost when the process dies; what must not be lost is a job.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use legwork::prelude::*;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::database::{Database, Row, Sql};
use crate::problem::Problem;

/// The routes below `/products`.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/", post(create)).route("/summary", get(summary))
}

#[derive(Debug, Deserialize)]
struct NewProduct {
    name: String,
    price_cents: u32,
}

/// `POST /products`: saves a product, then lets a task tell others about it.
async fn create(
    extract::State(app): extract::State<App>,
    Json(new): Json<NewProduct>,
) -> Result<(StatusCode, Json<serde_json::Value>), Problem> {
    let name = new.name.trim().to_owned();
    if name.is_empty() {
        return Err(Problem::invalid("the product has no name"));
    }
    let price_cents = i64::from(new.price_cents);
    let saved = app.database.transaction(async move |tx| {
        let sql = "INSERT INTO products (name, price_cents) VALUES ($1, $2) RETURNING id";
        tx.row(sql, &[&name, &price_cents], |row| row.get::<i64>("id")).await
    });
    let product_id = saved.await?.context("the product got no id")?;

    let takes = app.settings.notify;
    let queued = app.tasks.try_enqueue("notify", move |cx: TaskContext| async move {
        notify(product_id, takes, cx.token()).await;
    });
    if let Err(error) = queued {
        // The product is saved; a full queue is no reason to tell the caller that it is not.
        tracing::warn!(product_id, %error, "nobody is notified of the product");
    }
    Ok((StatusCode::CREATED, Json(serde_json::json!({ "id": product_id }))))
}

/// Stands for a call that takes a while, and can be given up when the process stops.
async fn notify(product_id: i64, takes: Duration, stopping: &CancellationToken) {
    tracing::info!(product_id, "notification started");
    let work = tokio::time::sleep(takes);
    if stopping.run_until_cancelled(work).await.is_some() {
        tracing::info!(product_id, "notification completed");
    } else {
        tracing::info!(product_id, "notification given up, because the process stops");
    }
}

/// What all products come to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    products: i64,
    total_cents: i64,
    refreshed_at: String,
}

/// The latest summary; empty until the timer has run for the first time.
#[derive(Debug, Clone, Default)]
pub(crate) struct SummaryCache {
    summary: Arc<RwLock<Option<Summary>>>,
}

/// `GET /products/summary`: answers from the cache, without touching the database.
async fn summary(extract::State(app): extract::State<App>) -> Result<Json<Summary>, Problem> {
    let summary = app.summary.summary.read().unwrap_or_else(PoisonError::into_inner).clone();
    summary.map(Json).ok_or_else(|| {
        let reason = "the summary is not there yet".to_owned();
        Problem::Refused(StatusCode::SERVICE_UNAVAILABLE, reason)
    })
}

/// Runs as the timer `product-summary`; the host is not ready before it has succeeded once.
pub(crate) async fn refresh_summary(
    State(database): State<Database>,
    State(cache): State<SummaryCache>,
) -> Result<()> {
    let sql = Sql {
        sqlite: "SELECT count(*) AS products, coalesce(sum(price_cents), 0) AS total_cents,
                        strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS refreshed_at
                 FROM products",
        postgres:
            "SELECT count(*) AS products, coalesce(sum(price_cents), 0)::bigint AS total_cents,
                          utc_text(now()) AS refreshed_at
                   FROM products",
    };
    let read = |row: &Row<'_>| {
        Ok(Summary {
            products: row.get("products")?,
            total_cents: row.get("total_cents")?,
            refreshed_at: row.get("refreshed_at")?,
        })
    };
    let summary = database.transaction(async move |tx| tx.row(sql, &[], read).await);
    let summary = summary.await?.context("a sum is one row")?;
    *cache.summary.write().unwrap_or_else(PoisonError::into_inner) = Some(summary);
    Ok(())
}
