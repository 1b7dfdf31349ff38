//! Publishes integration events: what other systems may want to know about this one.
//!
//! The grace-period service calls it. Without RabbitMQ the events stay in memory, where
//! `GET /events` shows the latest. Another broker is another implementation of [`EventBus`].

#[cfg(feature = "rabbitmq")]
pub(crate) mod rabbitmq;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use legwork::BoxFuture;
use serde::Serialize;

/// How many events the in-memory bus remembers.
const REMEMBERED_MAX: usize = 100;

/// Takes events and passes them on.
pub(crate) trait EventBus: fmt::Debug + Send + Sync + 'static {
    /// Publishes one event, and returns when it is safe with the broker.
    ///
    /// After an error the event may have been published or not: publish it again. Receivers
    /// recognise the repetition by its id.
    fn publish(&self, event: Event) -> BoxFuture<'_, Result<()>>;

    /// Returns the latest events, where the bus remembers them.
    fn latest(&self) -> Vec<Event> {
        Vec::new()
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Event {
    /// The same whenever this event is published again.
    pub(crate) id: String,
    /// What happened, such as `order.grace_period_confirmed`.
    pub(crate) name: &'static str,
    /// The facts.
    pub(crate) data: serde_json::Value,
}

/// Keeps events in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct InMemoryBus {
    latest: Arc<Mutex<VecDeque<Event>>>,
}

impl EventBus for InMemoryBus {
    fn publish(&self, event: Event) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            tracing::info!(event.id, event.name, "event published");
            let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            if latest.len() == REMEMBERED_MAX {
                latest.pop_front();
            }
            latest.push_back(event);
            Ok(())
        })
    }

    fn latest(&self) -> Vec<Event> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_latest_events_are_remembered() {
        let bus = InMemoryBus::default();
        for n in 0..=REMEMBERED_MAX {
            let data = serde_json::json!({ "n": n });
            bus.publish(Event { id: n.to_string(), name: "test", data }).await.unwrap();
        }
        let ids: Vec<String> = bus.latest().into_iter().map(|event| event.id).collect();
        assert_eq!((ids.len(), ids[0].as_str()), (REMEMBERED_MAX, "1"));
    }
}
