//! The sizes that Legwork accepts, the same on every storage.
//!
//! The client checks them before anything is sent; the storages check them again with
//! [`check_job`], because they have other callers too.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::NewJob;

/// The largest arguments of a job in bytes of JSON, unless the client was told otherwise.
pub const ARGS_MAX_BYTES_DEFAULT: usize = 256 * 1024;

/// The largest arguments of a job in bytes of JSON, whatever the client was told.
pub const ARGS_MAX_BYTES: usize = 16 * 1024 * 1024;

/// How deep the arguments of a job may nest. It is the depth at which `serde_json` stops reading.
pub const ARGS_MAX_DEPTH: usize = 127;

/// The largest result of a run in bytes of JSON; a larger one fails the run for good.
pub const RESULT_MAX_BYTES: usize = 1024 * 1024;

/// The longest error text of a run in bytes; what is longer is cut at a character and says so.
pub const ERROR_MAX_BYTES: usize = 16 * 1024;

/// The longest reason or actor that an operator may give, in bytes; what is longer is cut.
pub const REASON_MAX_BYTES: usize = 1024;

/// The longest progress message in bytes; what is longer is cut.
pub const PROGRESS_MAX_BYTES: usize = 1024;

/// How many parents a continuation may have.
pub const PARENTS_MAX: usize = 1_000;

/// After how many servers in a row that died with a job it is a suspect, of which a server runs one
/// at a time.
///
/// One death accuses everything that was running, long jobs by the dozen: they run again side by
/// side. What was there at two deaths runs alone, so that a third accuses nobody else.
pub const SUSPECT_LOSSES: u32 = 2;

/// How many tags a job may have.
pub const TAGS_MAX: usize = 16;

/// How many jobs one storage call may enqueue; the client splits what is larger.
pub const ENQUEUE_MAX_JOBS: usize = 10_000;

/// How many jobs one claim may ask for.
pub const CLAIM_MAX_JOBS: usize = 1_000;

/// How often a job may be interrupted; once more and it is `failed`.
pub const INTERRUPTIONS_MAX: u32 = 20;

/// The longest delay and timeout.
pub const DELAY_MAX: Duration = Duration::from_hours(100 * 365 * 24);

/// Checks everything about a job that no storage may have to refuse by itself.
///
/// # Errors
/// [`ErrorKind::TooLarge`] for arguments over [`ARGS_MAX_BYTES`], [`ErrorKind::Invalid`] for
/// arguments that are not JSON or any other value outside its range.
pub fn check_job(job: &NewJob) -> Result<()> {
    check_args(&job.args, ARGS_MAX_BYTES)?;
    let options = &job.options;
    if job.parents.len() > PARENTS_MAX {
        let n = job.parents.len();
        return Err(Error::invalid(format!("{n} parents: at most {PARENTS_MAX} are allowed")));
    }
    if options.tags.len() > TAGS_MAX {
        let n = options.tags.len();
        return Err(Error::invalid(format!("{n} tags: at most {TAGS_MAX} are allowed")));
    }
    if options.max_attempts == Some(0) {
        return Err(Error::invalid("max attempts is 0: a job runs at least once"));
    }
    match options.timeout {
        Some(timeout) if timeout.is_zero() => {
            Err(Error::invalid("the timeout is zero: no run could end in time"))
        }
        Some(timeout) if timeout > DELAY_MAX => {
            Err(Error::invalid("the timeout is over 100 years"))
        }
        Some(_) | None => job.start.check(),
    }
}

/// Checks that `args` is one JSON text of at most `max` bytes.
///
/// # Errors
/// [`ErrorKind::TooLarge`] naming both sizes; [`ErrorKind::Invalid`] naming what is wrong and
/// where.
pub fn check_args(args: &[u8], max: usize) -> Result<()> {
    check_args_len(args.len(), max)?;
    serde_json::from_slice::<&serde_json::value::RawValue>(args).map(drop).map_err(|source| {
        Error::with_source(ErrorKind::Invalid, "the arguments are not JSON", source)
    })?;
    let depth = depth(args);
    if depth > ARGS_MAX_DEPTH {
        let message =
            format!("the arguments nest {depth} deep: at most {ARGS_MAX_DEPTH} are allowed");
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// Checks that arguments of `len` bytes are not over `max`.
///
/// # Errors
/// [`ErrorKind::TooLarge`] naming both sizes.
pub fn check_args_len(len: usize, max: usize) -> Result<()> {
    if len <= max {
        return Ok(());
    }
    let message = format!("the arguments have {len} bytes of JSON: at most {max} are allowed");
    Err(Error::new(ErrorKind::TooLarge, message))
}

/// Returns how deep a valid JSON text nests, without recursion.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = std::cmp::max(deepest, depth);
            }
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// Returns `text` as it may be stored and shown: at most `max` bytes, without NUL.
///
/// NUL becomes U+FFFD, because PostgreSQL cannot store it in text. A text that is too long is cut
/// at a character and says how much is gone.
///
/// # Examples
/// ```
/// use legwork_core::limits::clip;
///
/// assert_eq!(clip("disk full", 100), "disk full");
/// assert_eq!(clip("äöü", 3), "ä… (4 bytes cut)");
/// ```
pub fn clip(text: &str, max: usize) -> String {
    let end = text.floor_char_boundary(max);
    let mut clipped = text[..end].replace('\0', "\u{fffd}");
    if end < text.len() {
        use std::fmt::Write as _;
        let cut = text.len() - end;
        write!(clipped, "… ({cut} bytes cut)").expect("writing to a string cannot fail");
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_one_json_text() {
        for good in ["null", "{}", "[1,2.5e3]", "\"\\u0000\"", "9007199254740993"] {
            check_args(good.as_bytes(), 100).unwrap();
        }
        let nested = |n: usize| "[".repeat(n) + "\"]\\\"]\"" + &"]".repeat(n);
        check_args(nested(ARGS_MAX_DEPTH).as_bytes(), 1000).unwrap();
        let deep = nested(ARGS_MAX_DEPTH + 1);
        for bad in ["", "{", "{} {}", "nul", "NaN", &deep] {
            let error = check_args(bad.as_bytes(), 1000).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{bad:?}");
        }
        assert_eq!(check_args(b"\"\xff\"", 100).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn arguments_over_the_limit_name_both_sizes() {
        let error = check_args(b"[1,2,3]", 6).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let message = "the arguments have 7 bytes of JSON: at most 6 are allowed";
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn texts_are_cut_at_a_character_and_say_so() {
        assert_eq!(clip("a\0b", 10), "a\u{fffd}b");
        assert_eq!(clip("", 0), "");
        assert_eq!(clip("abc", 2), "ab… (1 bytes cut)");
    }
}
