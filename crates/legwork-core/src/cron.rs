//! When a recurring job is due.
