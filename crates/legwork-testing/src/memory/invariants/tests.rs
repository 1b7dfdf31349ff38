//! The invariants find every kind of damage, and no sequence of operations does any.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use fastrand::Rng;
use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{
    Actor, Claim, ClaimedJob, Exchange, FailReason, Finish, Finished, NewJob, On, Parent, Rescue,
    Retention, RunError, ServerInfo, SilentServer, Start, Verdict,
};
use legwork_core::{Capabilities, Incarnation, JobId, Kind, LeaseId, QueueName, Run, Timestamp};

use super::super::model::{Ended, Model, Place};

fn job() -> NewJob {
    NewJob::new(Kind::new("mail").unwrap(), b"{}".to_vec())
}

fn enqueue(model: &mut Model, job: NewJob) -> JobId {
    model.enqueue(&Capabilities::new("the model", &[]), vec![job]).unwrap()[0].id()
}

fn server(n: u128) -> Incarnation {
    Incarnation::from_bits(n)
}

fn register(model: &mut Model, n: u128) {
    let info = ServerInfo {
        incarnation: server(n),
        name: "web-1".to_owned(),
        workers: 4,
        queues: vec![QueueName::default()],
        kinds: vec![Kind::new("mail").unwrap()],
        version: "0.1.0".to_owned(),
    };
    model.register(info).unwrap();
}

fn claim(model: &mut Model, n: u128, max: usize) -> Vec<ClaimedJob> {
    let claim = Claim {
        queues: vec![QueueName::default()],
        kinds: [Kind::new("mail").unwrap()].into(),
        max,
        suspects_max: 1,
    };
    let exchange = Exchange { server: server(n), finish: vec![], claim: Some(claim) };
    model.exchange(exchange).claimed
}

/// Makes a model with an enqueued, a scheduled, an awaiting and a processing job, in that order.
fn one_of_each() -> (Model, [JobId; 4]) {
    let mut model = Model::default();
    register(&mut model, 1);
    let processing = enqueue(&mut model, job());
    claim(&mut model, 1, 1);
    let enqueued = enqueue(&mut model, job());
    let later = Start::After(Duration::from_mins(1));
    let scheduled = enqueue(&mut model, NewJob { start: later, ..job() });
    let parents = vec![Parent { id: enqueued, on: On::Success }];
    let awaiting = enqueue(&mut model, NewJob { parents, ..job() });
    model.check();
    (model, [enqueued, scheduled, awaiting, processing])
}

#[test]
fn every_kind_of_damage_is_found() {
    type Damage = fn(&mut Model, [JobId; 4]);
    let table: [(&str, Damage); 12] = [
        ("enqueued without a marker", |m, _| m.ready.clear()),
        ("scheduled without a marker", |m, _| m.due.clear()),
        ("processing without its lease", |m, _| m.leases.clear()),
        ("a marker without its job", |m, [enqueued, ..]| {
            m.due.insert((Timestamp::MAX, enqueued));
        }),
        ("in two places", |m, [enqueued, ..]| {
            m.record(enqueued).place = Place::Awaiting;
        }),
        ("processing under another run", |m, [.., processing]| {
            m.record(processing).run = Run(7);
        }),
        ("an id that may come again", |m, _| m.last_number -= 1),
        ("a lease that may come again", |m, _| m.last_lease = 0),
        ("a lease of no server", |m, _| m.servers.clear()),
        ("an outcome of a run in progress", |m, [.., processing]| {
            let ended = Ended { server: server(1), verdict: None };
            m.outcomes.insert((processing, Run::FIRST), ended);
        }),
        ("an awaiting job with nothing to wait for", |m, [_, _, awaiting, _]| {
            m.record(awaiting).parents[0].met = true;
        }),
        ("a parent that does not know its child", |m, [enqueued, ..]| {
            m.record(enqueued).children.clear();
        }),
    ];
    for (what, damage) in table {
        let (mut model, jobs) = one_of_each();
        damage(&mut model, jobs);
        let found = catch_unwind(AssertUnwindSafe(|| model.check()));
        assert!(found.is_err(), "nobody noticed: {what}");
    }
}

/// How many jobs the random walk lets live at once, to meet every pair of operations often.
const JOBS_MAX: usize = 12;

#[derive(Default)]
struct Walk {
    model: Model,
    held: Vec<(u128, ClaimedJob)>,
    n_servers: u128,
}

