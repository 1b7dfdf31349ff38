//! Orders through a real RabbitMQ.

use std::io::Write;

use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::{Value, json};

use crate::app::App;
use crate::place::Place;
use crate::wait::PATIENCE;

/// The exchange that the application publishes to.
const EXCHANGE: &str = "reports.events";

/// Returns the URL of a RabbitMQ for tests, or records that `test` is skipped.
fn broker(test: &str) -> Option<String> {
    if let Ok(url) = std::env::var("LEGWORK_TEST_AMQP_URL") {
        return Some(url);
    }
    let line = format!("{test}: LEGWORK_TEST_AMQP_URL is not set");
    println!("SKIPPED: {line}");
    if let Some(path) = std::env::var_os("LEGWORK_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        writeln!(file.expect("the file of skips"), "{line}").expect("the file of skips");
    }
    None
}

/// Receives every event that is published from now on. The connection lives as long as the test.
async fn receive_events(url: &str) -> (Connection, Consumer) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let none = FieldTable::default;
    let topic = ExchangeKind::Topic;
    channel.exchange_declare(EXCHANGE.into(), topic, durable, none()).await.unwrap();
    let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), own, none()).await.unwrap();
    let (name, bind) = (queue.name().clone(), QueueBindOptions::default());
    channel
        .queue_bind(name.clone(), EXCHANGE.into(), "order.#".into(), bind, none())
        .await
        .unwrap();
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(name, "test".into(), no_ack, none()).await.unwrap();
    (connection, consumer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_reaches_rabbitmq_and_is_marked_after_the_confirm() {
    let name = "an_order_reaches_rabbitmq_and_is_marked_after_the_confirm";
    let Some(url) = broker(name) else { return };
    let (_connection, mut events) = receive_events(&url).await;
    let place = Place::sqlite();
    let settings =
        [("AMQP_URL", url.as_str()), ("ORDER_GRACE_SECS", "0"), ("ORDER_POLL_SECS", "1")];
    let app = App::start(&place, &settings);
    let order = json!({ "customer": "Ada", "total_cents": 4_200 });
    assert_eq!(app.post_json("/orders", &order).status, 201);

    let delivery = tokio::time::timeout(PATIENCE, events.next()).await.expect("an event comes");
    let delivery = delivery.expect("the queue is open").expect("an event comes");
    assert_eq!(delivery.routing_key.as_str(), "order.grace_period_confirmed");
    assert_eq!(
        delivery.properties.delivery_mode(),
        &Some(2),
        "it survives a restart of the broker"
    );
    let event: Value = serde_json::from_slice(&delivery.data).unwrap();
    assert_eq!(event["id"], "order-1-grace-period-confirmed");
    assert_eq!(event["data"]["total_cents"], 4_200);
    app.report("/orders/1", |order| order["published_at"].is_string());
    assert_eq!(app.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_waits_while_there_is_no_broker() {
    let place = Place::sqlite();
    // Port 1 is reserved: nothing listens there.
    let settings = [
        ("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f"),
        ("ORDER_GRACE_SECS", "0"),
        ("ORDER_POLL_SECS", "1"),
    ];
    let app = App::start(&place, &settings);
    let order = json!({ "customer": "Ada", "total_cents": 4_200 });
    assert_eq!(app.post_json("/orders", &order).status, 201);
    app.says("orders wait for the next look");
    assert_eq!(app.get("/orders/1").json()["published_at"], Value::Null);
    assert_eq!(app.get("/readyz").status, 200, "the rest of the application goes on");
}
