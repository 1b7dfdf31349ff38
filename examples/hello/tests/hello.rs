//! The real program: it says hello, stops when it is told to, and is what the README shows.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How long anything may take that ought to happen.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_job_runs_and_the_program_stops_on_sigterm() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut hello = Command::new(env!("CARGO_BIN_EXE_hello"))
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (said, heard) = channel();
    let stdout = BufReader::new(hello.stdout.take().expect("stdout is piped"));
    let reader = std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            said.send(line).expect("the test listens");
        }
    });
    assert_eq!(heard.recv_timeout(PATIENCE).as_deref(), Ok("Hello, world!"));

    let pid = hello.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status().expect("kill exists");
    assert!(told.success(), "{told}");
    // The pipe ends with the process.
    assert_eq!(heard.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    let status = hello.wait().expect("the program was started");
    assert!(status.success(), "{status}");
    reader.join().expect("the reader ends with the pipe");
    assert!(directory.path().join("hello.db").is_file());
}

#[test]
fn the_readme_shows_this_program() {
    let program = include_str!("../src/main.rs");
    let (_, program) = program.split_once("\n\n").expect("the header ends with an empty line");
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&format!("```rust\n{program}```\n")), "{program}");
}
