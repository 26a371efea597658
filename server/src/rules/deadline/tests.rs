//! Every row of the deadlines, the seasons at their edges, days in zones with and without summer time.

use jiff::civil::datetime;

use super::*;

fn shanghai() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

/// A local minute of 2026 as milliseconds.
fn at(zone: &TimeZone, month: i8, day: i8, hour: i8, minute: i8) -> i64 {
    let local = datetime(2026, month, day, hour, minute, 0, 0);
    local.to_zoned_datetime(zone.clone()).unwrap().timestamp().as_millisecond()
}

/// A serious hazard on a 10 kV line outside forest, found out of season.
fn found(zone: &TimeZone, month: i8, day: i8) -> Situation<'static> {
    let from_ms = at(zone, month, day, 15, 0);
    Situation {
        severity: Severity::Serious,
        severity_since_ms: None,
        class: Some("1-10"),
        forest: Some(false),
        areas: &[],
        dangers: &[],
        is_major: false,
        from_ms,
        as_of_ms: from_ms,
        notified_ms: None,
        known: &[],
        rules_since_ms: None,
    }
}

/// The deadline as a local minute.
fn until(situation: &Situation<'_>, zone: &TimeZone) -> String {
    let found = deadline(Rules::standard(), situation, zone).unwrap();
    let at = Timestamp::from_millisecond(found.at_ms).unwrap();
    at.to_zoned_datetime(zone.clone()).strftime("%m-%d %H:%M").to_string()
}

#[test]
fn each_severity_has_its_term_by_network() {
    let zone = shanghai();
    let cases = [
        (Severity::Critical, Some("1-10"), "07-02 15:00"),
        (Severity::Critical, Some("500"), "07-02 15:00"),
        (Severity::Critical, None, "07-02 15:00"),
        (Severity::Serious, Some("below-1"), "08-01 00:00"),
        (Severity::Serious, Some("1-10"), "08-01 00:00"),
        (Severity::Serious, Some("35-110"), "07-09 00:00"),
        (Severity::Serious, Some("500"), "07-09 00:00"),
        (Severity::Serious, None, "07-09 00:00"),
        (Severity::General, Some("1-10"), "12-29 00:00"),
        (Severity::General, Some("330"), "12-29 00:00"),
    ];
    for (severity, class, expected) in cases {
        let situation = Situation { severity, class, ..found(&zone, 7, 1) };
        assert_eq!(until(&situation, &zone), expected, "{severity:?} {class:?}");
    }
    let unknown = Situation { class: None, ..found(&zone, 7, 1) };
    let reasons = deadline(Rules::standard(), &unknown, &zone).unwrap().reasons;
    assert_eq!(reasons[0], DeadlineReason::NetworkAssumed { network: Network::Transmission });
}

#[test]
fn season_and_danger_tighten_in_forest_only() {
    let zone = shanghai();
    let four = |day| [Danger { level: 4, since_ms: at(&zone, 7, day, 9, 0) }];
    let cases = [
        // (month, day), forest, severity, danger, deadline
        ((1, 10), Some(true), Severity::Serious, &[][..], "01-18 00:00"),
        ((1, 10), Some(true), Severity::General, &[], "02-10 00:00"),
        ((1, 10), Some(false), Severity::Serious, &[], "02-10 00:00"),
        ((1, 10), None, Severity::Serious, &[], "01-18 00:00"),
        ((2, 1), Some(true), Severity::Serious, &[], "02-05 00:00"),
        ((2, 1), Some(true), Severity::General, &[], "02-17 00:00"),
        ((5, 10), Some(true), Severity::Serious, &[], "05-14 00:00"),
        ((5, 11), Some(true), Severity::Serious, &[], "05-19 00:00"),
        ((5, 31), Some(true), Severity::General, &[], "07-01 00:00"),
        ((6, 1), Some(true), Severity::Serious, &[], "07-02 00:00"),
        ((1, 10), Some(true), Severity::Critical, &[], "01-11 15:00"),
        ((7, 1), Some(true), Severity::Serious, &four(1), "07-03 00:00"),
        ((7, 1), Some(true), Severity::General, &four(1), "07-09 00:00"),
        ((7, 1), Some(false), Severity::Serious, &four(1), "08-01 00:00"),
        ((7, 1), Some(true), Severity::Critical, &four(1), "07-02 15:00"),
    ];
    for ((month, day), forest, severity, dangers, expected) in cases {
        let situation = Situation { severity, forest, dangers, ..found(&zone, month, day) };
        assert_eq!(until(&situation, &zone), expected, "{month}-{day} {forest:?} {severity:?} {dangers:?}");
    }
    let three = [Danger { level: 3, since_ms: at(&zone, 7, 1, 9, 0) }];
    let below = Situation { forest: Some(true), dangers: &three, ..found(&zone, 7, 1) };
    assert_eq!(until(&below, &zone), "08-01 00:00");
}

