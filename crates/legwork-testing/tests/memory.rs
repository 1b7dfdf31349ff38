//! The conformance suite on the memory storage.

use legwork_testing::conformance::Fixture;
use legwork_testing::{MemoryStorage, TestClock};

legwork_testing::conformance!(memory, async || {
    let clock = TestClock::new();
    Fixture::new(MemoryStorage::with_clock(clock.clone()), clock)
});
