//! Orders: the event after the grace period.

use serde_json::{Value, json};

use crate::app::App;
use crate::place::{Place, on_both_databases};

on_both_databases! {
    an_order_is_published_once_its_grace_period_is_over,
    an_order_waits_for_its_grace_period_through_a_crash,
}

fn an_order_is_published_once_its_grace_period_is_over(place: &Place) {
    let app = App::start(place, &[("ORDER_GRACE_SECS", "2"), ("ORDER_POLL_SECS", "1")]);
    let placed = app.post_json("/orders", &json!({ "customer": "Ada", "total_cents": 4_200 }));
    assert_eq!(placed.status, 201, "{placed:?}");
    assert_eq!(placed.json()["published_at"], Value::Null);

    let order = app.report("/orders/1", |order| order["published_at"].is_string());
    assert_eq!(order["placed_at"], placed.json()["placed_at"]);
    let events = app.get("/events").json();
    assert_eq!(events.as_array().map(Vec::len), Some(1), "{events}");
    assert_eq!(events[0]["id"], "order-1-grace-period-confirmed");
    assert_eq!(events[0]["data"]["customer"], "Ada");
}

fn an_order_waits_for_its_grace_period_through_a_crash(place: &Place) {
    let app = App::start(place, &[("ORDER_GRACE_SECS", "3600")]);
    let order = json!({ "customer": "Ada", "total_cents": 1 });
    assert_eq!(app.post_json("/orders", &order).status, 201);
    app.kill();
    let app = App::start(place, &[("ORDER_GRACE_SECS", "0"), ("ORDER_POLL_SECS", "1")]);
    app.report("/orders/1", |order| order["published_at"].is_string());
}
