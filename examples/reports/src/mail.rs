//! Sends mail: over SMTP when it is set up, otherwise into a directory of `.eml` files.
//!
//! Jobs call it, and jobs run at least once: a run that was killed after it sent its mail, but
//! before that was recorded, runs again. So every mail has a key, the same in every run. In the
//! directory the key is the file's name, and a repeated mail replaces itself. Over SMTP the key
//! makes the `Message-ID`, by which mailbox providers can recognise a repetition; no protocol
//! promises that they do.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::files;

/// Sends mail from one address.
#[derive(Debug, Clone)]
pub(crate) struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Directory(PathBuf),
}

/// One mail to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    /// What makes this mail itself: letters, digits, `-` only; the same in every run of its job.
    pub(crate) key: String,
    /// Whom it goes to, as `ada@example.org` or `Ada <ada@example.org>`.
    pub(crate) to: String,
    /// The subject.
    pub(crate) subject: String,
    /// The text.
    pub(crate) text: String,
    /// An HTML file that goes with it: its name and its content.
    pub(crate) html: Option<(String, String)>,
}

impl Mailer {
    /// Makes a mailer that writes to the SMTP server at `url`.
    pub(crate) fn smtp(from: &str, url: &str) -> Result<Self> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .context("SMTP_URL is not like smtps://user:password@mail.example.org")?
            .build();
        Ok(Self { from: sender(from)?, way: Way::Smtp(transport) })
    }

    /// Makes a mailer that writes files into `directory`.
    pub(crate) fn directory(from: &str, directory: &Path) -> Result<Self> {
        Ok(Self { from: sender(from)?, way: Way::Directory(directory.to_owned()) })
    }

    /// Sends a mail; repeating it with the same key is harmless (see the top of this file).
    pub(crate) async fn send(&self, mail: Mail) -> Result<()> {
        let key = mail.key.clone();
        let message = self.message(mail)?;
        match &self.way {
            Way::Smtp(transport) => {
                transport.send(message).await.context("the mail server did not take the mail")?;
            }
            Way::Directory(directory) => {
                let path = directory.join(format!("{key}.eml"));
                let bytes = message.formatted();
                tokio::task::spawn_blocking(move || files::replace(&path, &bytes)).await??;
            }
        }
        tracing::info!(mail = key, "mail sent");
        Ok(())
    }

    fn message(&self, mail: Mail) -> Result<Message> {
        let to = parse_mailbox(&mail.to)?;
        let message_id = format!("<{}@{}>", mail.key, self.from.email.domain());
        let builder = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(mail.subject)
            .message_id(Some(message_id));
        let text = SinglePart::plain(mail.text);
        let message = match mail.html {
            None => builder.singlepart(text),
            Some((name, html)) => {
                let file = Attachment::new(name).body(html, ContentType::TEXT_HTML);
                builder.multipart(MultiPart::mixed().singlepart(text).singlepart(file))
            }
        };
        message.context("cannot write the mail")
    }
}

/// Reads an address; the error is fit for the person who typed it.
pub(crate) fn parse_mailbox(address: &str) -> Result<Mailbox> {
    address.parse().with_context(|| format!("{address:?} is not a mail address"))
}

fn sender(from: &str) -> Result<Mailbox> {
    parse_mailbox(from).context("MAIL_FROM cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            key: "report-7".to_owned(),
            to: "Ada <ada@example.org>".to_owned(),
            subject: "Ready: größer.csv".to_owned(),
            text: "Hello".to_owned(),
            html: Some(("report.html".to_owned(), "<p>1</p>".to_owned())),
        }
    }

    #[tokio::test]
    async fn a_mail_that_is_sent_again_replaces_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mailer = Mailer::directory("reports@example.org", dir.path()).unwrap();
        mailer.send(mail()).await.unwrap();
        mailer.send(mail()).await.unwrap();
        let names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["report-7.eml"]);
        let text = std::fs::read_to_string(dir.path().join("report-7.eml")).unwrap();
        for line in ["Message-ID: <report-7@example.org>", "filename=\"report.html\""] {
            assert!(text.contains(line), "{line:?} is missing in\n{text}");
        }
    }

    #[tokio::test]
    async fn an_address_cannot_smuggle_a_header_in() {
        let dir = tempfile::tempdir().unwrap();
        let mailer = Mailer::directory("reports@example.org", dir.path()).unwrap();
        let mail = Mail { to: "ada@example.org\r\nBcc: eve@example.org".to_owned(), ..mail() };
        assert!(mailer.send(mail).await.is_err());
    }

    #[test]
    fn settings_that_cannot_be_used_are_named() {
        let error = |mailer: Result<Mailer>| mailer.unwrap_err().to_string();
        assert_eq!(error(Mailer::smtp("nobody", "smtp://localhost")), "MAIL_FROM cannot be used");
        assert!(error(Mailer::smtp("a@example.org", "localhost")).starts_with("SMTP_URL"));
    }
}