impl Walk {
    fn step(&mut self, rng: &mut Rng) {
        let model = &mut self.model;
        model.now = model.now.after(Duration::from_secs(rng.u64(0..20)));
        let actor = Actor::new("ada");
        let any = model.jobs.keys().nth(rng.usize(0..JOBS_MAX)).copied();
        match rng.u8(0..16) {
            0..=2 if model.jobs.len() < JOBS_MAX => self.enqueue(rng),
            3..=5 => {
                let n = rng.u128(0..=self.n_servers);
                let claimed = claim(model, n, rng.usize(0..4));
                self.held.extend(claimed.into_iter().map(|job| (n, job)));
            }
            6..=8 => self.finish(rng),
            9 => drop(model.promote(rng.usize(0..4))),
            10 => {
                self.n_servers += 1;
                register(model, self.n_servers);
            }
            11 => {
                let silent = model.beats();
                let silent = silent.iter().filter(|_| rng.u8(0..3) == 0);
                let silent =
                    silent.map(|seen| SilentServer { server: seen.server, beat: seen.beat });
                let rescue =
                    Rescue { silent: silent.collect(), max_jobs: rng.usize(0..3), losses_max: 2 };
                model.rescue(&rescue);
            }
            12 if rng.bool() => drop(model.retire(server(rng.u128(0..=self.n_servers)))),
            12 => {
                let leases: Vec<_> = model.leases.keys().copied().collect();
                model.release(server(rng.u128(0..=self.n_servers)), &leases);
            }
            13 => drop(any.map(|id| model.cancel(id, actor))),
            14 => drop(any.map(|id| model.requeue(id, actor))),
            15 if rng.bool() => drop(any.map(|id| model.delete(id))),
            _ => drop(model.prune(Retention { succeeded: Duration::ZERO, ..keep() }, 3)),
        }
    }

    fn enqueue(&mut self, rng: &mut Rng) {
        let ons = [On::Success, On::Failure, On::Cancelled, On::AnyEnd];
        let there: Vec<_> = self.model.jobs.keys().copied().collect();
        let mut parents = Vec::new();
        for &id in &there {
            if rng.u8(0..6) == 0 {
                parents.push(Parent { id, on: ons[rng.usize(0..4)] });
            }
        }
        let start = match rng.u8(0..3) {
            0 => Start::After(Duration::from_secs(rng.u64(0..30))),
            _ => Start::Now,
        };
        let mut job = NewJob { priority: rng.i16(-1..=1), parents, start, ..job() };
        job.options.expires_at = (rng.u8(0..9) == 0).then_some(self.model.now);
        enqueue(&mut self.model, job);
    }

    fn finish(&mut self, rng: &mut Rng) {
        let Some(at) = self.held.len().checked_sub(1) else {
            return;
        };
        // Some are kept, to be finished once more.
        let at = rng.usize(0..=at);
        let (n, job) = if rng.bool() { self.held.swap_remove(at) } else { self.held[at].clone() };
        let some_time = Duration::from_secs(rng.u64(0..9));
        let error = RunError::new(RunErrorKind::Error, "flaky");
        let verdict = match rng.u8(0..6) {
            0 => Verdict::Succeeded { result: None },
            1 => Verdict::Retry { after: some_time, error },
            2 => Verdict::Failed { reason: FailReason::Exhausted, error },
            3 => Verdict::Snoozed { delay: some_time },
            4 => Verdict::Cancelled { reason: "enough".to_owned() },
            _ => Verdict::Released { started: rng.bool() },
        };
        let lease = if rng.u8(0..9) == 0 { LeaseId(1) } else { job.lease };
        let finish = Finish { id: job.id, run: job.run, lease, ran_for: some_time, verdict };
        let exchange = Exchange { server: server(n), finish: vec![finish.clone()], claim: None };
        if self.model.exchange(exchange.clone()).finished == [Finished::Recorded] {
            let again = self.model.exchange(exchange).finished;
            assert_eq!(again, [Finished::Recorded], "a repeated end is the same end");
        }
    }
}

fn keep() -> Retention {
    Retention::default()
}

#[test]
fn no_sequence_of_operations_does_damage() {
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let mut walk = Walk::default();
        for step in 0..200 {
            let whole = catch_unwind(AssertUnwindSafe(|| {
                walk.step(&mut rng);
                walk.model.check();
            }));
            assert!(whole.is_ok(), "seed {seed} does damage in step {step}");
        }
    }
}
