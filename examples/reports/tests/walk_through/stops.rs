//! What survives a crash, and what a stop does to work in flight.

use std::process::Command;

use legwork::JobState;
use legwork::inspect::History;

use crate::app::{App, SAMPLE, job, job_id, jobs, mail, mails, sample_times};
use crate::place::{Place, on_both_databases};
use crate::wait::until;

on_both_databases! {
    a_report_that_was_killed_in_the_middle_is_finished_and_mailed_once,
    a_stop_hands_work_back_without_spending_an_attempt,
    an_idle_process_stops_at_once_and_starts_again,
    kills_right_after_a_mail_lose_nothing_and_mail_nothing_twice,
}

/// Slow enough that a report of the sample takes minutes: it is always in the middle.
const SLOW: (&str, &str) = ("REPORTS_ROWS_PER_SECOND", "1000");

fn a_report_that_was_killed_in_the_middle_is_finished_and_mailed_once(place: &Place) {
    let app = App::start(place, &[SLOW, ("LEASE_SECS", "2")]);
    let path = app.upload("name=seattle.csv", &sample_times(20));
    app.under_way(&path);
    app.kill();
    assert_eq!(mails(place), Vec::<String>::new());

    let app = App::start(place, &[("LEASE_SECS", "2")]);
    let report = app.delivered(&path);
    assert_eq!(report["n_rows"], 8_759 * 20);
    assert_eq!(app.get("/reports/1/html").status, 200);
    assert_eq!(mails(place), ["report-1.eml"]);
    assert_eq!(app.terminate(), Some(0));

    let built = job(place, job_id(&report));
    assert_eq!((built.summary.state, built.summary.failures), (JobState::Succeeded, 0));
    let rescued =
        |entry: &legwork::inspect::HistoryEntry| matches!(entry.what, History::Rescued { .. });
    assert!(built.history.iter().any(rescued), "{:?}", built.history);
}

fn a_stop_hands_work_back_without_spending_an_attempt(place: &Place) {
    let settings = [SLOW, ("SHUTDOWN_SECS", "6"), ("REMIND_AFTER_SECS", "3600")];
    let app = App::start(place, &settings);
    let path = app.upload("name=seattle.csv", &sample_times(20));
    app.under_way(&path);
    let id = job_id(&app.get(&path).json());
    let user = serde_json::json!({ "name": "Ada", "email": "ada@example.org" });
    assert_eq!(app.post_json("/users", &user).status, 201);
    mail(place, "welcome-1.eml");
    // The watchdog would end a stop that takes too long with another code.
    assert_eq!(app.terminate(), Some(0));

    let stopped = job(place, id);
    assert_eq!((stopped.summary.state, stopped.summary.failures), (JobState::Enqueued, 0));
    let latest = &stopped.history[0].what;
    assert!(matches!(latest, History::Released { started: true }), "{:?}", stopped.history);
    assert_eq!(mails(place), ["welcome-1.eml"]);
    assert_eq!(jobs(place, JobState::Scheduled, "mail.reminder").len(), 1);
    assert_eq!(jobs(place, JobState::Awaiting, "reports.mail").len(), 1);

    let app = App::start(place, &[]);
    let report = app.delivered(&path);
    assert_eq!(report["n_rows"], 8_759 * 20);
    assert_eq!(mails(place), ["report-1.eml", "welcome-1.eml"]);
    let built = job(place, id);
    assert_eq!((built.summary.state, built.summary.failures), (JobState::Succeeded, 0));
}

#[test]
fn a_setting_that_cannot_be_used_ends_the_start_with_its_name() {
    let output = Command::new(env!("CARGO_BIN_EXE_reports"))
        .env_clear()
        .env("LEASE_SECS", "soon")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("LEASE_SECS is \"soon\", not a whole number of seconds"), "{told}");
}

fn an_idle_process_stops_at_once_and_starts_again(place: &Place) {
    for name in ["report-1.eml", "report-2.eml"] {
        let app = App::start(place, &[]);
        app.delivered(&app.upload("name=a.csv", SAMPLE));
        mail(place, name);
        assert_eq!(app.terminate(), Some(0));
    }
}

fn kills_right_after_a_mail_lose_nothing_and_mail_nothing_twice(place: &Place) {
    const REPORTS: usize = 8;
    let settings = [("LEASE_SECS", "1")];
    let app = App::start(place, &settings);
    for n in 1..=REPORTS {
        app.upload(&format!("name={n}.csv"), &sample_times(n));
    }
    // The file is there before the run that wrote it is recorded: mostly it runs again.
    mailed(place, 1);
    app.kill();
    let app = App::start(place, &settings);
    mailed(place, REPORTS / 2);
    app.kill();

    let app = App::start(place, &settings);
    for n in 1..=REPORTS {
        let report = app.delivered(&format!("/reports/{n}"));
        assert_eq!(report["n_rows"], 8_759 * n);
    }
    assert_eq!(mails(place).len(), REPORTS);
    assert_eq!(app.terminate(), Some(0));
    for kind in ["reports.build", "reports.mail"] {
        let done = jobs(place, JobState::Succeeded, kind);
        assert_eq!(done.len(), REPORTS, "{kind}");
        assert!(done.iter().all(|job| job.summary.failures == 0), "{done:?}");
    }
}

/// Waits until so many mails are there.
pub(crate) fn mailed(place: &Place, n_mails: usize) {
    until(&format!("{n_mails} mails"), || (mails(place).len() >= n_mails).then_some(()));
}
