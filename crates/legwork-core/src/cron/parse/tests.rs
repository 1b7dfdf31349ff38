//! Tests of reading cron expressions: what each form means, and what each mistake says.

use super::*;
use proptest::prelude::*;

/// Reads `text` as the field number `index` of an expression that is `*` otherwise.
fn values(index: usize, text: &str) -> Vec<u32> {
    let mut texts = ["*"; 5];
    texts[index] = text;
    let fields = fields(&texts.join(" ")).unwrap();
    let all = [fields.minute, fields.hour, fields.day_of_month, fields.month, fields.day_of_week];
    all[index].values().collect()
}

#[test]
fn fields_hold_the_values_that_their_text_names() {
    let cases: [(usize, &str, &[u32]); 25] = [
        (0, "*/15", &[0, 15, 30, 45]),
        (0, "10-50/5", &[10, 15, 20, 25, 30, 35, 40, 45, 50]),
        (0, "5/15", &[5, 20, 35, 50]),
        (0, "1,15,30", &[1, 15, 30]),
        (0, "59", &[59]),
        (0, "*/59", &[0, 59]),
        (0, "55-5/5", &[0, 5, 55]),
        (1, "9-17", &[9, 10, 11, 12, 13, 14, 15, 16, 17]),
        (1, "22-2", &[0, 1, 2, 22, 23]),
        (1, "007", &[7]),
        (2, "1-31/10", &[1, 11, 21, 31]),
        (2, "30-2", &[1, 2, 30, 31]),
        (2, "*/31", &[1]),
        (3, "jan,Jun-AUG", &[1, 6, 7, 8]),
        (3, "NOV-FEB", &[1, 2, 11, 12]),
        (3, "*/3", &[1, 4, 7, 10]),
        (4, "0", &[0]),
        (4, "7", &[0]),
        (4, "5-7", &[0, 5, 6]),
        (4, "7-2", &[0, 1, 2]),
        (4, "FRI-MON", &[0, 1, 5, 6]),
        (4, "fri-mon/2", &[0, 5]),
        (4, "0-7", &[0, 1, 2, 3, 4, 5, 6]),
        (4, "sun,3,SAT", &[0, 3, 6]),
        (4, "0-SUN", &[0]),
    ];
    for (index, text, expected) in cases {
        assert_eq!(values(index, text), expected, "{text} in field {index}");
    }
}

#[test]
fn macros_stand_for_five_fields_in_any_case() {
    for (name, meaning) in MACROS {
        assert_eq!(fields(name).unwrap(), fields(meaning).unwrap());
        assert_eq!(fields(&name.to_uppercase()).unwrap(), fields(meaning).unwrap());
    }
}

#[test]
fn blanks_and_tabs_separate_fields() {
    assert_eq!(fields("  0\t 3  * *\t* ").unwrap(), fields("0 3 * * *").unwrap());
    assert_eq!(fields("0 3 ? * ?").unwrap(), fields("0 3 * * *").unwrap());
}

#[test]
fn only_single_values_are_fixed_and_only_a_leading_star_is_unrestricted() {
    for (text, fixed, star) in [
        ("5", true, false),
        ("1,5", true, false),
        ("1-5", false, false),
        ("1,2-3", false, false),
        ("5/2", false, false),
        ("*", false, true),
        ("*/2,5", false, true),
        ("5,*/2", false, false),
    ] {
        let field = fields(&format!("0 0 {text} * *")).unwrap().day_of_month;
        assert_eq!((field.fixed, field.star), (fixed, star), "{text}");
    }
}

#[test]
fn mistakes_name_the_field_the_column_and_what_was_expected() {
    let cases = [
        ("*/0 * * * *", "minute field, column 3: step 0 is not allowed"),
        ("*/60 * * * *", "minute field, column 3: step 60 is not within 1 to 59"),
        ("*/ * * * *", "minute field, column 3: the field ends: expected a step from 1 to 59"),
        ("*/x * * * *", "minute field, column 3: unexpected 'x': expected a step from 1 to 59"),
        ("60 * * * *", "minute field, column 1: 60 is not within 0 to 59"),
        ("5x * * * *", "minute field, column 2: unexpected 'x': expected `,` or a blank"),
        ("1,,2 * * * *", "minute field, column 3: unexpected ',': expected `*` or 0 to 59"),
        ("1, * * * *", "minute field, column 3: the field ends: expected `*` or 0 to 59"),
        ("? * * * *", "minute field, column 1: unexpected '?': expected `*` or 0 to 59"),
        ("-5 * * * *", "minute field, column 1: unexpected '-': expected `*` or 0 to 59"),
        ("0 24 * * *", "hour field, column 3: 24 is not within 0 to 23"),
        ("0\t 1-25 * * *", "hour field, column 6: 25 is not within 0 to 23"),
        ("0 0 0 * *", "day-of-month field, column 5: 0 is not within 1 to 31"),
        ("0 0 L * *", "day-of-month field, column 5: \"L\" is unknown: expected `*` or 1 to 31"),
        ("0 0 1 13 *", "month field, column 7: 13 is not within 1 to 12"),
        (
            "0 0 1 JANUARY *",
            "month field, column 7: \"JANUARY\" is unknown: expected `*`, 1 to 12 or JAN to DEC",
        ),
        ("0 0 * * 8", "day-of-week field, column 9: 8 is not within 0 to 7"),
        ("0 0 * * 7-0", "day-of-week field, column 9: the range starts and ends with the same day"),
        ("0 0 * * MON#2", "day-of-week field, column 12: unexpected '#': expected `,` or a blank"),
        (
            "0 0 * * ü",
            "day-of-week field, column 9: unexpected 'ü': expected `*`, 0 to 7 or SUN to SAT",
        ),
        (
            "99999999999999999999999 * * * *",
            "minute field, column 1: 99999999999999999999… (3 bytes cut) is not within 0 to 59",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(fields(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn a_wrong_number_of_fields_says_which_are_expected() {
    let expected = "expected 5 (minute hour day-of-month month day-of-week) or a macro such as \
                    @daily";
    for (text, count) in [
        ("", "no fields"),
        ("daily", "1 field"),
        ("0 3 * *", "4 fields"),
        ("0 0 3 * * *", "6 fields"),
    ] {
        let message = format!("the cron expression {text:?} has {count}: {expected}");
        assert_eq!(fields(text).unwrap_err().to_string(), message);
    }
    let message = "column 2: unknown macro \"@fortnightly\": expected one of @yearly @annually \
                   @monthly @weekly @daily @midnight @hourly @every_minute";
    assert_eq!(fields(" @fortnightly").unwrap_err().to_string(), message);
}

#[test]
fn a_text_of_more_than_a_kibibyte_is_refused() {
    let text = format!("{} * * * *", "1,".repeat(600));
    let error = fields(&text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.to_string(), "the cron expression has 1208 bytes: at most 1024 are allowed");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,40}") {
        let _any = fields(&text);
    }

    #[test]
    fn any_text_of_cron_characters_is_read_or_refused_without_a_panic(
        text in "([0-9*/,?-]{1,6}|[A-Za-z#]{1,4})( ([0-9*/,?-]{1,6}|[A-Za-z#]{1,4})){4}"
    ) {
        if let Ok(fields) = fields(&text) {
            let all = [fields.minute, fields.hour, fields.day_of_month, fields.month];
            prop_assert!(all.iter().all(|field| field.bits != 0));
            prop_assert!(fields.day_of_week.bits < 1 << 7);
        }
    }
}
