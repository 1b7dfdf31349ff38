//! Servers: registration, heartbeats, and how the operating system tells that one is gone.
//!
//! A live server holds an exclusive lock on `<db>.servers/<incarnation>`, which the kernel lets go
//! of when its process dies: [`beats`] sees that at once, instead of after a missed heartbeat.
//! Giving back what a server held is [`crate::rescue`].

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;

use legwork_core::storage::{Beat, CancelRequest, ServerBeat, ServerInfo};
use legwork_core::{Actor, Error, ErrorKind, Incarnation, JobId, LeaseId, Run};

use crate::connection::create_private;
use crate::error::Result;
use crate::lease::has_ended;
use crate::query::{exists, find, list, sql};
use crate::write::Write;

/// The locks of the servers that this handle registered.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    directory: PathBuf,
    /// This start of the machine; locks of another are meaningless and their servers gone.
    boot: Option<String>,
    held: HashMap<String, File>,
    retired: Vec<String>,
}

impl Presence {
    /// Makes it for the database whose locks lie in `directory`.
    pub(crate) fn new(directory: PathBuf) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .map(|text| text.trim().to_owned());
        Self { directory, boot, held: HashMap::new(), retired: Vec::new() }
    }

    /// Creates and takes the lock of a server, before its row can be seen by anyone.
    fn hold(&mut self, incarnation: &str) -> legwork_core::Result<()> {
        if self.held.contains_key(incarnation) {
            return Ok(());
        }
        let lock = || -> std::io::Result<File> {
            match std::fs::create_dir(&self.directory) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(error);
                }
                Ok(()) | Err(_) => {}
            }
            let file = create_private(&self.directory.join(incarnation))?;
            file.lock()?;
            Ok(file)
        };
        let file = lock().map_err(|error| {
            let message = format!("the lock in {} failed", self.directory.display());
            Error::with_source(ErrorKind::Unavailable, message, error)
        })?;
        self.held.insert(incarnation.to_owned(), file);
        Ok(())
    }

    /// Lets go of the lock of a server once the transaction that ends it has been committed.
    pub(crate) fn release(&mut self, incarnation: &str) {
        self.retired.push(incarnation.to_owned());
    }

    /// Lets go of what [`release`](Self::release) named.
    pub(crate) fn committed(&mut self) {
        for incarnation in self.retired.drain(..) {
            drop(self.held.remove(&incarnation));
            let path = self.directory.join(&incarnation);
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                // Harmless: a file that nobody locks, of a server that is not live.
                tracing::debug!(%error, ?path, "the lock file of a server stays");
            }
        }
    }

    /// Forgets what [`release`](Self::release) named: the server lives on.
    pub(crate) fn rolled_back(&mut self) {
        self.retired.clear();
    }

    /// Tells whether the process of a live server is certainly gone.
    ///
    /// The lock is taken before the row is committed and kept until the process ends, so that a
    /// file which anyone else can lock has lost its owner. Where nothing is known it is not gone.
    fn is_gone(&self, incarnation: &str, boot: Option<&str>) -> bool {
        if self.held.contains_key(incarnation) {
            return false;
        }
        if let (Some(mine), Some(its)) = (self.boot.as_deref(), boot)
            && mine != its
        {
            return true;
        }
        let Ok(file) = File::open(self.directory.join(incarnation)) else {
            return false;
        };
        file.try_lock().is_ok()
    }
}

/// Registers a server that is starting.
pub(crate) fn register(w: &mut Write<'_>, info: &ServerInfo) -> Result<()> {
    let incarnation = info.incarnation.to_string();
    if exists(w.db, sql!("server_find"), [&incarnation])? {
        let message = format!("the incarnation {incarnation} was registered before");
        return Err(Error::new(ErrorKind::Conflict, message).into());
    }
    let json = serde_json::to_string(info).map_err(|error| {
        Error::with_source(ErrorKind::Invalid, "the server cannot be written as JSON", error)
    })?;
    w.presence.hold(&incarnation)?;
    let now = w.now.as_micros();
    let boot = w.presence.boot.clone();
    w.execute(sql!("register"), (incarnation, boot, now, json))?;
    Ok(())
}

/// Moves the beat of a server on, and reads what it must know.
pub(crate) fn heartbeat(w: &mut Write<'_>, server: &Incarnation) -> Result<Beat> {
    w.touched();
    let params = (server.to_string(), w.now.as_micros());
    let server: Option<i64> = find(w.db, sql!("heartbeat"), params, |row| row.get(0))?;
    let Some(server) = server else {
        return Ok(Beat::Lost);
    };
    let cancels = cancels(w, server)?;
    let numbers = w.paused()?.to_vec();
    let mut paused = Vec::with_capacity(numbers.len());
    for number in numbers {
        paused.push(w.names.queue_name(w.db, number)?);
    }
    paused.sort_unstable();
    let leases = list(w.db, sql!("heartbeat_leases"), [server], |row| {
        Ok((LeaseId(row.get(0)?), row.get::<_, u32>(1)?))
    })?;
    let leases: BTreeMap<_, _> = leases.into_iter().collect();
    Ok(Beat::Live { cancels, paused, leases })
}

/// Reads the cancel requests for runs that go on, and forgets those for runs that have ended.
fn cancels(w: &mut Write<'_>, server: i64) -> Result<Vec<CancelRequest>> {
    let requests = list(w.db, sql!("heartbeat_cancels"), [server], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?, row.get::<_, String>(2)?))
    })?;
    let mut cancels = Vec::with_capacity(requests.len());
    for (id, run, actor) in requests {
        if has_ended(w.db, id, run)? {
            w.execute(sql!("cancel_remove"), (server, id))?;
            continue;
        }
        let actor = serde_json::from_str(&actor).unwrap_or_else(|_| Actor::new("unknown"));
        cancels.push(CancelRequest { id: JobId::new(id)?, run: Run(run), actor });
    }
    Ok(cancels)
}

/// Reads the beat counters of all live servers.
pub(crate) fn beats(w: &mut Write<'_>) -> Result<Vec<ServerBeat>> {
    let live = list(w.db, sql!("beats"), [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let mut beats = Vec::with_capacity(live.len());
    for (text, beat, boot) in live {
        let server: Incarnation = text.parse()?;
        let gone = w.presence.is_gone(&text, boot.as_deref());
        beats.push(ServerBeat { server, beat: beat.unsigned_abs(), gone });
    }
    Ok(beats)
}
