//! Floors: where a claim begins to look, so that it does not walk over what was claimed before.
//!
//! Claimed tickets leave dead index entries behind, which stay for as long as any transaction of
//! the server is older. [`crate::claim`] begins behind those that it claimed a moment ago, and
//! looks at everything once a second: a transaction that commits late is found then.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// How old the place is at which a claim begins: whatever was numbered before it is committed, or
/// belongs to a long transaction.
const LAG: Duration = Duration::from_millis(250);

/// How often a claim looks at everything.
const FULL: Duration = Duration::from_secs(1);

/// How many priorities of a lane have a floor; a lane with more has none.
const LEVELS_MAX: usize = 4;

/// The tickets of one queue and kind, suspects apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub(crate) queue: i32,
    pub(crate) suspect: bool,
    pub(crate) kind: i32,
}

/// A part of a lane to look at: behind (`priority`, `seq`), up to `last_priority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) priority: i16,
    pub(crate) seq: i64,
    pub(crate) last_priority: i16,
}

impl Stretch {
    const ALL: Self = Self { priority: i16::MIN, seq: i64::MIN, last_priority: i16::MAX };
}

#[derive(Debug)]
struct Level {
    priority: i16,
    floor: i64,
    next: i64,
    latest: i64,
    moved_at: Instant,
}

impl Level {
    fn claimed(&mut self, seq: i64, now: Instant) {
        self.latest = std::cmp::max(self.latest, seq);
        if now.duration_since(self.moved_at) >= LAG {
            self.floor = self.next;
            self.next = self.latest;
            self.moved_at = now;
        }
    }
}

/// What was claimed of a lane.
#[derive(Debug)]
struct Claimed {
    levels: Vec<Level>,
    /// When all of it was looked at. Each lane has its own time: servers of one process may come
    /// for different lanes, some of them often.
    full_at: Instant,
}

/// The floors of a process.
#[derive(Debug)]
pub(crate) struct Floors {
    lanes: HashMap<Lane, Claimed>,
    /// The mean number of jobs per ticket of late, in thousandths.
    jobs_per_ticket: i64,
}

impl Default for Floors {
    fn default() -> Self {
        Self { lanes: HashMap::new(), jobs_per_ticket: 1_000 }
    }
}

impl Floors {
    /// Returns the parts of a lane to look at; from time to time that is all of it.
    pub(crate) fn stretches(&mut self, lane: Lane, now: Instant) -> Vec<Stretch> {
        let Some(claimed) = self.lanes.get_mut(&lane) else {
            return vec![Stretch::ALL];
        };
        if now.duration_since(claimed.full_at) >= FULL {
            claimed.full_at = now;
            return vec![Stretch::ALL];
        }
        if lane.suspect || claimed.levels.len() > LEVELS_MAX {
            return vec![Stretch::ALL];
        }
        let mut stretches = Vec::new();
        let mut open = Stretch::ALL;
        for level in &claimed.levels {
            if let Some(last_priority) = level.priority.checked_sub(1) {
                stretches.push(Stretch { last_priority, ..open });
            }
            open = Stretch { priority: level.priority, seq: level.floor, ..Stretch::ALL };
        }
        stretches.push(open);
        stretches
    }

    /// Notes a ticket of `n` jobs that was claimed.
    pub(crate) fn claimed(
        &mut self,
        lane: Lane,
        (priority, seq): (i16, i64),
        n: i16,
        now: Instant,
    ) {
        self.jobs_per_ticket = (9 * self.jobs_per_ticket + 1_000 * i64::from(n)) / 10;
        let fresh = || Claimed { levels: Vec::new(), full_at: now };
        let levels = &mut self.lanes.entry(lane).or_insert_with(fresh).levels;
        match levels.binary_search_by_key(&priority, |level| level.priority) {
            Ok(at) => levels[at].claimed(seq, now),
            Err(_) if levels.len() > LEVELS_MAX => {}
            Err(at) => {
                let (floor, next) = (i64::MIN, i64::MIN);
                levels.insert(at, Level { priority, floor, next, latest: seq, moved_at: now });
            }
        }
    }

    /// Returns how many tickets of a lane to look at for so many jobs: a little more than are
    /// likely to be needed, since each is locked.
    pub(crate) fn tickets_for(&self, jobs: usize) -> i64 {
        let jobs = i64::try_from(jobs).unwrap_or(i64::MAX / 2_000);
        // A quarter more than the mean says, rounded up, and one.
        let tickets = (1_250 * jobs + self.jobs_per_ticket - 1) / self.jobs_per_ticket + 1;
        std::cmp::min(tickets, jobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Lane = Lane { queue: 1, suspect: false, kind: 2 };

    #[test]
    fn a_lane_of_which_nothing_was_claimed_is_looked_at_whole() {
        assert_eq!(Floors::default().stretches(LANE, Instant::now()), [Stretch::ALL]);
    }

    #[test]
    fn a_floor_follows_what_was_claimed_two_lags_ago_and_never_hides_another_priority() {
        let mut floors = Floors::default();
        let begin = Instant::now();
        floors.claimed(LANE, (0, 10), 1, begin);
        floors.claimed(LANE, (0, 20), 1, begin + LAG);
        assert_eq!(floors.stretches(LANE, begin + LAG)[1].seq, i64::MIN);
        floors.claimed(LANE, (0, 30), 1, begin + 2 * LAG);
        let stretches = floors.stretches(LANE, begin + 2 * LAG);
        let below = Stretch { last_priority: -1, ..Stretch::ALL };
        let behind = Stretch { priority: 0, seq: 20, last_priority: i16::MAX };
        assert_eq!(stretches, [below, behind]);
    }

    #[test]
    fn suspects_and_lanes_with_many_priorities_have_no_floor() {
        let mut floors = Floors::default();
        let begin = Instant::now();
        let suspects = Lane { suspect: true, ..LANE };
        floors.claimed(suspects, (0, 5), 1, begin);
        for priority in 0..10 {
            floors.claimed(LANE, (priority, 5), 1, begin);
        }
        assert_eq!(floors.stretches(LANE, begin), [Stretch::ALL]);
        assert_eq!(floors.stretches(suspects, begin), [Stretch::ALL]);
    }

    #[test]
    fn as_many_tickets_are_looked_at_as_are_likely_to_be_needed() {
        let mut floors = Floors::default();
        assert_eq!(floors.tickets_for(100), 100);
        for seq in 0..200 {
            floors.claimed(LANE, (0, seq), 100, Instant::now());
        }
        assert!((2..=4).contains(&floors.tickets_for(100)), "{}", floors.tickets_for(100));
        assert_eq!(floors.tickets_for(1), 1);
    }

    #[test]
    fn each_lane_is_looked_at_whole_once_a_second() {
        let mut floors = Floors::default();
        let begin = Instant::now();
        let other = Lane { kind: 3, ..LANE };
        for lane in [LANE, other] {
            floors.claimed(lane, (0, 10), 1, begin);
        }
        let is_whole =
            |floors: &mut Floors, lane, now| floors.stretches(lane, now) == [Stretch::ALL];
        assert!(!is_whole(&mut floors, LANE, begin + FULL / 2));
        assert!(is_whole(&mut floors, LANE, begin + FULL));
        assert!(!is_whole(&mut floors, LANE, begin + FULL));
        assert!(is_whole(&mut floors, other, begin + FULL), "whatever happens to others");
    }
}
