//! Publishes events to RabbitMQ: a durable topic exchange, one routing key per kind of event.
//!
//! It connects when the first event is published, and again after an error; the caller publishes
//! the event once more then. An event counts as published only when the broker has confirmed it.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use legwork::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Event, EventBus};

/// The exchange that receivers bind their queues to.
pub(crate) const EXCHANGE: &str = "reports.events";

/// How long connecting, or one publication with its confirm, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells the broker to write the message to disk.
const PERSISTENT: u8 = 2;

/// A connection to RabbitMQ that heals itself.
pub(crate) struct RabbitMq {
    url: AMQPUri,
    link: Mutex<Option<Link>>,
}

struct Link {
    channel: Channel,
    /// Closes when dropped, and the channel with it.
    _connection: Connection,
}

impl RabbitMq {
    /// Makes a bus that will connect to `url`, such as `amqp://user:password@host:5672/%2f`.
    pub(crate) fn new(url: &str) -> Result<Self> {
        let url = url.parse().map_err(|reason: String| anyhow!("AMQP_URL: {reason}"))?;
        Ok(Self { url, link: Mutex::new(None) })
    }

    async fn publish_confirmed(&self, event: &Event) -> Result<()> {
        let body = serde_json::to_vec(event)?;
        let mut guard = self.link.lock().await;
        // Taken out, so that a link which failed, or was dropped half-way, is never used again.
        let link = match guard.take() {
            Some(link) if link.channel.status().connected() => link,
            _ => timeout(PATIENCE, connect(self.url.clone()))
                .await
                .context("RabbitMQ is silent")??,
        };
        timeout(PATIENCE, send(&link.channel, event, &body))
            .await
            .context("RabbitMQ did not confirm in time")??;
        *guard = Some(link);
        Ok(())
    }
}

async fn connect(url: AMQPUri) -> Result<Link> {
    let properties = ConnectionProperties::default().with_connection_name("reports".into());
    let connection =
        Connection::connect_uri(url, properties).await.context("cannot connect to RabbitMQ")?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel
        .exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, durable, FieldTable::default())
        .await?;
    Ok(Link { channel, _connection: connection })
}

async fn send(channel: &Channel, event: &Event, body: &[u8]) -> Result<()> {
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(event.id.as_str().into());
    let options = BasicPublishOptions::default();
    let sent = channel
        .basic_publish(EXCHANGE.into(), event.name.into(), options, body, properties)
        .await?;
    if !sent.await?.is_ack() {
        bail!("RabbitMQ did not take event {}", event.id);
    }
    Ok(())
}

impl EventBus for RabbitMq {
    fn publish(&self, event: Event) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.publish_confirmed(&event).await?;
            tracing::info!(event.id, event.name, "event published to RabbitMQ");
            Ok(())
        })
    }
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL holds a password.
        f.debug_struct("RabbitMq").finish_non_exhaustive()
    }
}
