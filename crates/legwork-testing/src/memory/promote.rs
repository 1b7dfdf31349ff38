//! Promotion: due jobs become claimable.

use legwork_core::state::Event;
use legwork_core::storage::Promoted;

use super::model::Model;

impl Model {
    pub(super) fn promote(&mut self, max: usize) -> Promoted {
        let now = self.now;
        let due = self.due.iter().take_while(|&&(at, _)| at <= now).take(max);
        let due: Vec<_> = due.map(|&(_, id)| id).collect();
        for &id in &due {
            let place = self.at_the_end();
            self.go(id, Event::Promote, place);
        }
        let next_in = self.due.first().map(|&(at, _)| at.since(now));
        Promoted { jobs: due.len() as u64, next_in }
    }
}
