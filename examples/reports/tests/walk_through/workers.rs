//! A web process and four worker processes on one PostgreSQL, through crashes of all of them.

use legwork::JobState;

use crate::app::{App, SAMPLE, jobs, mails};
use crate::cluster::Cluster;
use crate::place::{Place, on_both_databases};
use crate::process::Process;
use crate::stops::mailed;

/// How many reports the crashes find under way, waiting and done.
const REPORTS: usize = 60;

on_both_databases! {
    a_web_process_leaves_the_jobs_to_a_worker,
}

fn a_web_process_leaves_the_jobs_to_a_worker(place: &Place) {
    let web = App::start(place, &[("REPORTS_ROLE", "web")]);
    let path = web.upload("name=a.csv", SAMPLE);
    assert_eq!(web.get(&path).json()["state"], "enqueued");
    assert_eq!(jobs(place, JobState::Enqueued, "reports.build").len(), 1, "nobody works");
    let (worker, _) = Process::start(place, &[("REPORTS_ROLE", "worker")]);
    web.delivered(&path);
    assert_eq!(worker.terminate(), Some(0));
    assert_eq!(web.terminate(), Some(0));
}

#[test]
fn crashes_of_workers_and_of_the_server_lose_no_report() {
    let Some(mut cluster) = Cluster::start() else { return };
    let place = Place::at(cluster.url());
    let web = App::start(&place, &[("REPORTS_ROLE", "web"), ("LEASE_SECS", "2")]);
    // About a second for each report: every crash finds some of them half built.
    let settings =
        [("REPORTS_ROLE", "worker"), ("LEASE_SECS", "2"), ("REPORTS_ROWS_PER_SECOND", "8000")];
    let worker = || {
        let (worker, _) = Process::start(&place, &settings);
        // A start that meets a dead server fails; whoever started the process tries again.
        worker.says("host has started");
        worker
    };
    let mut workers: Vec<Process> = (0..4).map(|_| worker()).collect();
    for n in 1..=REPORTS {
        web.upload(&format!("name={n}.csv"), SAMPLE);
    }

    mailed(&place, 3);
    for _ in 0..2 {
        workers.remove(0).kill();
        workers.push(worker());
    }
    mailed(&place, REPORTS / 4);
    cluster.kill();
    cluster.start_again();
    mailed(&place, REPORTS / 2);
    for _ in 0..2 {
        workers.remove(0).kill();
        workers.push(worker());
    }

    for n in 1..=REPORTS {
        let report = web.delivered(&format!("/reports/{n}"));
        assert_eq!((&report["state"], &report["n_rows"]), (&"succeeded".into(), &8_759.into()));
        assert_eq!(web.get(&format!("/reports/{n}/html")).status, 200);
    }
    assert_eq!(mails(&place).len(), REPORTS, "one mail each");
    for kind in ["reports.build", "reports.mail"] {
        let done = jobs(&place, JobState::Succeeded, kind);
        assert_eq!(done.len(), REPORTS, "{kind}");
        let again = done.iter().filter(|job| job.summary.run.0 > 1).count();
        let failed = done.iter().filter(|job| job.summary.failures > 0).count();
        assert!(again > 0 || kind == "reports.mail", "no crash has met a run");
        println!("{kind}: {again} of {REPORTS} jobs ran more than once, {failed} failed once");
    }
    for worker in workers {
        assert_eq!(worker.terminate(), Some(0));
    }
    assert_eq!(web.terminate(), Some(0));
}
