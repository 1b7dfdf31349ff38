//! Rescue: what a dead server held runs again, and nothing of a live one is touched.
//!
//! A server is declared dead by its beat, never by a clock. What it may still write is in
//! `fence.rs`.

use legwork_core::inspect::History;
use legwork_core::limits::SUSPECT_LOSSES;
use legwork_core::storage::{Beat, Claim, FailReason, Rescue, Rescued, SilentServer};
use legwork_core::{JobState as S, Run};

use super::Fixture;
use super::draft::{Draft as _, job, jobs, retry, secs, snoozed, succeeded};
use super::server::{Server, ids, wish};

cases! { ($) rescue __rescue_cases:
    enqueues_the_jobs_of_a_dead_server_again,
    spends_no_attempt,
    is_guarded_by_the_beat_that_was_seen,
    declares_a_server_dead_once,
    does_not_touch_what_a_live_server_holds,
    does_not_touch_jobs_that_nobody_holds,
    ignores_a_server_that_was_never_registered,
    moves_at_most_as_many_jobs_as_asked_for,
    tells_a_dead_server_that_it_is_lost,
    counts_the_servers_that_a_job_lost_in_a_row,
    forgets_losses_when_a_run_ends,
    hands_out_no_more_suspects_than_asked_for,
    passes_over_suspects_to_reach_innocent_jobs,
    quarantines_a_job_that_took_three_servers_down,
    tells_in_the_history_what_was_lost_and_quarantined,
    lets_an_operator_requeue_a_quarantined_job,
    quarantine_decides_children,
    of_a_server_without_jobs_rescues_none,
    keeps_failures_and_options,
    beats_grow_with_every_heartbeat,
    lists_only_live_servers_among_the_beats,
    never_rescues_by_the_wall_clock,
}

fn silent(server: &Server, beat: u64) -> Rescue {
    let silent = vec![SilentServer { server: server.incarnation(), beat }];
    Rescue { silent, max_jobs: 100, losses_max: 3 }
}

async fn beat_of(fx: &Fixture, server: &Server) -> u64 {
    let beats = fx.store().beats().await.unwrap();
    beats.iter().find(|beat| beat.server == server.incarnation()).unwrap().beat
}

/// Lets `n` servers die with the job in their hands.
async fn lose(fx: &Fixture, n: u32) -> Rescued {
    let mut last = Rescued::default();
    for _ in 0..n {
        let server = fx.server().await;
        server.claim_one().await;
        last = fx.kill(&server).await;
    }
    last
}

async fn enqueues_the_jobs_of_a_dead_server_again(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    let (dying, heir) = (fx.other_server().await, fx.server().await);
    dying.claim(3).await;
    let rescued = fx.kill(&dying).await;
    assert_eq!((rescued.enqueued, rescued.quarantined, rescued.more), (3, 0, false));
    assert_eq!((fx.count(S::Enqueued).await, fx.count(S::Processing).await), (3, 0));
    let claimed = heir.claim(3).await;
    let mut claimed_ids = ids(&claimed);
    claimed_ids.sort_unstable();
    assert_eq!(claimed_ids, all);
    assert!(claimed.iter().all(|job| job.run == Run(2)), "a rescued job has the next run");
}

async fn spends_no_attempt(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    lose(fx, 2).await;
    assert_eq!(fx.detail(id).await.summary.failures, 0);
    assert_eq!(fx.server().await.claim_one().await.failures, 0);
}

async fn is_guarded_by_the_beat_that_was_seen(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.claim_one().await;
    let seen = beat_of(fx, &server).await;
    server.beat().await;
    let rescued = fx.other_store().rescue(silent(&server, seen)).await.unwrap();
    assert_eq!(rescued, Rescued::default());
    assert_eq!(fx.state(id).await, S::Processing);
    assert!(matches!(server.beat().await, Beat::Live { .. }));
}

async fn declares_a_server_dead_once(fx: &Fixture) {
    let server = fx.server().await;
    let seen = beat_of(fx, &server).await;
    let (here, there) = tokio::join!(
        fx.store().rescue(silent(&server, seen)),
        fx.other_store().rescue(silent(&server, seen)),
    );
    let declared = [here.unwrap().servers, there.unwrap().servers].concat();
    assert_eq!(declared, [server.incarnation()]);
}

