//! Rescue: jobs of dead servers can be claimed again, unless they are what killed them.

use std::time::Duration;

use legwork_core::JobId;
use legwork_core::inspect::History;
use legwork_core::state::Event;
use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{FailReason, Rescue, Rescued, RunError};

use super::model::Model;

impl Model {
    pub(super) fn rescue(&mut self, rescue: &Rescue) -> Rescued {
        let mut rescued = Rescued::default();
        for silent in &rescue.silent {
            let now = self.now;
            if let Some(server) = self.servers.get_mut(&silent.server)
                && server.gone_at.is_none()
                && server.beat == silent.beat
            {
                server.gone_at = Some(now);
                rescued.servers.push(silent.server);
            }
        }
        let held = self.held_in(|_, lease| !self.is_live(lease.server));
        rescued.more = held.len() > rescue.max_jobs;
        for id in held.into_iter().take(rescue.max_jobs) {
            self.lose(id, rescue.losses_max, &mut rescued);
        }
        rescued
    }

    /// Ends the run of a dead server.
    fn lose(&mut self, id: JobId, losses_max: u32, rescued: &mut Rescued) {
        let run = self.record_outcome(id, None);
        let server = self.outcomes[&(id, run)].server;
        let record = self.record(id);
        record.losses += 1;
        let (losses, is_wanted) = (record.losses, record.cancel.is_none());
        if losses >= losses_max && is_wanted {
            let message = format!("{losses} servers in a row died while running it");
            let error = RunError::new(RunErrorKind::Lost, &message);
            self.fail(id, Duration::ZERO, FailReason::Quarantined, &error);
            rescued.quarantined += 1;
            return;
        }
        let place = self.at_the_end();
        self.come_back(id, Event::Rescue, place, History::Rescued { server });
        rescued.enqueued += u64::from(is_wanted);
    }
}
