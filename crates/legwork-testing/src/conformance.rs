//! The published contract of every storage: one test per case per storage.
//!
//! A storage crate calls [`conformance!`](crate::conformance!) once in a test binary; nothing there
//! lists a case by hand. A case is an `async fn` in the module of its subject plus one line in the
//! `cases!` list of that module; one that is missing from its list does not compile (`dead_code`).
//! Storages may differ in what `Capabilities` says and in nothing else: a case never asks which
//! storage it runs on. Random sequences of operations are apart, in `conformance/model.rs`.

#![deny(dead_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_assert_message,
    clippy::missing_panics_doc,
    reason = "these are tests, which storages run: a broken promise is a panic with its place"
)]

/// Collects the cases of a subject: the wrapper that runs each, and the macro that names them all.
///
/// `$` is passed in because a macro cannot write a `$` of its own into the macro it makes.
macro_rules! cases {
    (($d:tt) $subject:ident $list:ident: $($name:ident,)+) => {
        #[doc(hidden)]
        pub mod cases {
            $(pub async fn $name(fx: crate::conformance::Fixture) {
                super::$name(&fx).await;
            })+
        }

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $list {
            () => {
                mod $subject {
                    $(#[test]
                    fn $name() {
                        let case = $crate::conformance::subjects::$subject::$name;
                        $crate::conformance::run(super::fixture(), case);
                    })+
                }
            };
        }
    };
}

/// Makes [`conformance!`](crate::conformance!) of the lists of all subjects.
macro_rules! suite {
    (($d:tt) $($subject:ident $list:ident,)+) => {
        #[doc(hidden)]
        pub mod subjects {
            $(pub use super::$subject::cases as $subject;)+
        }

        /// Runs the whole conformance suite on a storage, one `#[test]` per case.
        ///
        /// The first argument names the module of the tests, the second is an async closure that
        /// makes a [`Fixture`](crate::conformance::Fixture) with an empty storage, or `None` after
        /// it has said why there is none to test. The tests are called
        /// `memory::claim::never_hands_one_job_to_two_servers`.
        ///
        /// # Examples
        /// ```
        /// use legwork_testing::conformance::Fixture;
        /// use legwork_testing::{MemoryStorage, TestClock};
        ///
        /// legwork_testing::conformance!(memory, async || {
        ///     let clock = TestClock::new();
        ///     Fixture::new(MemoryStorage::with_clock(clock.clone()), clock)
        /// });
        /// # fn main() {}
        /// ```
        #[macro_export]
        macro_rules! conformance {
            ($d storage:ident, $d open:expr $d (,)?) => {
                mod $d storage {
                    #[allow(unused_imports, reason = "the closure may need no import")]
                    use super::*;

                    fn fixture() -> impl Future<
                        Output: Into<Option<$crate::conformance::Fixture>>,
                    > {
                        ($d open)()
                    }

                    $($crate::$list!();)+

                    mod model {
                        #[test]
                        fn agrees_after_every_step_of_random_sequences() {
                            $crate::conformance::model::compare(super::fixture);
                        }
                    }
                }
            };
        }
    };
}

mod args;
mod cancel;
mod claim;
mod close;
mod concurrency;
mod continuation;
mod draft;
mod enqueue;
mod family;
mod fence;
mod finish;
mod fixture;
mod handle;
mod heartbeat;
mod history;
mod inspect;
pub mod model;
mod occurrence;
mod operate;
mod progress;
mod prune;
mod recurring;
mod release;
mod rescue;
mod retry;
mod schedule;
mod server;
mod values;
mod wake;

pub use self::fixture::Fixture;

use std::time::Duration;

suite! { ($)
    handle __handle_cases,
    enqueue __enqueue_cases,
    args __args_cases,
    values __values_cases,
    schedule __schedule_cases,
    claim __claim_cases,
    finish __finish_cases,
    fence __fence_cases,
    retry __retry_cases,
    cancel __cancel_cases,
    continuation __continuation_cases,
    family __family_cases,
    heartbeat __heartbeat_cases,
    rescue __rescue_cases,
    release __release_cases,
    prune __prune_cases,
    recurring __recurring_cases,
    occurrence __occurrence_cases,
    operate __operate_cases,
    progress __progress_cases,
    wake __wake_cases,
    inspect __inspect_cases,
    history __history_cases,
    concurrency __concurrency_cases,
    close __close_cases,
}

/// How long a case may take; one that waits for what never comes fails instead of hanging.
const CASE_SECS_MAX: u64 = 120;

/// Runs one case on a fresh storage, with real threads beside it.
///
/// A fixture that is `None` has said why there is no storage to test: the case does nothing.
pub fn run<C>(fixture: impl Future<Output: Into<Option<Fixture>>>, case: impl FnOnce(Fixture) -> C)
where
    C: Future<Output = ()>,
{
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let deadline = Duration::from_secs(CASE_SECS_MAX);
        let Some(fx) = fixture.await.into() else {
            return;
        };
        fx.store().migrate().await.unwrap();
        let ended = tokio::time::timeout(deadline, Box::pin(case(fx))).await;
        assert!(ended.is_ok(), "the case did not end within {CASE_SECS_MAX} s");
    });
}