async fn does_not_touch_what_a_live_server_holds(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(2)).await;
    let (dying, living) = (fx.server().await, fx.other_server().await);
    dying.claim_one().await;
    let kept = living.claim_one().await;
    assert_eq!(fx.kill(&dying).await.enqueued, 1);
    assert_eq!(fx.state(all[1]).await, S::Processing);
    living.succeed(&kept).await;
}

async fn does_not_touch_jobs_that_nobody_holds(fx: &Fixture) {
    let ready = fx.enqueue(job().queue("mail")).await;
    let later = fx.enqueue(job().after(secs(60))).await;
    let server = fx.server().await;
    let rescued = fx.kill(&server).await;
    assert_eq!((rescued.enqueued, rescued.more), (0, false));
    assert_eq!((fx.state(ready).await, fx.state(later).await), (S::Enqueued, S::Scheduled));
}

async fn ignores_a_server_that_was_never_registered(fx: &Fixture) {
    let ghost = fx.unregistered();
    let rescued = fx.store().rescue(silent(&ghost, 0)).await.unwrap();
    assert_eq!(rescued, Rescued::default());
}

async fn moves_at_most_as_many_jobs_as_asked_for(fx: &Fixture) {
    fx.enqueue_all(jobs(5)).await;
    let server = fx.server().await;
    server.claim(5).await;
    let rescued = fx.kill_at_most(&server, 2).await;
    assert_eq!((rescued.servers.len(), rescued.enqueued, rescued.more), (1, 2, true));
    assert_eq!((fx.count(S::Enqueued).await, fx.count(S::Processing).await), (2, 3));
    let rescued = fx.rescue_more(2).await;
    assert_eq!((rescued.servers.len(), rescued.enqueued, rescued.more), (0, 2, true));
    let rescued = fx.rescue_more(1).await;
    assert_eq!((rescued.enqueued, rescued.more), (1, false));
    assert_eq!(fx.server().await.claim(10).await.len(), 5);
}

async fn tells_a_dead_server_that_it_is_lost(fx: &Fixture) {
    let server = fx.other_server().await;
    fx.kill(&server).await;
    assert_eq!(server.beat().await, Beat::Lost);
    assert_eq!(fx.unregistered().beat().await, Beat::Lost);
    assert_eq!(server.beat().await, Beat::Lost, "it stays lost");
}

async fn counts_the_servers_that_a_job_lost_in_a_row(fx: &Fixture) {
    fx.enqueue(job()).await;
    for losses in 0..3 {
        let server = fx.server().await;
        assert_eq!(server.claim_one().await.losses, losses);
        fx.kill(&server).await;
    }
}

async fn forgets_losses_when_a_run_ends(fx: &Fixture) {
    fx.enqueue(job()).await;
    for verdict in [retry(secs(1)), snoozed(secs(1))] {
        lose(fx, 2).await;
        let server = fx.server().await;
        assert_eq!(server.work_one(verdict).await.losses, 2);
        fx.advance(secs(1));
        fx.promote().await;
    }
    assert_eq!(fx.server().await.claim_one().await.losses, 0);
}

async fn hands_out_no_more_suspects_than_asked_for(fx: &Fixture) {
    fx.enqueue_all(jobs(3)).await;
    for _ in 0..SUSPECT_LOSSES {
        let dying = fx.server().await;
        assert_eq!(dying.claim(3).await.len(), 3, "one death makes no suspect");
        fx.kill(&dying).await;
    }
    let server = fx.server().await;
    assert!(server.claim_as(Claim { suspects_max: 0, ..wish(5) }).await.is_empty());
    assert_eq!(server.claim_as(Claim { suspects_max: 1, ..wish(5) }).await.len(), 1);
    assert_eq!(server.claim_as(Claim { suspects_max: 5, ..wish(5) }).await.len(), 2);
}

async fn passes_over_suspects_to_reach_innocent_jobs(fx: &Fixture) {
    let suspects = fx.enqueue_all(vec![job().priority(-9); 150]).await;
    for _ in 0..SUSPECT_LOSSES {
        let dying = fx.server().await;
        dying.claim(150).await;
        fx.kill(&dying).await;
    }
    let innocent = fx.enqueue_all(jobs(3)).await;
    let claimed = fx.server().await.claim_as(Claim { suspects_max: 1, ..wish(4) }).await;
    let claimed = ids(&claimed);
    assert_eq!(claimed[1..], innocent[..]);
    assert!(suspects.contains(&claimed[0]), "one suspect, which is more urgent");
}

