//! A private chromedriver, through which the browser tests in `e2e/` drive Chromium.
//!
//! Called by `test`. It starts no browser itself: each test opens its own session.

use super::{PROBE_LIMIT, Server, free_ports, loopback, private_directory, wait_until_ready};
use crate::guard::Guarded;
use crate::packages::{CHROMEDRIVER, CHROMIUM};
use anyhow::Context as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

/// Where tests find the driver and the browser that it should start.
pub(crate) const URL_VARIABLE: &str = "LEGWORK_TEST_WEBDRIVER_URL";
pub(crate) const BROWSER_VARIABLE: &str = "LEGWORK_TEST_CHROMIUM";

/// Starts a driver and waits until it says that it is ready.
///
/// # Errors
/// Chromium or its driver is not installed or does not start; the message says which.
pub(crate) fn start() -> anyhow::Result<Server> {
    let browser = CHROMIUM.find().context("chromium is not installed")?;
    let program = CHROMEDRIVER.find().context("chromedriver is not installed")?;
    let [port] = free_ports()?;
    let directory = private_directory("chromedriver");
    let mut command = Command::new(program);
    command.arg(format!("--port={port}"));
    // Profiles of the browsers that it starts go with the directory.
    command.env("TMPDIR", &directory);
    let driver = Guarded::server(&directory, &command)?;
    wait_until_ready("chromedriver", &driver, || is_ready(port))?;
    let env = vec![
        (URL_VARIABLE, format!("http://127.0.0.1:{port}")),
        (BROWSER_VARIABLE, browser.to_string_lossy().into_owned()),
    ];
    Ok(Server { env, _processes: vec![driver] })
}

/// Whether the driver on `port` answers `/status` with `"ready": true`.
fn is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&loopback(port), PROBE_LIMIT)?;
        stream.set_read_timeout(Some(PROBE_LIMIT))?;
        write!(stream, "GET /status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")?;
        // The driver keeps the connection open, so the end of the answer is told by its content.
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        while !says_ready(&String::from_utf8_lossy(&answer)) {
            match stream.read(&mut chunk)? {
                0 => return Ok(false),
                n => answer.extend_from_slice(&chunk[..n]),
            }
        }
        Ok(true)
    };
    ask().unwrap_or(false)
}

fn says_ready(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let Ok(status) = serde_json::from_str::<serde_json::Value>(body.trim()) else { return false };
    head.starts_with("HTTP/1.1 200") && status["value"]["ready"] == true
}

#[cfg(test)]
mod tests {
    use super::super::skip_unless_installed;
    use super::*;

    #[test]
    fn only_a_ready_driver_is_ready() {
        let answer = |status: &str, body: &str| format!("HTTP/1.1 {status}\r\nA: b\r\n\r\n{body}");
        assert!(says_ready(&answer("200 OK", r#"{"value":{"ready":true}}"#)), "it says so");
        assert!(!says_ready(&answer("200 OK", r#"{"value":{"ready":false}}"#)), "it says no");
        assert!(!says_ready(&answer("503 Busy", r#"{"value":{"ready":true}}"#)), "it is busy");
        assert!(!says_ready("garbage"), "that is no HTTP");
    }

    #[test]
    fn a_real_driver_starts_and_leaves_nothing_behind() {
        let Some(driver) = skip_unless_installed(start(), "chromedriver") else { return };
        let (name, url) = &driver.env[0];
        let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!(*name, "LEGWORK_TEST_WEBDRIVER_URL", "the name that tests look for");
        assert!(is_ready(port), "{url} answers /status");
        drop(driver);
        assert!(TcpStream::connect(loopback(port)).is_err(), "nobody listens any more");
        assert!(!private_directory("chromedriver").exists(), "its files are gone");
    }
}
