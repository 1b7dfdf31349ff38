//! The boxed future of object-safe traits.
//!
//! [`crate::storage::Storage`] and [`crate::inspect::Inspect`] return it.

use std::future::Future;
use std::pin::Pin;

/// A future on the heap that can be sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
