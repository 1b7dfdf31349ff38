//! Fresh numbers for ids, in blocks.
//!
//! Enqueue takes its ids here before it sends anything, so that repeating it stores nothing twice.
//! A block is used while it is fresh and then forgotten: the order of a queue is that of its
//! numbers, and numbers that are used late would come out of order.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::bind::{get, params};
use crate::conn::Conn;
use crate::error::Result;
use crate::statement::sql;

/// How many numbers a block has: the increment of the sequence.
pub(crate) const BLOCK: i64 = 1_000;

/// How long a block is used.
const FRESH: Duration = Duration::from_millis(50);

/// The rest of the latest block.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    rest: Mutex<Option<Rest>>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    next: i64,
    end: i64,
    taken_at: Instant,
}

impl Numbers {
    /// Takes `n` fresh numbers in rising order.
    pub(crate) async fn take(&self, conn: &Conn, n: usize) -> Result<Vec<i64>> {
        let mut numbers = self.take_rest(n);
        while numbers.len() < n {
            let missing = i64::try_from(n - numbers.len()).unwrap_or(i64::MAX);
            let blocks = missing.saturating_add(BLOCK - 1) / BLOCK;
            let rows = conn.rows(sql!("number"), params![blocks]).await?;
            for row in &rows {
                let first: i64 = get(row, 0)?;
                let left = n - numbers.len();
                numbers.extend((first..first + BLOCK).take(left));
                let next = numbers.last().map_or(first, |last| last + 1);
                self.keep(Rest { next, end: first + BLOCK, taken_at: Instant::now() });
            }
        }
        Ok(numbers)
    }

    /// Forgets the rest of the block, because later numbers were taken past it.
    pub(crate) fn forget(&self) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn take_rest(&self, n: usize) -> Vec<i64> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(block) = rest.as_mut().filter(|block| block.taken_at.elapsed() < FRESH) else {
            *rest = None;
            return Vec::with_capacity(n);
        };
        let numbers: Vec<i64> = (block.next..block.end).take(n).collect();
        block.next += i64::try_from(numbers.len()).unwrap_or(BLOCK);
        numbers
    }

    fn keep(&self, block: Rest) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(block);
    }
}
