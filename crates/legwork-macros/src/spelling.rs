//! Finding the key that a misspelt one was meant to be.
//!
//! `options` calls it for unknown keys.

/// Returns the word of `known` that `given` is close to: at most a third of it is different.
pub(crate) fn suggest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known.iter().map(|word| (distance(given, word), *word)).min()?;
    (best.0 <= std::cmp::max(given.chars().count() / 3, 1)).then_some(best.1)
}

/// Counts the insertions, deletions and replacements between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = [replaced, row[j] + 1, diagonal + 1].into_iter().min().unwrap_or(0);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words_are_suggested_and_others_not() {
        let known = ["max_attempts", "queue", "timeout", "name"];
        for (given, expected) in [
            ("max_atempts", Some("max_attempts")),
            ("max_retries", None),
            ("que", None),
            ("queu", Some("queue")),
            ("time_out", Some("timeout")),
            ("nmae", None),
            ("nam", Some("name")),
            ("", None),
            ("xyz", None),
        ] {
            assert_eq!(suggest(given, &known), expected, "{given}");
        }
    }
}
