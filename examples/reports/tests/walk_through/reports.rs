//! Reports: upload, progress, page, mail, bad files, clean-up.

use std::path::Path;

use crate::app::{App, SAMPLE, mail, mails, sample_times};
use crate::place::{Place, on_both_databases};
use crate::wait::until;

on_both_databases! {
    an_upload_becomes_a_report_and_one_mail,
    a_report_that_takes_long_is_answered_at_once_shows_progress_and_can_be_cancelled,
    a_browser_gets_a_page_that_leads_to_the_report,
    a_file_that_is_no_table_fails_once_with_its_reason,
    rows_that_do_not_fit_are_counted_and_the_rest_is_reported,
    an_upload_that_is_refused_leaves_nothing_behind,
    old_reports_are_deleted_with_their_files,
}

fn an_upload_becomes_a_report_and_one_mail(place: &Place) {
    let app = App::start(place, &[]);
    let query = "name=seattle.csv&chart=temperature&mail_to=ada@example.org";
    let path = app.upload(query, &sample_times(2));
    assert_eq!(path, "/reports/1");
    let report = app.delivered(&path);
    assert_eq!((&report["state"], &report["n_rows"]), (&"succeeded".into(), &17_518.into()));

    let page = app.get("/reports/1/html");
    assert_eq!(page.status, 200);
    assert!(page.headers["content-security-policy"].contains("default-src 'none'"));
    for text in ["<svg", "<h2>temperature</h2>", "17,518 rows", "2010-01-01T01:00:00"] {
        assert!(page.body.contains(text), "{text:?} is missing in\n{}", page.body);
    }
    assert_eq!(mails(place), ["report-1.eml"]);
    let mail = mail(place, "report-1.eml");
    for text in ["To: ada@example.org", "Subject: Report: seattle.csv", "report-1.html"] {
        assert!(mail.contains(text), "{text:?} is missing in\n{mail}");
    }
}

fn a_report_that_takes_long_is_answered_at_once_shows_progress_and_can_be_cancelled(place: &Place) {
    // So slow that it takes minutes: whatever is seen is seen in the middle.
    let app = App::start(place, &[("REPORTS_ROWS_PER_SECOND", "1000")]);
    let path = app.upload("name=seattle.csv", &sample_times(20));
    let share = |report: &serde_json::Value| report["progress"]["share"].as_f64().unwrap_or(0.0);
    let early = app.report(&path, |report| share(report) > 0.0);
    assert_eq!(early["state"], "processing");
    let later = app.report(&path, |report| share(report) > share(&early));
    assert_eq!(later["state"], "processing");
    assert!(share(&later) < 1.0, "{later}");

    let job = later["job"].as_str().expect("a link to the job");
    assert_eq!(app.press(&format!("{job}/cancel")).status, 303);
    let report = app.report(&path, |report| report["mail"] == "cancelled");
    assert_eq!(report["state"], "cancelled");
    assert_eq!(mails(place), Vec::<String>::new());
}

fn a_browser_gets_a_page_that_leads_to_the_report(place: &Place) {
    let app = App::start(place, &[]);
    let path = app.upload("name=%3Cb%3Ebold%3C%2Fb%3E.csv", SAMPLE);
    app.delivered(&path);
    let page = app.browse(&path);
    assert!(page.headers["content-type"].starts_with("text/html"), "{page:?}");
    assert!(page.body.contains("href=\"/reports/1/html\""), "{page:?}");
    assert!(!page.body.contains("<b>bold"), "the name is escaped: {page:?}");
    assert_eq!(app.browse("/jobs").status, 200, "the dashboard is there");
    assert_eq!(app.browse("/jobs/").headers["location"], "/jobs");
    let job = app.get(&path).json()["job"].as_str().expect("a link to the job").to_owned();
    assert!(app.browse(&job).body.contains("reports.build"), "the dashboard shows the job");
    assert_eq!(app.get("/reports/2").status, 404);
}

fn a_file_that_is_no_table_fails_once_with_its_reason(place: &Place) {
    let app = App::start(place, &[]);
    let path = app.upload("name=empty.csv", "");
    let report = app.report(&path, |report| report["mail"] == "cancelled");
    assert_eq!(
        (&report["state"], &report["failure"]),
        (&"failed".into(), &"the file is empty".into())
    );
    assert_eq!(app.get("/reports/1/html").status, 404);
    assert_eq!(mails(place), Vec::<String>::new());
}

fn rows_that_do_not_fit_are_counted_and_the_rest_is_reported(place: &Place) {
    let app = App::start(place, &[]);
    let path = app.upload("name=a.csv", "a,b\n1,2\noops\n3,4\n");
    let report = app.delivered(&path);
    assert_eq!((&report["n_rows"], &report["n_bad_rows"]), (&2.into(), &1.into()));
}

fn an_upload_that_is_refused_leaves_nothing_behind(place: &Place) {
    let app = App::start(place, &[("REPORTS_UPLOAD_MAX_BYTES", "10")]);
    let head = [("content-type", "text/csv")];
    let post = |path: &str, body: &str| app.post(path, &head, body.as_bytes());
    assert_eq!(post("/reports", "a\n1\n2\n3\n4\n5\n").status, 413);
    assert_eq!(post("/reports?mail_to=nobody", "a\n1\n").status, 422);
    assert_eq!(app.get("/reports/1").status, 404);
    assert_eq!(files(&place.data().join("uploads")), 0);
}

fn old_reports_are_deleted_with_their_files(place: &Place) {
    let app = App::start(place, &[("KEEP_REPORTS_SECS", "0")]);
    let path = app.upload("name=a.csv", SAMPLE);
    app.delivered(&path);
    let pressed = app.press("/jobs/recurring/delete-old-reports/trigger");
    assert_eq!(pressed.status, 303, "{pressed:?}");
    until("the report to be deleted", || (app.get(&path).status == 404).then_some(()));
    assert_eq!(files(&place.data().join("uploads")) + files(&place.data().join("reports")), 0);
}

fn files(directory: &Path) -> usize {
    std::fs::read_dir(directory).expect("the directory exists").count()
}
