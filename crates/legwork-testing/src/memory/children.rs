//! Continuations: what becomes of a job when its parents end.
//!
//! Whatever ends a job comes here, in the same step. A long chain must not become a deep recursion.

use std::collections::VecDeque;

use legwork_core::JobId;
use legwork_core::inspect::History;
use legwork_core::state::Event;

use super::model::{Model, Place};

/// What the parents of a job say about it.
enum Decision {
    /// One of them has not ended.
    Open,
    /// All have ended as they must.
    Run,
    /// This one ended otherwise.
    Cancel(JobId),
}

impl Model {
    /// Decides the jobs that wait for `ended`, those that wait for a job which this cancels, and so
    /// on down.
    pub(super) fn decide_children(&mut self, ended: JobId) {
        let mut ended = VecDeque::from([ended]);
        while let Some(parent) = ended.pop_front() {
            for (child, _) in self.record(parent).children.clone() {
                if self.decide(child) {
                    ended.push_back(child);
                }
            }
        }
    }

    /// Moves a job on if its parents allow it, or cancels it if one forbids it.
    ///
    /// Tells whether it was cancelled: then the jobs that wait for it are to be decided.
    pub(super) fn decide(&mut self, id: JobId) -> bool {
        let awaits = self.jobs.get(&id).is_some_and(|record| record.place == Place::Awaiting);
        if !awaits {
            return false;
        }
        match self.decision(id) {
            Decision::Open => false,
            Decision::Run => {
                self.note(id, None, History::ParentsDone);
                let now = self.now;
                let (event, place) = match self.record(id).job.start.due(now) {
                    Some(at) => (Event::ParentsDoneLater, Place::Due { at }),
                    None => (Event::ParentsDone, self.at_the_end()),
                };
                self.go(id, event, place);
                false
            }
            Decision::Cancel(parent) => {
                let state = self.record(parent).state();
                let reason = format!("it waited for job {parent}, which is {state}");
                self.note(id, None, History::Cancelled { reason, actor: None });
                self.go_final(id, Event::Cancel);
                true
            }
        }
    }

    /// Asks the parents of a job, and remembers those that have ended as they must.
    fn decision(&mut self, id: JobId) -> Decision {
        let mut parents = self.record(id).parents.clone();
        let mut decision = Decision::Run;
        for dependency in parents.iter_mut().filter(|dependency| !dependency.met) {
            let parent = dependency.parent;
            match parent.on.decide(self.record(parent.id).state()) {
                Some(true) => dependency.met = true,
                Some(false) => return Decision::Cancel(parent.id),
                None => decision = Decision::Open,
            }
        }
        self.record(id).parents = parents;
        decision
    }
}
