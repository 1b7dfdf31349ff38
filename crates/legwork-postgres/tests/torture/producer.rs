//! A process that enqueues jobs as far as it is told on its standard input, and no further.
//!
//! Producers in even slots allocate ids first and repeat, after a kill, every enqueue whose outcome
//! they do not know: each must end as exactly one job. They note what was acknowledged one call
//! later, so that every kill leaves calls that were carried out and must be repeated. Every fourth
//! of their jobs is a continuation of the one before. Producers in odd slots use the client,
//! several calls at a time, and repeat nothing: what was not acknowledged may be there or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use legwork_core::storage::{NewJob, Parent, Storage};
use legwork_core::{Job, JobId, Kind, On};
use legwork_jobs::Jobs;
use legwork_postgres::PostgresStorage;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::ledger::{Fact, Ledger};
use crate::place::Place;
use crate::worker::Work;

/// Keys of one producer lie within one such span.
const SPAN: u64 = 1_000_000;

/// How many jobs a repeating producer enqueues with one call.
const BATCH: u64 = 4;

/// Tells whether a key belongs to a producer that repeats what it does not know.
pub(crate) fn repeats(key: u64) -> bool {
    (key / SPAN).is_multiple_of(2)
}

/// Returns the key of the job that a job continues.
pub(crate) fn parent_of(key: u64) -> Option<u64> {
    let continues = repeats(key) && (key % SPAN) % 4 == 2;
    continues.then(|| key - 1)
}

pub(crate) async fn produce(place: &Place, slot: u32) {
    let storage = Arc::new(PostgresStorage::connect(&place.url()).await.unwrap());
    let ledger = Ledger::open(place);
    let jobs = Jobs::new(storage.clone());
    let mut producer = Producer { jobs, storage, ledger, intended: BTreeMap::new() };
    let first = u64::from(slot) * SPAN;
    let mut next = producer.resume(first).await;
    let mut acknowledged = Vec::new();
    println!("\n@ready");
    let mut targets = targets();
    while let Some(target) = targets.recv().await {
        while next < first + target {
            let end = std::cmp::min(next + BATCH, first + target);
            if repeats(first) {
                let answered = producer.intend_and_store(next..end).await;
                producer.note(&std::mem::replace(&mut acknowledged, answered));
            } else {
                producer.call(next..end).await;
            }
            next = end;
        }
        println!("@reached {target}");
    }
    producer.note(&acknowledged);
    producer.jobs.close().await.unwrap();
}

/// Reads how far to go, from the standard input until it ends.
fn targets() -> mpsc::UnboundedReceiver<u64> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let target = line.unwrap().parse().unwrap();
            if sender.send(target).is_err() {
                return;
            }
        }
    });
    receiver
}

struct Producer {
    storage: Arc<PostgresStorage>,
    jobs: Jobs,
    ledger: Ledger,
    /// The ids of its keys, with those of its earlier lives.
    intended: BTreeMap<u64, i64>,
}

impl Producer {
    /// Repeats what an earlier life of this producer does not know; returns the next new key.
    async fn resume(&mut self, first: u64) -> u64 {
        let mut unknown = BTreeMap::new();
        let mut next = first;
        for fact in self.ledger.facts() {
            match fact {
                Fact::Intent { key, id } if key / SPAN == first / SPAN => {
                    unknown.insert(key, id);
                    self.intended.insert(key, id);
                    next = std::cmp::max(next, key + 1);
                }
                Fact::Stored { key, .. } | Fact::Again { key, .. } => {
                    unknown.remove(&key);
                }
                Fact::Intent { .. }
                | Fact::Start { .. }
                | Fact::Done { .. }
                | Fact::Fail { .. } => {}
            }
        }
        if repeats(first) {
            let unknown: Vec<(u64, i64)> = unknown.into_iter().collect();
            self.note(&self.store(&unknown).await);
        }
        next
    }

    /// Allocates ids and notes what is about to be enqueued under them.
    async fn intend(&mut self, keys: std::ops::Range<u64>) -> Vec<(u64, i64)> {
        let n = u32::try_from(keys.end - keys.start).unwrap();
        let block = self.storage.allocate_ids(n).await.unwrap();
        let intents: Vec<_> = keys.zip(block.ids().map(JobId::get)).collect();
        for &(key, id) in &intents {
            self.ledger.note(Fact::Intent { key, id });
            self.intended.insert(key, id);
        }
        intents
    }

    async fn intend_and_store(&mut self, keys: std::ops::Range<u64>) -> Vec<Fact> {
        let intents = self.intend(keys).await;
        self.store(&intents).await
    }

    /// Enqueues under the ids that were noted, which is safe to repeat; returns what is to be
    /// noted.
    async fn store(&self, intents: &[(u64, i64)]) -> Vec<Fact> {
        let jobs = intents.iter().map(|&(key, id)| self.job(key, id)).collect();
        let enqueued = self.storage.enqueue(jobs).await.unwrap();
        let answers = intents.iter().zip(enqueued).map(|(&(key, id), enqueued)| {
            assert_eq!(enqueued.id().get(), id, "the id that was allocated is the job's");
            if enqueued.is_new() { Fact::Stored { key, id } } else { Fact::Again { key, id } }
        });
        answers.collect()
    }

    fn note(&self, facts: &[Fact]) {
        for fact in facts {
            self.ledger.note(*fact);
        }
    }

    fn job(&self, key: u64, id: i64) -> NewJob {
        let kind = Kind::new(Work::NAME).unwrap();
        let mut job = NewJob::new(kind, Work { key }.encode().unwrap());
        job.id = Some(JobId::new(id).unwrap());
        if let Some(parent) = parent_of(key) {
            // It was intended before its continuation.
            let id = JobId::new(self.intended[&parent]).unwrap();
            job.parents.push(Parent { id, on: On::Success });
        }
        job
    }

    /// Enqueues through the client, all keys at the same time.
    async fn call(&self, keys: std::ops::Range<u64>) {
        let mut calls = JoinSet::new();
        for key in keys {
            let (jobs, ledger) = (self.jobs.clone(), self.ledger.clone());
            calls.spawn(async move {
                ledger.note(Fact::Intent { key, id: 0 });
                let enqueued = jobs.enqueue(Work { key }).await.unwrap();
                ledger.note(Fact::Stored { key, id: enqueued.id().get() });
            });
        }
        calls.join_all().await;
    }
}