async fn quarantines_a_job_that_took_three_servers_down(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    assert_eq!((lose(fx, 2).await.quarantined, fx.state(id).await), (0, S::Enqueued));
    let rescued = lose(fx, 1).await;
    assert_eq!((rescued.enqueued, rescued.quarantined), (0, 1));
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.failures), (S::Failed, 0));
    assert!(fx.server().await.claim(1).await.is_empty());
}

async fn tells_in_the_history_what_was_lost_and_quarantined(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.claim_one().await;
    fx.advance(secs(1));
    fx.kill(&server).await;
    let history = fx.detail(id).await.history;
    assert_eq!(history[0].what, History::Rescued { server: server.incarnation() });
    fx.advance(secs(1));
    lose(fx, 2).await;
    let history = fx.detail(id).await.history;
    let quarantined = history.iter().any(|entry| {
        matches!(&entry.what, History::Failed { reason: FailReason::Quarantined, .. })
    });
    assert!(quarantined, "{history:?}");
}

async fn lets_an_operator_requeue_a_quarantined_job(fx: &Fixture) {
    let id = fx.enqueue(job().args("[1]")).await;
    lose(fx, 3).await;
    fx.requeue(id).await;
    let claimed = fx.server().await.work_one(succeeded()).await;
    assert_eq!((claimed.id, claimed.run, claimed.losses), (id, Run(4), 0));
    assert_eq!(claimed.args, b"[1]");
}

async fn quarantine_decides_children(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let batch = vec![
        job().queue("mail").child_of(parent),
        job().queue("mail").child_on(parent, legwork_core::On::Failure),
    ];
    let children = fx.enqueue_all(batch).await;
    lose(fx, 3).await;
    assert_eq!(fx.state(children[0]).await, S::Cancelled);
    assert_eq!(fx.state(children[1]).await, S::Enqueued);
}

async fn of_a_server_without_jobs_rescues_none(fx: &Fixture) {
    fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    let rescued = fx.kill(&server).await;
    assert_eq!((rescued.enqueued, rescued.quarantined, rescued.more), (0, 0, false));
    assert_eq!(fx.count(S::Succeeded).await, 1);
}

async fn keeps_failures_and_options(fx: &Fixture) {
    let new = job().priority(4).options(|o| o.max_attempts = Some(3));
    let expected = new.options.clone();
    let id = fx.enqueue(new).await;
    fx.server().await.work_one(retry(secs(1))).await;
    fx.advance(secs(1));
    fx.promote().await;
    lose(fx, 1).await;
    let claimed = fx.server().await.claim_one().await;
    assert_eq!((claimed.id, claimed.failures, claimed.run), (id, 1, Run(3)));
    assert_eq!(claimed.options, expected);
    assert_eq!(fx.detail(id).await.summary.priority, 4);
}

async fn beats_grow_with_every_heartbeat(fx: &Fixture) {
    let (beating, still) = (fx.server().await, fx.other_server().await);
    let before = (beat_of(fx, &beating).await, beat_of(fx, &still).await);
    for _ in 0..3 {
        beating.beat().await;
    }
    assert_eq!(beat_of(fx, &beating).await, before.0 + 3);
    assert_eq!(beat_of(fx, &still).await, before.1);
}

async fn lists_only_live_servers_among_the_beats(fx: &Fixture) {
    let (living, dead, retired) = (fx.server().await, fx.server().await, fx.other_server().await);
    fx.kill(&dead).await;
    retired.retire().await;
    let beats = fx.other_store().beats().await.unwrap();
    assert_eq!(beats.iter().map(|beat| beat.server).collect::<Vec<_>>(), [living.incarnation()]);
    assert!(!beats[0].gone, "its process is this one");
}

async fn never_rescues_by_the_wall_clock(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.advance(secs(7 * 24 * 3_600));
    assert_eq!(fx.rescue_more(10).await, Rescued::default());
    assert_eq!(fx.state(id).await, S::Processing);
    server.succeed(&claimed).await;
}
