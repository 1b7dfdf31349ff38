//! Giving back what a server holds: when it stops, and when it died.
//!
//! `retire` is called by a server about itself, `rescue` by any server about silent ones, each
//! guarded by the very beat that was seen. No attempt is spent by either. Several rescuers at once
//! share the work: each passes over what another has locked.

use std::collections::BTreeMap;

use legwork_core::storage::{Rescue, Rescued, SilentServer};
use legwork_core::{Incarnation, LeaseId};

use crate::bind::params;
use crate::change::Changes;
use crate::children::decide;
use crate::error::Result;
use crate::finish::{Facts, Loss, Running, interrupt, lose, release_one};
use crate::lease::{self, Held, Lease};
use crate::server::number_of;
use crate::statement::sql;
use crate::tx::Tx;

/// How many leases one rescue looks at.
const LEASES_MAX: i64 = 1_000;

/// Gives back the unfinished jobs of some leases of a server, as jobs that it never knew; returns
/// how many can be claimed again.
pub(crate) async fn release(
    tx: &mut Tx,
    (incarnation, ids): &(Incarnation, Vec<LeaseId>),
) -> Result<u64> {
    let Some(server) = number_of(tx, *incarnation).await? else {
        return Ok(0);
    };
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let leases = lease::list(tx, sql!("leases_lock"), params![server, ids]).await?;
    give_back(tx, server, leases, release_one).await
}

/// Gives back everything a server holds and ends its life; returns how many jobs went back.
pub(crate) async fn retire(tx: &mut Tx, incarnation: &Incarnation) -> Result<u64> {
    let Some(server) = number_of(tx, *incarnation).await? else {
        return Ok(0);
    };
    tx.send(sql!("retire"), params![server, tx.at()]).await?;
    let leases = lease::list(tx, sql!("leases_of"), params![server]).await?;
    give_back(tx, server, leases, interrupt).await
}

/// Gives back what locked leases of a server hold, and ends them.
async fn give_back(
    tx: &mut Tx,
    server: i32,
    leases: Vec<Lease>,
    how: fn(&mut Changes, &Running, &Facts) -> Result<bool>,
) -> Result<u64> {
    let held = lease::held(tx, &leases).await?;
    let facts = Facts::read(tx, server, &ids_of(&held)).await?;
    let mut changes = Changes::default();
    let mut n = 0;
    for (lease, held) in leases.iter().zip(held) {
        for held in held {
            n += u64::from(how(&mut changes, &Running::new(held, lease), &facts)?);
        }
        // One that counts runs which it does not list is damaged, and goes too.
        tx.send(sql!("lease_remove"), params![lease.id]).await?;
        tx.ground.granted.remove(lease.id);
    }
    decide(tx, changes).await?;
    Ok(n)
}

fn ids_of(held: &[Vec<Held>]) -> Vec<i64> {
    held.iter().flatten().map(|held| held.marker.id).collect()
}

/// Declares silent servers dead and makes the jobs of dead servers claimable again.
pub(crate) async fn rescue(tx: &mut Tx, wish: &Rescue) -> Result<Rescued> {
    let mut rescued = Rescued::default();
    for silent in &wish.silent {
        if declare_dead(tx, silent).await? {
            rescued.servers.push(silent.server);
        }
    }
    let leases = lease::list(tx, sql!("rescue_leases"), params![LEASES_MAX]).await?;
    rescued.more = i64::try_from(leases.len()).is_ok_and(|n| n >= LEASES_MAX);
    let held = lease::held(tx, &leases).await?;
    let facts = read_facts(tx, &leases, &held).await?;
    let mut changes = Changes::default();
    let mut left = wish.max_jobs;
    for (lease, held) in leases.iter().zip(held) {
        let facts = &facts[&lease.server];
        let taken = std::cmp::min(left, held.len());
        for held in &held[..taken] {
            match lose(&mut changes, &Running::new(*held, lease), facts, wish.losses_max)? {
                Loss::Enqueued => rescued.enqueued += 1,
                Loss::Quarantined => rescued.quarantined += 1,
                Loss::Cancelled => {}
            }
        }
        left -= taken;
        if taken < held.len() {
            lease::shrink(tx, lease, taken).await?;
            rescued.more = true;
            break;
        }
        tx.send(sql!("lease_remove"), params![lease.id]).await?;
    }
    decide(tx, changes).await?;
    Ok(rescued)
}

/// Reads what is to be known of the runs of each server.
async fn read_facts(
    tx: &mut Tx,
    leases: &[Lease],
    held: &[Vec<Held>],
) -> Result<BTreeMap<i32, Facts>> {
    let mut ids: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for (lease, held) in leases.iter().zip(held) {
        ids.entry(lease.server).or_default().extend(held.iter().map(|held| held.marker.id));
    }
    let mut facts = BTreeMap::new();
    for (server, ids) in ids {
        facts.insert(server, Facts::read(tx, server, &ids).await?);
    }
    Ok(facts)
}

async fn declare_dead(tx: &mut Tx, silent: &SilentServer) -> Result<bool> {
    let Ok(beat) = i64::try_from(silent.beat) else {
        return Ok(false);
    };
    let columns = params![silent.server.to_string(), beat, tx.at()];
    Ok(tx.execute(sql!("rescue"), columns).await? == 1)
}