#[test]
fn a_tightening_counts_from_the_day_on_which_it_was_raised() {
    let zone = shanghai();
    let raised = [Danger { level: 5, since_ms: at(&zone, 7, 20, 8, 0) }];
    let situation = Situation { forest: Some(true), dangers: &raised, ..found(&zone, 7, 1) };
    // Not known yet on the 19th.
    let before = Situation { as_of_ms: at(&zone, 7, 19, 23, 59), ..situation.clone() };
    assert_eq!(until(&before, &zone), "08-01 00:00");
    let after = Situation { as_of_ms: at(&zone, 7, 20, 8, 0), ..situation.clone() };
    assert_eq!(until(&after, &zone), "07-22 00:00");
    // A season that begins while the hazard stands.
    let general = Situation { severity: Severity::General, forest: Some(true), ..found(&zone, 1, 20) };
    assert_eq!(until(&general, &zone), "02-20 00:00");
    let in_high = Situation { as_of_ms: at(&zone, 2, 1, 0, 0), ..general };
    assert_eq!(until(&in_high, &zone), "02-17 00:00");
    // A severity that was raised later counts from then.
    let worse = Situation { severity_since_ms: Some(at(&zone, 7, 10, 9, 0)), ..found(&zone, 7, 1) };
    assert_eq!(until(&worse, &zone), "08-10 00:00");
}

#[test]
fn a_notified_deadline_is_never_lengthened() {
    let zone = shanghai();
    let told = at(&zone, 7, 11, 0, 0);
    let situation = Situation { notified_ms: Some(told), ..found(&zone, 7, 1) };
    let kept = deadline(Rules::standard(), &situation, &zone).unwrap();
    assert_eq!((kept.at_ms, kept.is_tightened), (told, false));
    assert_eq!(kept.reasons.last(), Some(&DeadlineReason::Notified { at_ms: told }));

    let raised = [Danger { level: 4, since_ms: at(&zone, 7, 3, 9, 0) }];
    let as_of_ms = at(&zone, 7, 3, 9, 0);
    let tighter = Situation { forest: Some(true), dangers: &raised, as_of_ms, ..situation };
    let found = deadline(Rules::standard(), &tighter, &zone).unwrap();
    assert_eq!((found.at_ms, found.is_tightened), (at(&zone, 7, 5, 0, 0), true));
    assert_eq!(found.rules, Rules::standard().version());
    assert!(matches!(found.reasons.last(), Some(DeadlineReason::Danger { level: 4, .. })));
}

#[test]
fn time_that_passes_only_shortens() {
    let zone = shanghai();
    let dangers = [
        Danger { level: 5, since_ms: at(&zone, 3, 1, 8, 0) },
        Danger { level: 4, since_ms: at(&zone, 6, 20, 8, 0) },
    ];
    for severity in [Severity::Critical, Severity::Serious, Severity::General] {
        for (month, day) in [(1, 1), (1, 31), (2, 1), (5, 10), (5, 31), (6, 1), (12, 31)] {
            let mut least = i64::MAX;
            for days in 0..400_i64 {
                let situation = found(&zone, month, day);
                let as_of_ms = situation.from_ms + days * 86_400_000;
                let situation =
                    Situation { severity, forest: None, dangers: &dangers, as_of_ms, ..situation };
                let now = deadline(Rules::standard(), &situation, &zone).unwrap().at_ms;
                assert!(now <= least, "{severity:?} {month}-{day} after {days} days");
                least = now;
            }
        }
    }
}

#[test]
fn days_end_at_midnight_of_the_district_and_hours_are_exact() {
    // Summer time began on 8 March 2026 in New York at 02:00 and ended on 1 November.
    let zone = TimeZone::get("America/New_York").unwrap();
    let spring = Situation { class: Some("35-110"), ..found(&zone, 3, 5) };
    assert_eq!(until(&spring, &zone), "03-13 00:00");
    let hours = |situation: &Situation<'_>| {
        let found = deadline(Rules::standard(), situation, &zone).unwrap();
        (found.at_ms - situation.from_ms) / 3_600_000
    };
    // 9 hours of the first day, seven days, one of them an hour short.
    assert_eq!(hours(&spring), 9 + 7 * 24 - 1);
    assert_eq!(hours(&Situation { class: Some("35-110"), ..found(&zone, 10, 30) }), 9 + 7 * 24 + 1);
    let critical = Situation { severity: Severity::Critical, ..found(&zone, 3, 7) };
    assert_eq!((until(&critical, &zone).as_str(), hours(&critical)), ("03-08 16:00", 24));
    // A day of which midnight does not exist ends where the next begins: Santiago, 6 September 2026.
    let zone = TimeZone::get("America/Santiago").unwrap();
    assert_eq!(until(&Situation { class: Some("500"), ..found(&zone, 8, 29) }, &zone), "09-06 01:00");
    // The same instant is another day elsewhere.
    let utc = TimeZone::UTC;
    let late = Situation { class: Some("500"), ..found(&shanghai(), 7, 1) };
    let early = Situation { from_ms: at(&utc, 7, 1, 23, 0), as_of_ms: at(&utc, 7, 1, 23, 0), ..late };
    assert_eq!(until(&early, &utc), "07-09 00:00");
    assert_eq!(until(&early, &shanghai()), "07-10 00:00");
}

