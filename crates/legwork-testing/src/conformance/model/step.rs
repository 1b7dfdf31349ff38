//! The steps of a sequence, and how they are drawn.
//!
//! A step names things by a number that is taken modulo how many there are, so that every sequence,
//! and every shorter one that shrinking tries, means something.

use legwork_core::On;
use proptest::prelude::{Just, Strategy, any};
use proptest::{collection, prop_oneof};

/// One operation on both storages.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Enqueues jobs that are alike, each waiting for the same parents.
    Enqueue { n: u32, mail: bool, urgent: bool, delay_secs: u64, parents: Vec<(u8, On)> },
    /// Starts a server.
    Register,
    /// Claims.
    Claim { server: u8, mail_first: bool, max: usize, suspects_max: usize },
    /// Does something with a run that was claimed at some time.
    Run { run: u8, act: OnRun },
    /// Does something with a server that was registered at some time.
    Server { server: u8, act: OnServer },
    /// Rescues what dead servers still hold.
    Rescue,
    /// Lets time pass.
    Advance { secs: u64 },
    /// Promotes up to so many jobs.
    Promote { max: usize },
    /// Does something with a job that was enqueued at some time.
    Job { job: u8, act: OnJob },
    /// Pauses a queue.
    Pause { mail: bool },
    /// Resumes a queue.
    Resume { mail: bool },
    /// Prunes what has been final for longer than so many seconds.
    Prune { after_secs: u64 },
}

/// What is done with a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum OnRun {
    /// Finishes it, perhaps again, and claims in the same call.
    Finish { end: End, claim: bool },
    /// Gives back its lease.
    Release,
    /// Tells its progress.
    Progress,
}

/// What is done with a server.
#[derive(Debug, Clone, Copy)]
pub(super) enum OnServer {
    /// It beats.
    Beat,
    /// It stops.
    Retire,
    /// It is declared dead, and up to so many jobs are rescued.
    Kill { max_jobs: usize },
}

/// What is done with a job.
#[derive(Debug, Clone, Copy)]
pub(super) enum OnJob {
    /// It is cancelled.
    Cancel,
    /// It is requeued.
    Requeue,
    /// It is deleted.
    Delete,
}

/// How a run ends. The same end of the same run is the same verdict.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Succeed,
    Retry,
    Fail,
    Snooze,
    Cancel,
    Release,
}

/// Draws sequences of 1 to `max` steps.
pub(super) fn sequences(max: usize) -> impl Strategy<Value = Vec<Step>> {
    collection::vec(step(), 1..=max)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => enqueue(),
        2 => Just(Step::Register),
        6 => claim(),
        10 => (any::<u8>(), on_run()).prop_map(|(run, act)| Step::Run { run, act }),
        4 => (any::<u8>(), on_server()).prop_map(|(server, act)| Step::Server { server, act }),
        1 => Just(Step::Rescue),
        3 => (1..8_u64).prop_map(|secs| Step::Advance { secs }),
        3 => (1..4_usize).prop_map(|max| Step::Promote { max }),
        6 => (any::<u8>(), on_job()).prop_map(|(job, act)| Step::Job { job, act }),
        1 => any::<bool>().prop_map(|mail| Step::Pause { mail }),
        1 => any::<bool>().prop_map(|mail| Step::Resume { mail }),
        1 => (0..8_u64).prop_map(|after_secs| Step::Prune { after_secs }),
    ]
}

fn on_run() -> impl Strategy<Value = OnRun> {
    prop_oneof![
        8 => (end(), any::<bool>()).prop_map(|(end, claim)| OnRun::Finish { end, claim }),
        1 => Just(OnRun::Release),
        1 => Just(OnRun::Progress),
    ]
}

fn on_server() -> impl Strategy<Value = OnServer> {
    prop_oneof![
        1 => Just(OnServer::Beat),
        1 => Just(OnServer::Retire),
        2 => (0..4_usize).prop_map(|max_jobs| OnServer::Kill { max_jobs }),
    ]
}

fn on_job() -> impl Strategy<Value = OnJob> {
    prop_oneof![3 => Just(OnJob::Cancel), 2 => Just(OnJob::Requeue), 1 => Just(OnJob::Delete)]
}

fn enqueue() -> impl Strategy<Value = Step> {
    let delay_secs = prop_oneof![3 => Just(0), 1 => 1..6_u64];
    let parents = prop_oneof![
        2 => Just(Vec::new()),
        1 => collection::vec((any::<u8>(), on()), 1..4),
    ];
    (1..5_u32, any::<bool>(), any::<bool>(), delay_secs, parents).prop_map(
        |(n, mail, urgent, delay_secs, parents)| Step::Enqueue {
            n,
            mail,
            urgent,
            delay_secs,
            parents,
        },
    )
}

fn claim() -> impl Strategy<Value = Step> {
    (any::<u8>(), any::<bool>(), 0..6_usize, 0..3_usize).prop_map(
        |(server, mail_first, max, suspects_max)| Step::Claim {
            server,
            mail_first,
            max,
            suspects_max,
        },
    )
}

fn on() -> impl Strategy<Value = On> {
    prop_oneof![Just(On::Success), Just(On::Failure), Just(On::Cancelled), Just(On::AnyEnd)]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Succeed),
        2 => Just(End::Retry),
        1 => Just(End::Fail),
        1 => Just(End::Snooze),
        1 => Just(End::Cancel),
        2 => Just(End::Release),
    ]
}
