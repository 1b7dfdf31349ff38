//! The pages of the user guide as tests: each example in `docs/` must compile and run.
//!
//! Only rustdoc's tests see it. The pages themselves are written for people, in `docs/`.

#[doc = include_str!("../../../docs/jobs.md")]
mod jobs {}

#[doc = include_str!("../../../docs/handlers.md")]
mod handlers {}

#[doc = include_str!("../../../docs/recurring.md")]
mod recurring {}

#[doc = include_str!("../../../docs/retries.md")]
mod retries {}

#[cfg(feature = "postgres")]
#[doc = include_str!("../../../docs/postgres.md")]
mod postgres {}
