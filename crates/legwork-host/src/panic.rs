//! Turns a panic of user code into an error with the panic's message.
//!
//! Whoever runs user code calls [`caught`] or hands a panicked task's payload to [`Panicked`]. No
//! global hook is installed: the default hook, or the application's, has printed the location.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use legwork_core::BoxError;

/// The error that a panic becomes.
#[derive(Debug)]
pub(crate) struct Panicked {
    message: String,
}

impl Panicked {
    /// Reads the message of a panic.
    pub(crate) fn new(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self { message: text.unwrap_or("no message").to_owned() }
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

impl std::error::Error for Panicked {}

/// Runs `work`; a panic becomes its error.
///
/// Asserting unwind safety is right because nothing of `work` is looked at after a panic.
pub(crate) async fn caught<T>(
    work: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(payload) => Err(Panicked::new(&*payload).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_with_its_message() {
        let number = 7;
        let formatted = caught::<()>(async { panic!("bad number {number}") }).await;
        assert_eq!(formatted.unwrap_err().to_string(), "panicked: bad number 7");
        let plain = caught::<()>(async { panic!("bad") }).await;
        assert_eq!(plain.unwrap_err().to_string(), "panicked: bad");
        let other = caught::<()>(async { std::panic::panic_any(7) }).await;
        assert_eq!(other.unwrap_err().to_string(), "panicked: no message");
    }

    #[tokio::test]
    async fn what_does_not_panic_keeps_its_result() {
        assert_eq!(caught(async { Ok(7) }).await.unwrap(), 7);
        let error = caught::<()>(async { Err("no".into()) }).await.unwrap_err();
        assert_eq!(error.to_string(), "no");
    }
}
