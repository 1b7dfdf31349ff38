//! Orders: for some time they may be changed; then an integration event tells other systems.
//!
//! Shows a **background service** that polls a table and publishes through an [`EventBus`]. It is
//! an outbox: an order is marked only after the broker has confirmed its event. A crash in between
//! publishes the event again, with the same id: at least once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::{self, Path};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use legwork::prelude::*;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::database::{Database, Row, Sql};
use crate::event_bus::{Event, EventBus};
use crate::problem::Problem;
use crate::settings::Settings;

/// How many orders one look at the table takes; the next look takes the rest.
const BATCH_MAX: i64 = 100;

/// The routes below `/orders`.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/", post(place)).route("/{id}", get(show))
}

#[derive(Debug, Deserialize)]
struct NewOrder {
    customer: String,
    total_cents: u32,
}

/// An order as it is stored and shown.
#[derive(Debug, Clone, Serialize)]
struct Order {
    id: i64,
    customer: String,
    total_cents: i64,
    placed_at: String,
    /// When the event bus confirmed that the grace period is over.
    published_at: Option<String>,
}

impl Order {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            customer: row.get("customer")?,
            total_cents: row.get("total_cents")?,
            placed_at: row.get("placed_at")?,
            published_at: row.get("published_at")?,
        })
    }

    fn confirmed(&self) -> Event {
        Event {
            id: format!("order-{}-grace-period-confirmed", self.id),
            name: "order.grace_period_confirmed",
            data: serde_json::json!({
                "order_id": self.id,
                "customer": self.customer,
                "total_cents": self.total_cents,
                "placed_at": self.placed_at,
            }),
        }
    }
}

/// `POST /orders`: stores an order; its grace period starts now.
async fn place(
    extract::State(app): extract::State<App>,
    Json(new): Json<NewOrder>,
) -> Result<(StatusCode, Json<Order>), Problem> {
    let customer = new.customer.trim().to_owned();
    if customer.is_empty() {
        return Err(Problem::invalid("the order has no customer"));
    }
    let total_cents = i64::from(new.total_cents);
    let stored = app.database.transaction(async move |tx| {
        let sql = "INSERT INTO orders (customer, total_cents) VALUES ($1, $2) RETURNING *";
        tx.row(sql, &[&customer, &total_cents], Order::read).await
    });
    let order = stored.await?.context("the order was not stored")?;
    Ok((StatusCode::CREATED, Json(order)))
}

/// `GET /orders/{id}`: shows an order, and whether its event has gone out.
async fn show(
    extract::State(app): extract::State<App>,
    Path(id): Path<i64>,
) -> Result<Json<Order>, Problem> {
    let order = app.database.transaction(async move |tx| {
        tx.row("SELECT * FROM orders WHERE id = $1", &[&id], Order::read).await
    });
    order.await?.map(Json).ok_or_else(|| Problem::not_found("order"))
}

/// `GET /events`: shows the latest events of a bus that remembers them.
pub(crate) async fn events(extract::State(app): extract::State<App>) -> Json<Vec<Event>> {
    Json(app.bus.latest())
}

/// Runs as the background service `grace-period`, until the process stops.
pub(crate) async fn watch_grace_periods(
    State(database): State<Database>,
    State(bus): State<Arc<dyn EventBus>>,
    State(settings): State<Arc<Settings>>,
    cx: ServiceContext,
) {
    loop {
        let look = publish_due(&database, &*bus, settings.order_grace);
        // A broker that is down for a night is no reason to give up: the orders wait in the table.
        if let Some(Err(error)) = cx.until_stopped(look).await {
            tracing::warn!(error = format!("{error:#}"), "orders wait for the next look");
        }
        if !cx.sleep(settings.order_poll).await {
            return;
        }
    }
}

async fn publish_due(database: &Database, bus: &dyn EventBus, grace: Duration) -> Result<()> {
    for order in due(database, grace).await? {
        let event = order.confirmed();
        let id = event.id.clone();
        bus.publish(event).await.with_context(|| format!("cannot publish {id}"))?;
        mark_published(database, order.id).await?;
    }
    Ok(())
}

async fn due(database: &Database, grace: Duration) -> Result<Vec<Order>> {
    let sql = Sql {
        sqlite: "SELECT * FROM orders
                 WHERE published_at IS NULL
                   AND placed_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || $1 || ' seconds')
                 ORDER BY placed_at
                 LIMIT $2",
        postgres: "SELECT * FROM orders
                   WHERE published_at IS NULL
                     AND placed_at <= utc_text(now() - $1::bigint * interval '1 second')
                   ORDER BY placed_at
                   LIMIT $2",
    };
    let grace = i64::try_from(grace.as_secs())?;
    let due = database
        .transaction(async move |tx| tx.rows(sql, &[&grace, &BATCH_MAX], Order::read).await);
    due.await
}

async fn mark_published(database: &Database, id: i64) -> Result<()> {
    let sql = Sql {
        sqlite: "UPDATE orders SET published_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
                 WHERE id = $1 AND published_at IS NULL",
        postgres: "UPDATE orders SET published_at = utc_text(now())
                   WHERE id = $1 AND published_at IS NULL",
    };
    database.transaction(async move |tx| tx.execute(sql, &[&id]).await).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use legwork::BoxFuture;

    use super::*;
    use crate::event_bus::InMemoryBus;

    /// A bus on which the first event arrives, but not its confirm.
    #[derive(Debug, Default)]
    struct LosesTheFirstConfirm {
        inner: InMemoryBus,
        lost: Mutex<bool>,
    }

    impl EventBus for LosesTheFirstConfirm {
        fn publish(&self, event: Event) -> BoxFuture<'_, Result<()>> {
            Box::pin(async move {
                self.inner.publish(event).await?;
                let was_lost = std::mem::replace(&mut *self.lost.lock().unwrap(), true);
                if was_lost { Ok(()) } else { anyhow::bail!("no confirm") }
            })
        }
    }

    #[tokio::test]
    async fn an_event_without_a_confirm_is_published_again_with_the_same_id() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::in_directory(dir.path()).await;
        let insert = "INSERT INTO orders (customer, total_cents) VALUES ('Ada', 100)";
        database.transaction(async move |tx| tx.execute(insert, &[]).await).await.unwrap();
        let bus = LosesTheFirstConfirm::default();

        publish_due(&database, &bus, Duration::ZERO).await.unwrap_err();
        publish_due(&database, &bus, Duration::ZERO).await.unwrap();
        publish_due(&database, &bus, Duration::ZERO).await.unwrap();

        let ids: Vec<String> = bus.inner.latest().into_iter().map(|event| event.id).collect();
        assert_eq!(ids, ["order-1-grace-period-confirmed", "order-1-grace-period-confirmed"]);
    }

    #[tokio::test]
    async fn an_order_in_its_grace_period_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::in_directory(dir.path()).await;
        let insert = "INSERT INTO orders (customer, total_cents) VALUES ('Ada', 100)";
        database.transaction(async move |tx| tx.execute(insert, &[]).await).await.unwrap();
        let bus = InMemoryBus::default();
        publish_due(&database, &bus, Duration::from_mins(1)).await.unwrap();
        assert_eq!(bus.latest(), []);
    }
}
