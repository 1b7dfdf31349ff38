//! Products: the notification after the answer, and the cache.

use serde_json::json;

use crate::app::App;
use crate::place::{Place, on_both_databases};
use crate::wait::until;

on_both_databases! {
    a_product_is_notified_after_the_answer_and_shows_in_the_summary,
    a_notification_is_given_up_when_the_process_stops,
}

fn a_product_is_notified_after_the_answer_and_shows_in_the_summary(place: &Place) {
    let app = App::start(place, &[("NOTIFY_SECS", "1"), ("CACHE_REFRESH_SECS", "1")]);
    assert_eq!(app.get("/products/summary").json()["products"], 0, "the cache is filled at once");
    // The host is ready a moment after the services have been told that it has started.
    until("the process to be ready", || (app.get("/readyz").status == 200).then_some(()));
    let answer = app.post_json("/products", &json!({ "name": "Chair", "price_cents": 4_200 }));
    assert_eq!(answer.status, 201, "{answer:?}");
    app.says("notification started");
    app.says("notification completed");
    let summary = app.report("/products/summary", |summary| summary["products"] == 1);
    assert_eq!(summary["total_cents"], 4_200);
}

fn a_notification_is_given_up_when_the_process_stops(place: &Place) {
    let app = App::start(place, &[("NOTIFY_SECS", "3600"), ("SHUTDOWN_SECS", "6")]);
    let answer = app.post_json("/products", &json!({ "name": "Chair", "price_cents": 4_200 }));
    assert_eq!(answer.status, 201, "{answer:?}");
    app.says("notification started");
    assert_eq!(app.terminate(), Some(0));
}
