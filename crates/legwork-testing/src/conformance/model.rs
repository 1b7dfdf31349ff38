//! Random sequences of operations on a storage and on the memory storage, compared step by step.
//!
//! `conformance!` makes one test of it beside the cases. Sequences are drawn from a fixed seed, so
//! that a run can be repeated; `LEGWORK_MODEL_SEED` and `LEGWORK_MODEL_SEQUENCES` draw others.
//! It never asks who is right: the doc comments of `legwork_core::storage` do. What a step does is
//! in `model/step.rs`, what is compared in `model/pair.rs`.

mod pair;
mod step;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use self::pair::Pair;
use super::Fixture;

/// How many sequences are tried, unless `LEGWORK_MODEL_SEQUENCES` says otherwise.
const SEQUENCES: u64 = 64;

/// The seed of the sequences, unless `LEGWORK_MODEL_SEED` says otherwise.
const SEED: u64 = 0x6c65_6777_6f72_6b00;

/// How many steps a sequence has at most.
const STEPS_MAX: usize = 40;

/// Compares a storage with the memory storage after every step of random sequences.
///
/// An opener that yields `None` has said why there is no storage to test: nothing is compared.
///
/// # Panics
/// When they differ: with the seed, what differs, and the shortest sequence that shows it.
pub fn compare<F: Future<Output: Into<Option<Fixture>>>>(open: impl Fn() -> F) {
    let seed = setting("LEGWORK_MODEL_SEED", SEED);
    let sequences = setting("LEGWORK_MODEL_SEQUENCES", SEQUENCES);
    let config = Config {
        cases: u32::try_from(sequences).expect("the number of sequences fits"),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tried = TestRunner::new(config).run(&step::sequences(STEPS_MAX), |steps| {
        let differs = runtime.block_on(async {
            let fixture = open().await.into()?;
            let mut pair = Pair::new(fixture).await;
            for (n, step) in steps.iter().enumerate() {
                if let Err(what) = pair.take(step).await {
                    return Some(format!("step {n}, {step:?}: {what}"));
                }
            }
            None
        });
        differs.map_or(Ok(()), |what| Err(TestCaseError::fail(what)))
    });
    if let Err(error) = tried {
        panic!("the storage differs from the model; LEGWORK_MODEL_SEED={seed} repeats it\n{error}");
    }
}

/// Reads a number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text:?}")),
        Err(_) => default,
    }
}
