//! People who sign up: a welcome mail at once, a reminder a day later.
//!
//! Shows a **fire-and-forget** job and a **delayed** job, both enqueued in the transaction that
//! stores the user: no user without a welcome, no welcome without a user.

use anyhow::{Context, Result};
use axum::extract;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use legwork::prelude::*;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::database::{Database, Row, Tx};
use crate::mail::{Mail, Mailer, parse_mailbox};
use crate::problem::Problem;

/// How long a name may be.
const NAME_MAX_CHARS: usize = 100;

/// Sends the welcome mail to a user.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(name = "mail.welcome", queue = "mail", max_attempts = 10)]
pub(crate) struct SendWelcome {
    user_id: i64,
}

/// Reminds a user some time after signing up.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(name = "mail.reminder", queue = "mail", max_attempts = 10)]
pub(crate) struct SendReminder {
    user_id: i64,
}

/// The routes below `/users`.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/", post(sign_up))
}

#[derive(Debug, Deserialize)]
struct NewUser {
    name: String,
    email: String,
}

/// `POST /users`: stores a user; the mails go out after the answer.
async fn sign_up(
    extract::State(app): extract::State<App>,
    Json(new): Json<NewUser>,
) -> Result<(StatusCode, Json<serde_json::Value>), Problem> {
    let name = new.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_MAX_CHARS {
        return Err(Problem::invalid(format!("the name must have 1 to {NAME_MAX_CHARS} letters")));
    }
    let email = parse_mailbox(&new.email).map_err(|error| Problem::invalid(error.to_string()))?;
    let email = email.email.to_string();

    let (jobs, remind_after) = (app.jobs, app.settings.remind_after);
    let stored = app.database.transaction(async move |tx| {
        let Some(user_id) = insert(tx, &name, &email).await? else { return Ok(None) };
        jobs.enqueue(SendWelcome { user_id }).tx(tx).await?;
        jobs.enqueue(SendReminder { user_id }).after(remind_after).tx(tx).await?;
        Ok(Some(user_id))
    });
    let Some(user_id) = stored.await? else {
        let reason = "a user with this address exists".to_owned();
        return Err(Problem::Refused(StatusCode::CONFLICT, reason));
    };
    Ok((StatusCode::CREATED, Json(serde_json::json!({ "id": user_id }))))
}

/// Runs [`SendWelcome`].
pub(crate) async fn send_welcome(
    job: SendWelcome,
    State(database): State<Database>,
    State(mailer): State<Mailer>,
) -> Result<Outcome> {
    let Some(user) = find(&database, job.user_id).await? else { return Ok(gone()) };
    let mail = Mail {
        key: format!("welcome-{}", job.user_id),
        to: user.email,
        subject: "Welcome".to_owned(),
        text: format!("Hello {},\n\nit is good to have you here.\n", user.name),
        html: None,
    };
    mailer.send(mail).await?;
    Ok(Outcome::DONE)
}

/// Runs [`SendReminder`].
pub(crate) async fn send_reminder(
    job: SendReminder,
    State(database): State<Database>,
    State(mailer): State<Mailer>,
) -> Result<Outcome> {
    let Some(user) = find(&database, job.user_id).await? else { return Ok(gone()) };
    let mail = Mail {
        key: format!("reminder-{}", job.user_id),
        to: user.email,
        subject: "Your first report".to_owned(),
        text: format!("Hello {},\n\nupload a CSV file and see what comes back.\n", user.name),
        html: None,
    };
    mailer.send(mail).await?;
    Ok(Outcome::DONE)
}

/// Ends a job whose user has been deleted since it was enqueued: there is nothing to retry.
fn gone() -> Outcome {
    Outcome::cancel("the user does not exist any more")
}

struct User {
    name: String,
    email: String,
}

/// Stores a user and returns the id; `None` when the address is taken.
async fn insert(tx: &Tx<'_>, name: &str, email: &str) -> Result<Option<i64>> {
    let sql = "INSERT INTO users (name, email) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id";
    tx.row(sql, &[&name, &email], |row| row.get("id")).await.context("cannot store the user")
}

async fn find(database: &Database, id: i64) -> Result<Option<User>> {
    let user = database.transaction(async move |tx| {
        let sql = "SELECT name, email FROM users WHERE id = $1";
        let read = |row: &Row<'_>| Ok(User { name: row.get("name")?, email: row.get("email")? });
        tx.row(sql, &[&id], read).await
    });
    user.await
}
