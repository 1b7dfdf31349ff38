//! Giving back what a server holds: when it stops, and when it died.
//!
//! `retire` is called by a server about itself, `rescue` by any server about silent ones, each
//! guarded by the very beat that was seen. No attempt is spent by either.

use legwork_core::storage::{FailReason, Rescue, Rescued, SilentServer};
use legwork_core::{Incarnation, JobState, LeaseId};

use crate::children::decide;
use crate::error::Result;
use crate::finish::{Ending, Running, cancel_instead, fail, interrupt, release_one, requested_by};
use crate::lease::{self, Entry, Lease};
use crate::marker::{Home, Marker};
use crate::outcome::{Ended, Outcome, record};
use crate::query::{find, sql};
use crate::ready;
use crate::write::Write;

/// Gives back the unfinished jobs of some leases of a server, as jobs that it never knew; returns
/// how many can be claimed again.
pub(crate) fn release(
    w: &mut Write<'_>,
    (incarnation, leases): &(Incarnation, Vec<LeaseId>),
) -> Result<u64> {
    let server: Option<i64> =
        find(w.db, sql!("server_find"), [incarnation.to_string()], |row| row.get(0))?;
    let Some(server) = server else {
        return Ok(0);
    };
    let mut parents = Vec::new();
    let mut n = 0;
    for id in leases {
        let lease = lease::read(w.db, id.0)?.filter(|lease| lease.server == server);
        let Some(mut lease) = lease else {
            continue;
        };
        let mut ended = 0;
        for (home, marker) in lease.held(w.db)? {
            let before = parents.len();
            release_one(w, &running(&lease, home, marker), marker.id, &mut parents)?;
            ended += 1;
            n += u64::from(parents.len() == before);
        }
        close(w, &mut lease, ended)?;
    }
    decide(w, parents)?;
    Ok(n)
}

/// Gives back everything a server holds and ends its life; returns how many jobs went back.
pub(crate) fn retire(w: &mut Write<'_>, incarnation: &Incarnation) -> Result<u64> {
    let name = incarnation.to_string();
    let server: Option<i64> = find(w.db, sql!("server_find"), [&name], |row| row.get(0))?;
    let Some(server) = server else {
        return Ok(0);
    };
    w.execute(sql!("retire"), (server, w.now.as_micros()))?;
    w.presence.release(&name);
    let mut parents = Vec::new();
    let mut n = 0;
    for mut lease in lease::list(w.db, sql!("leases_of"), [server])? {
        let mut ended = 0;
        for (home, marker) in lease.held(w.db)? {
            let before = parents.len();
            interrupt(w, &running(&lease, home, marker), marker.id, &mut parents)?;
            ended += 1;
            n += u64::from(parents.len() == before);
        }
        close(w, &mut lease, ended)?;
    }
    decide(w, parents)?;
    Ok(n)
}

fn running(lease: &Lease, home: Home, marker: Marker) -> Running {
    let Marker { id, run, failures, losses } = marker;
    let entry = Entry { home, first: id, n: 1, run, failures, losses };
    Running { entry, server: lease.server, claimed_at: Some(lease.claimed_at) }
}

/// Takes ended runs off a lease; one that counts runs it does not list is damaged and goes too.
fn close(w: &mut Write<'_>, lease: &mut Lease, ended: i64) -> Result<()> {
    if ended < lease.open {
        return lease::drop_damaged(w, lease);
    }
    lease::shrink(w, lease, ended)
}

/// Declares silent servers dead and makes the jobs of dead servers claimable again.
pub(crate) fn rescue(w: &mut Write<'_>, wish: &Rescue) -> Result<Rescued> {
    let mut rescued = Rescued::default();
    for silent in &wish.silent {
        if declare_dead(w, silent)? {
            rescued.servers.push(silent.server);
        }
    }
    let mut left = wish.max_jobs;
    let mut parents = Vec::new();
    for mut lease in lease::list(w.db, sql!("rescue_leases"), [])? {
        let held = lease.held(w.db)?;
        let all = held.len() <= left;
        let mut ended = 0;
        for (home, marker) in held.into_iter().take(left) {
            let run = running(&lease, home, marker);
            match lose(w, &run, marker, wish.losses_max, &mut parents)? {
                Loss::Enqueued => rescued.enqueued += 1,
                Loss::Quarantined => rescued.quarantined += 1,
                Loss::Cancelled => {}
            }
            ended += 1;
            left -= 1;
        }
        if all {
            close(w, &mut lease, ended)?;
        } else {
            lease::shrink(w, &mut lease, ended)?;
            rescued.more = true;
            break;
        }
    }
    decide(w, parents)?;
    Ok(rescued)
}

fn declare_dead(w: &mut Write<'_>, silent: &SilentServer) -> Result<bool> {
    let name = silent.server.to_string();
    let Ok(beat) = i64::try_from(silent.beat) else {
        return Ok(false);
    };
    let dead = w.execute(sql!("rescue"), (&name, beat, w.now.as_micros()))? == 1;
    if dead {
        w.presence.release(&name);
    }
    Ok(dead)
}

/// What becomes of a job whose server died.
enum Loss {
    Enqueued,
    Quarantined,
    /// Someone wanted that.
    Cancelled,
}

/// Ends a run whose server died.
fn lose(
    w: &mut Write<'_>,
    run: &Running,
    marker: Marker,
    losses_max: u32,
    parents: &mut Vec<(i64, JobState)>,
) -> Result<Loss> {
    if let Some(actor) = requested_by(w, run.server, marker.id, marker.run)? {
        let ending = Ending { asked: Some(Ended::Lost), ..Ending::new(marker.id, marker.failures) };
        cancel_instead(w, run, ending, actor, parents)?;
        return Ok(Loss::Cancelled);
    }
    let losses = marker.losses.saturating_add(1);
    if losses >= losses_max {
        let message = format!("{losses} servers in a row died while running it");
        let ending = Ending { asked: Some(Ended::Lost), ..Ending::new(marker.id, marker.failures) };
        fail(w, run, ending, (FailReason::Quarantined, &message), parents)?;
        return Ok(Loss::Quarantined);
    }
    let outcome = Outcome {
        id: marker.id,
        run: marker.run,
        ended: Ended::Lost,
        server: Some(run.server),
        claimed_at: run.claimed_at,
        ran_for: None,
        failures: marker.failures,
        asked: None,
    };
    record(w, &outcome)?;
    ready::enter(w, run.entry.home, Marker { losses, ..marker }.next())?;
    Ok(Loss::Enqueued)
}
