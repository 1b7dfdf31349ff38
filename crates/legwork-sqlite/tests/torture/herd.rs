//! The processes of a torture, as the test that starts and kills them sees them.
//!
//! It never sleeps: it listens to what the processes say, up to a deadline.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use legwork_core::{Clock as _, SystemClock};

use crate::place::{DIR, Place};

/// Tells a process its role.
const ROLE: &str = "LEGWORK_TORTURE_ROLE";

/// The test that plays the role.
const ENTRY: &str = "a_process_of_the_torture_plays_its_role";

/// No wait is longer, unless something is wrong or a caller says so.
const WAIT_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Worker(u32),
    Producer(u32),
}

impl Role {
    pub(crate) fn of_this_process() -> Option<Self> {
        let role = std::env::var(ROLE).ok()?;
        let (kind, slot) = role.split_once('-').unwrap();
        let slot = slot.parse().unwrap();
        Some(if kind == "worker" { Self::Worker(slot) } else { Self::Producer(slot) })
    }

    fn name(self) -> String {
        match self {
            Self::Worker(slot) => format!("worker-{slot}"),
            Self::Producer(slot) => format!("producer-{slot}"),
        }
    }
}

pub(crate) struct Herd {
    dir: PathBuf,
    members: HashMap<Role, Member>,
    sender: Sender<(Role, u32, Option<String>)>,
    /// Role and number of a process, and a line; no line at its end.
    lines: Receiver<(Role, u32, Option<String>)>,
    n_started: u32,
    pub(crate) worker_kills: u32,
    pub(crate) producer_kills: u32,
}

struct Member {
    number: u32,
    child: Child,
    input: Option<ChildStdin>,
    ready: bool,
    reached: u64,
    ending: bool,
}

impl Herd {
    pub(crate) fn new(place: &Place) -> Self {
        let (sender, lines) = mpsc::channel();
        Self {
            dir: place.dir().clone(),
            members: HashMap::new(),
            sender,
            lines,
            n_started: 0,
            worker_kills: 0,
            producer_kills: 0,
        }
    }

    pub(crate) fn start(&mut self, role: Role) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([ENTRY, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role.name())
            .env(DIR, &self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        self.n_started += 1;
        let (number, sender) = (self.n_started, self.sender.clone());
        let output = BufReader::new(child.stdout.take().unwrap());
        // It ends with the process.
        std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok).map(Some);
            for line in lines.chain([None]) {
                if sender.send((role, number, line)).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        let member = Member { number, child, input, ready: false, reached: 0, ending: false };
        assert!(self.members.insert(role, member).is_none(), "a role is played once at a time");
    }

    /// Kills a process with SIGKILL, wherever it is.
    pub(crate) fn kill(&mut self, role: Role) {
        let mut member = self.members.remove(&role).expect("the role is played");
        member.child.kill().unwrap();
        member.child.wait().unwrap();
        match role {
            Role::Worker(_) => self.worker_kills += 1,
            Role::Producer(_) => self.producer_kills += 1,
        }
    }

    /// Tells every producer to go on until it has enqueued so many jobs.
    pub(crate) fn tell_until(&mut self, target: u64) {
        let slots: Vec<u32> = self
            .members
            .keys()
            .filter_map(|role| match role {
                Role::Producer(slot) => Some(*slot),
                Role::Worker(_) => None,
            })
            .collect();
        for slot in slots {
            self.tell_one_until(slot, target);
        }
    }

    /// Tells one producer.
    pub(crate) fn tell_one_until(&mut self, slot: u32, target: u64) {
        let member = self.members.get_mut(&Role::Producer(slot)).expect("the role is played");
        let input = member.input.as_mut().expect("the process is not ending");
        input.write_all(format!("{target}\n").as_bytes()).unwrap();
    }

    pub(crate) fn all_ready(&mut self) -> bool {
        self.members.values().all(|member| member.ready)
    }

    pub(crate) fn all_reached(&mut self, target: u64) -> bool {
        let mut producers =
            self.members.iter().filter(|(role, _)| matches!(role, Role::Producer(_)));
        producers.all(|(_, member)| member.reached >= target)
    }

    /// Lets every process end in order and waits for it.
    pub(crate) fn stop(&mut self) {
        for member in self.members.values_mut() {
            member.ending = true;
            member.input = None;
        }
        self.until("every process has ended", |herd| herd.members.is_empty());
    }

    /// Listens for a while.
    pub(crate) fn listen(&mut self, length: Duration) {
        let deadline = now() + length;
        while self.hear_until(deadline) {}
    }

    /// Listens until a condition holds.
    pub(crate) fn until(&mut self, what: &str, holds: impl FnMut(&mut Self) -> bool) {
        assert!(self.comes_to(WAIT_MAX, holds), "not within {WAIT_MAX:?}: {what}");
    }

    /// Listens until a condition holds, which is looked at again every few milliseconds; `false`
    /// when it does not in time.
    pub(crate) fn comes_to(
        &mut self,
        wait_max: Duration,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let deadline = now() + wait_max;
        while !holds(self) {
            if now() >= deadline {
                return false;
            }
            self.hear_until(now() + Duration::from_millis(20));
        }
        true
    }

    /// Hears one line; `false` at the deadline.
    fn hear_until(&mut self, deadline: Instant) -> bool {
        match self.lines.recv_timeout(deadline.saturating_duration_since(now())) {
            Ok((role, number, line)) => self.heard(role, number, line.as_deref()),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => panic!("the herd holds a sender itself"),
        }
        true
    }

    fn heard(&mut self, role: Role, number: u32, line: Option<&str>) {
        // What a process said before it was killed no longer matters.
        let known = self.members.get_mut(&role).filter(|member| member.number == number);
        let Some(member) = known else { return };
        let Some(line) = line else {
            let status = member.child.wait().unwrap();
            assert!(member.ending, "{role:?} ended by itself with {status}");
            assert!(status.success(), "{role:?} ended with {status}");
            self.members.remove(&role);
            return;
        };
        if line == "@ready" {
            member.ready = true;
        } else if let Some(target) = line.strip_prefix("@reached ") {
            member.reached = target.parse().unwrap();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // A process that has ended cannot be killed, and need not be.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn now() -> Instant {
    SystemClock.monotonic()
}
