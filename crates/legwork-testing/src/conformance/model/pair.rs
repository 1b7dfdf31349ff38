//! A storage beside the memory storage: every step goes to both, and both must answer alike.
//!
//! Lease ids are the only thing that may differ. After each step the counts, every job and its
//! history are compared too.

use std::fmt::Debug;

use legwork_core::inspect::{
    History, Inspect as _, JobDetail, JobFilter, JobPage, Page, QueueView,
};
use legwork_core::storage::{
    Beat, Claim, ClaimedJob, Exchange, FailReason, Finish, NewJob, Parent, Rescue, ServerInfo,
    SilentServer, Storage, Verdict,
};
use legwork_core::{Incarnation, JobId, JobState, LeaseId, On, Progress, QueueName, Retention};

use super::super::draft::{
    self, Draft as _, KIND, cancelled, failed, job, kind, queue, released, retry, secs, snoozed,
};
use super::super::fixture::operator;
use super::super::server::finish;
use super::step::{End, OnJob, OnRun, OnServer, Step};
use crate::MemoryStorage;
use crate::conformance::Fixture;

/// Says what differs.
type Compared = Result<(), String>;

/// How many servers in a row a job may lose: few, so that short sequences reach it.
const LOSSES_MAX: u32 = 2;

/// How many jobs one call moves at most, where the step does not say.
const JOBS_MAX: usize = 1_000;

/// Both storages, and what exists in them.
pub(super) struct Pair {
    fx: Fixture,
    model: MemoryStorage,
    jobs: Vec<JobId>,
    servers: Vec<Incarnation>,
    runs: Vec<Held>,
}

/// A run that was claimed at some time.
#[derive(Clone)]
struct Held {
    server: Incarnation,
    real: ClaimedJob,
    model: ClaimedJob,
}

/// Asks both storages the same, and returns both answers.
macro_rules! both {
    ($pair:expr, $call:ident($($arg:expr),*)) => {
        (
            $pair.fx.store().$call($($arg.clone()),*).await.map_err(|error| error.kind()),
            $pair.model.$call($($arg.clone()),*).await.map_err(|error| error.kind()),
        )
    };
}

impl Pair {
    pub(super) async fn new(fx: Fixture) -> Self {
        fx.store().migrate().await.unwrap();
        let model = MemoryStorage::with_clock(fx.clock().clone());
        let mut pair = Self { fx, model, jobs: Vec::new(), servers: Vec::new(), runs: Vec::new() };
        pair.register().await.unwrap();
        pair
    }

    /// Takes a step on both and compares their answers, and then all that can be seen.
    pub(super) async fn take(&mut self, step: &Step) -> Compared {
        match *step {
            Step::Enqueue { .. } => self.enqueue(step).await?,
            Step::Register => self.register().await?,
            Step::Claim { server, mail_first, max, suspects_max } => {
                let mut claim = wish(max, suspects_max);
                claim.queues.rotate_left(usize::from(mail_first));
                self.exchange(pick(&self.servers, server), None, Some(claim)).await?;
            }
            Step::Run { .. } if self.runs.is_empty() => {}
            Step::Run { run, act } => self.run(pick(&self.runs, run), act).await?,
            Step::Server { server, act } => self.serve(pick(&self.servers, server), act).await?,
            Step::Rescue => self.rescue(vec![], JOBS_MAX).await?,
            Step::Advance { secs: n } => self.fx.advance(secs(n)),
            Step::Promote { max } => same("promote", both!(self, promote(max)))?,
            Step::Job { .. } if self.jobs.is_empty() => {}
            Step::Job { job, act } => self.operate(pick(&self.jobs, job), act).await?,
            Step::Pause { mail } => same("pause", both!(self, pause(name(mail), operator())))?,
            Step::Resume { mail } => same("resume", both!(self, resume(name(mail), operator())))?,
            Step::Prune { after_secs } => {
                let after = secs(after_secs);
                let retention = Retention { succeeded: after, failed: after, cancelled: after };
                same("prune", both!(self, prune(retention, JOBS_MAX)))?;
            }
        }
        self.compare_all().await
    }

    async fn register(&mut self) -> Compared {
        let incarnation = Incarnation::from_bits((self.servers.len() as u128) << 96 | 0xbeef);
        self.servers.push(incarnation);
        let info = ServerInfo {
            incarnation,
            name: format!("model/{}", self.servers.len()),
            workers: 4,
            queues: wish(1, 1).queues,
            kinds: vec![kind(KIND)],
            version: "0.1.0".to_owned(),
        };
        same("register", both!(self, register(info)))
    }