#[test]
fn a_major_hazard_has_sixty_days_at_most_ninety_and_ten_for_acceptance() {
    let zone = shanghai();
    let major = Situation { is_major: true, severity: Severity::General, ..found(&zone, 7, 1) };
    let result = deadline(Rules::standard(), &major, &zone).unwrap();
    assert_eq!(result.at_ms, at(&zone, 8, 31, 0, 0));
    assert_eq!(result.latest_ms, Some(at(&zone, 9, 30, 0, 0)));
    assert_eq!(result.acceptance_ms, Some(at(&zone, 9, 10, 0, 0)));
    // The flag never lengthens what its severity allows.
    let critical = Situation { severity: Severity::Critical, ..major };
    assert_eq!(until(&critical, &zone), "07-02 15:00");
    let plain = deadline(Rules::standard(), &found(&zone, 7, 1), &zone).unwrap();
    assert_eq!((plain.latest_ms, plain.acceptance_ms), (None, None));
}

#[test]
fn reasons_say_terms_and_days_in_both_languages_and_come_back_as_they_were() {
    let zone = shanghai();
    let situation = Situation { forest: None, class: None, notified_ms: Some(0), ..found(&zone, 2, 1) };
    let situation = Situation { notified_ms: None, ..situation };
    let result = deadline(Rules::standard(), &situation, &zone).unwrap();
    assert_eq!(
        result.zh(&zone),
        "电压等级未知，按输电线路的期限；未记录是否林区，按林区；林区防火期，自 2026-02-01 起 7 日，至 2026-02-08 24:00；\
         严重：7 日，至 2026-02-08 24:00；林区高火险期，自 2026-02-01 起 3 日，至 2026-02-04 24:00"
    );
    assert!(result.en(&zone).is_ascii(), "{}", result.en(&zone));
    let json = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<Deadline>(&json).unwrap(), result);
    let mut far = situation;
    far.from_ms = i64::MAX;
    assert_eq!(deadline(Rules::standard(), &far, &zone), None, "no calendar has such a day");
}

#[test]
fn an_extension_stands_against_the_terms_that_it_extends_and_not_against_what_is_raised_later() {
    let zone = shanghai();
    let found = Situation { forest: Some(true), severity: Severity::General, ..found(&zone, 1, 10) };
    // Found in the season, due on 10 February by it; extended to 20 March on 1 February.
    let then = Situation { as_of_ms: at(&zone, 1, 31, 9, 0), ..found.clone() };
    let known = deadline(Rules::standard(), &then, &zone).unwrap().reasons;
    let extended = at(&zone, 3, 20, 0, 0);
    let extended =
        Situation { notified_ms: Some(extended), known: &known, as_of_ms: then.as_of_ms, ..found.clone() };
    assert_eq!(until(&extended, &zone), "03-20 00:00");
    // The high season begins the next day, and nobody looks before March: fifteen days from its first.
    let later = Situation { as_of_ms: at(&zone, 3, 5, 0, 0), ..extended.clone() };
    assert_eq!(until(&later, &zone), "02-17 00:00");
    let forgetful = Situation { known: &[], ..extended };
    assert_eq!(until(&forgetful, &zone), "02-10 00:00");
}

#[test]
fn rules_that_were_set_since_people_were_told_count_from_the_day_on_which_they_were_set() {
    let zone = shanghai();
    // Serious on a 10 kV line: 30 days by the rules, of which people were told; then other rules of 10 days.
    let other = super::super::DEFAULT.replacen("days = 30\nmark = \"R\"", "days = 10\nmark = \"ours\"", 1);
    let other = Rules::parse(&other).unwrap();
    let told = Situation { notified_ms: Some(at(&zone, 8, 1, 0, 0)), ..found(&zone, 7, 1) };
    let known = deadline(Rules::standard(), &Situation { notified_ms: None, ..told.clone() }, &zone).unwrap();
    let set = |day: i8| Situation {
        known: &known.reasons,
        rules_since_ms: Some(at(&zone, 7, day, 9, 0)),
        as_of_ms: at(&zone, 7, day, 9, 0),
        ..told.clone()
    };
    for (day, expected) in [
        // From the finding they would have ended on the 11th.
        (2, Some((7, 13))),
        (15, Some((7, 26))),
        (20, Some((7, 31))),
        // From here on the term that people were told ends first.
        (21, None),
        (30, None),
    ] {
        let found = deadline(&other, &set(day), &zone).unwrap();
        let tightened = found.is_tightened.then_some(found.at_ms);
        assert_eq!(tightened, expected.map(|(month, day)| at(&zone, month, day, 0, 0)), "set on the {day}th");
        assert!(found.at_ms > at(&zone, 7, day, 9, 0), "to a day that is past");
    }
    // A term that has not changed was known: it does not begin anew over an extension.
    let extended = Situation { notified_ms: Some(at(&zone, 12, 1, 0, 0)), ..set(15) };
    assert!(!deadline(Rules::standard(), &extended, &zone).unwrap().is_tightened);
}
