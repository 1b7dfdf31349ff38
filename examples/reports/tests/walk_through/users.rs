//! Users: the welcome at once, the reminder later.

use std::time::Duration;

use legwork::JobState;
use legwork::inspect::History;
use serde_json::json;

use crate::app::{App, jobs, mail, mails};
use crate::place::{Place, on_both_databases};

on_both_databases! {
    a_user_gets_a_welcome_and_later_a_reminder,
    a_user_who_is_refused_gets_no_mail,
}

fn a_user_gets_a_welcome_and_later_a_reminder(place: &Place) {
    let app = App::start(place, &[("REMIND_AFTER_SECS", "2")]);
    let answer = app.post_json("/users", &json!({ "name": "Ada", "email": "ada@example.org" }));
    assert_eq!((answer.status, &answer.json()["id"]), (201, &1.into()));
    assert!(mail(place, "welcome-1.eml").contains("Hello Ada"));
    assert!(mail(place, "reminder-1.eml").contains("To: ada@example.org"));
    assert_eq!(app.terminate(), Some(0));

    let reminders = jobs(place, JobState::Succeeded, "mail.reminder");
    let [reminder] = &reminders[..] else { panic!("one reminder, not {reminders:?}") };
    let is_claim = |what: &History| matches!(what, History::Claimed { .. });
    let claimed = reminder.history.iter().find(|entry| is_claim(&entry.what));
    let waited = claimed.expect("it was claimed").at.since(reminder.summary.created_at);
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
}

fn a_user_who_is_refused_gets_no_mail(place: &Place) {
    let app = App::start(place, &[]);
    let post =
        |name: &str, email: &str| app.post_json("/users", &json!({ "name": name, "email": email }));
    assert_eq!(post("Ada", "ada@example.org").status, 201);
    assert_eq!(post("Ada again", "ada@example.org").status, 409);
    assert_eq!(post("Eve", "eve@example.org\r\nbcc: all@example.org").status, 422);
    assert_eq!(post(" ", "nobody@example.org").status, 422);
    let bob = post("Bob", "bob@example.org").json()["id"].as_i64().expect("Bob has an id");
    let to_bob = format!("welcome-{bob}.eml");
    mail(place, "welcome-1.eml");
    mail(place, &to_bob);
    assert_eq!(mails(place), ["welcome-1.eml", &to_bob]);
}