    async fn enqueue(&mut self, step: &Step) -> Compared {
        let Step::Enqueue { n, mail, urgent, delay_secs, ref parents } = *step else {
            return Ok(());
        };
        let mut new = job().priority(if urgent { -1 } else { 0 }).after(secs(delay_secs));
        new.queue = name(mail);
        let parents = parents.iter().filter(|_| !self.jobs.is_empty());
        new.parents = parents
            .map(|&(parent, on)| Parent { id: pick(&self.jobs, parent), on })
            .collect::<Vec<Parent>>();
        // Twice the same parent is one edge; which condition counts is not said.
        new.parents.sort_by_key(|parent| (parent.id, parent.on == On::AnyEnd));
        new.parents.dedup_by_key(|parent| parent.id);
        let mut batch: Vec<NewJob> = Vec::new();
        for _ in 0..n {
            batch.push(new.clone().id(self.fresh_id().await));
        }
        same("enqueue", both!(self, enqueue(batch)))?;
        self.jobs.extend(batch.iter().filter_map(|job| job.id));
        Ok(())
    }

    /// Returns an id that both storages have handed out and nobody uses.
    async fn fresh_id(&self) -> JobId {
        let mut real = last_of(&**self.fx.store(), 1).await;
        let model = last_of(&self.model, 1).await;
        // A storage may leave numbers out; the model hands out every one, so that it can follow.
        while real < model {
            real = last_of(&**self.fx.store(), behind(real, model)).await;
        }
        if model < real {
            assert_eq!(last_of(&self.model, behind(model, real)).await, real);
        }
        real
    }

    async fn exchange(
        &mut self,
        server: Incarnation,
        end: Option<(Held, Verdict)>,
        claim: Option<Claim>,
    ) -> Compared {
        let make = |which: fn(&Held) -> &ClaimedJob| {
            let finish: Vec<Finish> =
                end.iter().map(|(held, verdict)| finish(which(held), verdict.clone())).collect();
            Exchange { server, finish, claim: claim.clone() }
        };
        let real = self.fx.store().exchange(make(|held| &held.real)).await.unwrap();
        let model = self.model.exchange(make(|held| &held.model)).await.unwrap();
        same("finished", (&real.finished, &model.finished))?;
        let without_lease = |job: &ClaimedJob| ClaimedJob { lease: LeaseId(0), ..job.clone() };
        let claimed = |all: &[ClaimedJob]| all.iter().map(without_lease).collect::<Vec<_>>();
        same("claimed", (claimed(&real.claimed), claimed(&model.claimed)))?;
        let both = real.claimed.into_iter().zip(model.claimed);
        self.runs.extend(both.map(|(real, model)| Held { server, real, model }));
        Ok(())
    }

    async fn run(&mut self, held: Held, act: OnRun) -> Compared {
        let Held { server, real, model } = held.clone();
        let progress = Progress { share: 0.5, message: "half".to_owned() };
        match act {
            OnRun::Finish { end, claim } => {
                let claim = claim.then(|| wish(2, 1));
                self.exchange(server, Some((held, verdict(end))), claim).await
            }
            OnRun::Release => {
                let released = self.fx.store().release(server, vec![real.lease]).await.unwrap();
                let expected = self.model.release(server, vec![model.lease]).await.unwrap();
                same("release", (released, expected))
            }
            OnRun::Progress => {
                let of = |job: &ClaimedJob| vec![(job.id, job.run, job.lease, progress.clone())];
                self.fx.store().record_progress(of(&real)).await.unwrap();
                self.model.record_progress(of(&model)).await.unwrap();
                Ok(())
            }
        }
    }

    async fn serve(&mut self, server: Incarnation, act: OnServer) -> Compared {
        match act {
            OnServer::Beat => {
                let (real, model) = both!(self, heartbeat(server));
                same("heartbeat", (real.map(comparable), model.map(comparable)))
            }
            OnServer::Retire => same("retire", both!(self, retire(server))),
            OnServer::Kill { max_jobs } => {
                let beats = self.model.beats().await.unwrap();
                let seen = beats.iter().find(|beat| beat.server == server);
                let silent = seen.map(|seen| SilentServer { server, beat: seen.beat });
                self.rescue(silent.into_iter().collect(), max_jobs).await
            }
        }
    }

    async fn rescue(&mut self, silent: Vec<SilentServer>, max_jobs: usize) -> Compared {
        let rescue = Rescue { silent, max_jobs, losses_max: LOSSES_MAX };
        same("rescue", both!(self, rescue(rescue)))
    }

