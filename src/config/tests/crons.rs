//! Cron expressions: what is read, what days they mean, and what is refused.

use chrono::NaiveDateTime;

use super::super::Cron;

/// The next moments after 2026-01-01 00:00, a Thursday.
fn next(cron: &str, count: usize) -> String {
    let cron: Cron = cron.parse().unwrap_or_else(|error| panic!("{cron}: {error}"));
    let start: NaiveDateTime = "2026-01-01T00:00:00".parse().unwrap();
    let moments = std::iter::successors(cron.after(start), |moment| cron.after(*moment)).take(count);
    moments.map(|moment| moment.format("%a %m-%d %H:%M").to_string()).collect::<Vec<_>>().join(", ")
}

#[test]
fn fields_are_read_as_cron_reads_them() {
    insta::assert_snapshot!(next("15 2 * * *", 2), @"Thu 01-01 02:15, Fri 01-02 02:15");
    insta::assert_snapshot!(next("  5,10-12  8-18/5\t* * * ", 5), @"Thu 01-01 08:05, Thu 01-01 08:10, Thu 01-01 08:11, Thu 01-01 08:12, Thu 01-01 13:05");
    insta::assert_snapshot!(next("*/20 */12 * * *", 4), @"Thu 01-01 00:20, Thu 01-01 00:40, Thu 01-01 12:00, Thu 01-01 12:20");
    insta::assert_snapshot!(next("0 0 1 jan,Apr-JUN *", 3), @"Wed 04-01 00:00, Fri 05-01 00:00, Mon 06-01 00:00");
    insta::assert_snapshot!(next("0 0 * * 0", 1), @"Sun 01-04 00:00");
    insta::assert_snapshot!(next("0 0 * * 7", 1), @"Sun 01-04 00:00");
    insta::assert_snapshot!(next("0 0 * * sat-SUN", 3), @"Sat 01-03 00:00, Sun 01-04 00:00, Sat 01-10 00:00");
    insta::assert_snapshot!(next("0 0 * * MON-FRI/2", 3), @"Fri 01-02 00:00, Mon 01-05 00:00, Wed 01-07 00:00");
}

#[test]
fn one_restricted_day_is_enough_and_a_star_is_none() {
    insta::assert_snapshot!(next("0 0 13 * FRI", 4), @"Fri 01-02 00:00, Fri 01-09 00:00, Tue 01-13 00:00, Fri 01-16 00:00");
    insta::assert_snapshot!(next("0 0 13 * *", 2), @"Tue 01-13 00:00, Fri 02-13 00:00");
    insta::assert_snapshot!(next("0 0 * * FRI", 2), @"Fri 01-02 00:00, Fri 01-09 00:00");
    insta::assert_snapshot!(next("0 0 */2 * FRI", 3), @"Fri 01-09 00:00, Fri 01-23 00:00, Fri 02-13 00:00");
}

#[test]
fn the_last_days_of_a_month_have_letters() {
    insta::assert_snapshot!(next("0 0 L * *", 3), @"Sat 01-31 00:00, Sat 02-28 00:00, Tue 03-31 00:00");
    insta::assert_snapshot!(next("0 0 LW * *", 3), @"Fri 01-30 00:00, Fri 02-27 00:00, Tue 03-31 00:00");
    insta::assert_snapshot!(next("0 0 15W * *", 2), @"Thu 01-15 00:00, Mon 02-16 00:00");
    insta::assert_snapshot!(next("0 0 * * FRIl", 2), @"Fri 01-30 00:00, Fri 02-27 00:00");
    insta::assert_snapshot!(next("0 0 * * SUN#1,3#2", 4), @"Sun 01-04 00:00, Wed 01-14 00:00, Sun 02-01 00:00, Wed 02-11 00:00");
}

#[test]
fn nicknames_stand_for_fields() {
    let fields = [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@Midnight", "0 0 * * *"),
        (" @weekly ", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ];
    for (nickname, fields) in fields {
        assert_eq!(nickname.parse::<Cron>().unwrap().names_hours(), fields.parse::<Cron>().unwrap().names_hours());
        assert_eq!(next(nickname, 3), next(fields, 3), "{nickname}");
    }
}

#[test]
fn what_only_looks_like_a_field_is_refused() {
    let wrong = [
        // Out of range, upside down, or nothing at all.
        ["60", "24", "32", "13", "8"],
        ["5-1", "23-22", "0", "0", "FRI-MON"],
        ["*/0", "/5", "1-", ",", "1,,2"],
        ["1/5", "5-70", "-1", "1--2", "*-3"],
        ["99999", "2h", "?", "*,1", "1-5-7"],
        // Names where they mean nothing, more of them than one, and letters of other fields.
        ["MON", "JAN", "MON", "MON", "JAN"],
        ["L", "W", "5L", "JANFEB", "MONDAY"],
        ["1#2", "@daily", "#1", "L", "MON#6"],
        ["١", "٢", "LWW#1", "MAYX", "MON#L"],
        ["1/2/3", "+1", "W", "1W", "+FRI"],
    ];
    for fields in wrong {
        for (index, field) in fields.iter().enumerate() {
            let mut all = ["1"; 5];
            all[index] = field;
            assert!(all.join(" ").parse::<Cron>().is_err(), "{all:?}");
        }
    }
    for text in ["", "* * * *", "* * * * * *", "@reboot", "@", "15 2 * * * 2026 *"] {
        assert!(text.parse::<Cron>().is_err(), "{text}");
    }
}

#[test]
fn a_refusal_says_what_would_do() {
    let refusal = |text: &str| {
        let refusal = text.parse::<Cron>().unwrap_err();
        format!("{refusal}\n{}", refusal.hint().unwrap_or("-"))
    };
    insta::assert_snapshot!(refusal("15 2 * *"), @"
    write five fields: minute, hour, day of month, month and day of week, such as 15 2 * * *
    -
    ");
    insta::assert_snapshot!(refusal("0 15 2 * * *"), @r#"
    write five fields: minute, hour, day of month, month and day of week, such as 15 2 * * *
    without seconds it is "15 2 * * *"
    "#);
    insta::assert_snapshot!(refusal("15 24 * * *"), @r#"
    "24" is no hour: use 0 to 23, and * for all, lists (1,3), rising ranges (1-5) and steps (*/2)
    -
    "#);
    insta::assert_snapshot!(refusal("15 2 * * FRI-MON"), @r#"
    "FRI-MON" is no day of week: use 0 to 7, or SUN to SAT, and * for all, lists (1,3), rising ranges (1-5) and steps (*/2)
    -
    "#);
    insta::assert_snapshot!(refusal("0 0 31 2 *"), @r#"
    no year has such a day, so it never comes
    the last day of a month is L: "0 0 L 2 *"
    "#);
    insta::assert_snapshot!(refusal("0 0 30-31 2 */2"), @r#"
    no year has such a day, so it never comes
    the last day of a month is L: "0 0 L 2 */2"
    "#);
    insta::assert_snapshot!(refusal("0 0 */31 * SUN#2"), @"
    no year has such a day, so it never comes
    -
    ");
}
