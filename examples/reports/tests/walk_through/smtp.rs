//! Mail over SMTP, to a server of a few lines.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use serde_json::json;

use crate::app::{App, mails};
use crate::place::{Place, on_both_databases};
use crate::wait::PATIENCE;

on_both_databases! {
    mail_goes_over_smtp_when_it_is_set_up,
}

fn mail_goes_over_smtp_when_it_is_set_up(place: &Place) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        sender.send(take_mail(stream)).unwrap();
    });

    let app = App::start(place, &[("SMTP_URL", &url)]);
    let answer = app.post_json("/users", &json!({ "name": "Ada", "email": "ada@example.org" }));
    assert_eq!(answer.status, 201);

    let mail = received.recv_timeout(PATIENCE).expect("a mail comes");
    for line in ["To: ada@example.org", "Message-ID: <welcome-1@example.org>", "Hello Ada,"] {
        assert!(mail.contains(line), "{line:?} is missing in\n{mail}");
    }
    assert_eq!(mails(place), Vec::<String>::new());
    server.join().expect("the server has no complaint");
}

/// Speaks as much SMTP as one mail needs, and returns the mail.
fn take_mail(stream: TcpStream) -> String {
    let mut out = stream.try_clone().unwrap();
    let mut say = |line: &str| out.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    say("220 test");
    let mut mail = String::new();
    let mut in_data = false;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        match line.split([' ', ':']).next().unwrap_or_default() {
            "." => {
                say("250 taken");
                return mail;
            }
            _ if in_data => mail = mail + &line + "\n",
            "DATA" => {
                in_data = true;
                say("354 go on");
            }
            _ => say("250 fine"),
        }
    }
    panic!("the connection ended before the mail: {mail}");
}