    async fn operate(&mut self, id: JobId, act: OnJob) -> Compared {
        match act {
            OnJob::Cancel => same("cancel", both!(self, cancel(id, operator()))),
            OnJob::Requeue => same("requeue", both!(self, requeue(id, operator()))),
            OnJob::Delete => same("delete", both!(self, delete(id, operator()))),
        }
    }

    async fn compare_all(&self) -> Compared {
        same("counts", both!(self, counts()))?;
        let (real, model) = both!(self, queues());
        // Whether a queue that was paused but never held a job is listed is not said, nor whether
        // the age of a job that re-entered its queue counts from then.
        let busy = |views: Vec<QueueView>| -> Vec<_> {
            let busy = views.into_iter().filter(|one| one.enqueued.n > 0 || one.paused.is_some());
            busy.map(|one| (one.name, one.enqueued, one.oldest_at.is_some(), one.paused)).collect()
        };
        same("queues", (real.map(busy), model.map(busy)))?;
        for &id in &self.jobs {
            let (real, model) = both!(self, job(id));
            let said = |detail: Option<JobDetail>| detail.map(without_wording);
            same(&format!("job {id}"), (real.map(said), model.map(said)))?;
        }
        for state in JobState::ALL {
            for mail in [false, true] {
                let filter = JobFilter { queue: Some(name(mail)), ..JobFilter::state(state) };
                let (real, model) = both!(self, jobs(filter, Page::first(200)));
                let list = |page: JobPage| in_order(state, &page);
                same(&format!("list of {state}"), (real.map(list), model.map(list)))?;
            }
        }
        Ok(())
    }
}

/// Returns the jobs of a list of one queue in the order that the contract gives them.
fn in_order(state: JobState, page: &JobPage) -> Vec<JobId> {
    let mut ids: Vec<_> = page.jobs.iter().map(|job| job.id).collect();
    match state {
        JobState::Scheduled | JobState::Enqueued => {}
        // The order of jobs that came into their state at the same time is not said.
        JobState::Awaiting
        | JobState::Processing
        | JobState::Succeeded
        | JobState::Failed
        | JobState::Cancelled => ids.sort_unstable(),
    }
    ids
}

/// Returns a job without the texts that a storage words by itself, and without an error of which
/// its history does not tell: that of a run which was to be cancelled and did not end.
fn without_wording(mut detail: JobDetail) -> JobDetail {
    let mut told = Vec::new();
    for entry in &mut detail.history {
        if let History::Cancelled { reason, .. } = &mut entry.what {
            reason.clear();
        } else if let History::Retried { error, .. } = &entry.what {
            told.push(error.message.clone());
        } else if let History::Failed { reason, error, .. } = &mut entry.what {
            if *reason == FailReason::Exhausted {
                told.push(error.message.clone());
            } else {
                error.message.clear();
            }
        }
    }
    detail.summary.error = detail.summary.error.filter(|text| told.contains(text));
    detail
}

/// Returns an answer to a beat without its lease ids.
fn comparable(beat: Beat) -> (bool, Vec<String>) {
    match beat {
        Beat::Lost => (false, Vec::new()),
        Beat::Live { cancels, paused, leases } => {
            let mut all: Vec<_> = cancels.iter().map(|cancel| format!("{cancel:?}")).collect();
            all.extend(paused.iter().map(ToString::to_string));
            all.extend(leases.values().map(|n| format!("{n} jobs")));
            all.sort_unstable();
            (true, all)
        }
    }
}

fn same<T: PartialEq + Debug>(what: &str, (real, model): (T, T)) -> Compared {
    if real == model {
        return Ok(());
    }
    Err(format!("{what}\n  storage: {real:?}\n  model:   {model:?}"))
}

fn pick<T: Clone>(all: &[T], n: u8) -> T {
    all[usize::from(n) % all.len()].clone()
}

fn behind(lower: JobId, higher: JobId) -> u32 {
    u32::try_from(higher.get() - lower.get()).unwrap()
}

async fn last_of(store: &dyn Storage, n: u32) -> JobId {
    store.allocate_ids(n).await.unwrap().ids().last().expect("a block holds at least one id")
}

fn name(mail: bool) -> QueueName {
    queue(if mail { "mail" } else { "default" })
}

fn wish(max: usize, suspects_max: usize) -> Claim {
    let queues = vec![queue("default"), queue("mail")];
    Claim { queues, kinds: [kind(KIND)].into(), max, suspects_max }
}

fn verdict(end: End) -> Verdict {
    match end {
        End::Succeed => draft::result("[1]"),
        End::Retry => retry(secs(3)),
        End::Fail => failed(),
        End::Snooze => snoozed(secs(3)),
        End::Cancel => cancelled(),
        End::Release => released(true),
    }
}
