//! What each declared type takes, from CSV cells and from JSON values.

use super::*;
use crate::source::rows::tests::support::variable;

fn converter(kind: VariableType, change: impl FnOnce(&mut Variable)) -> Converter {
    let mut variable = variable("x", kind);
    change(&mut variable);
    Converter::new(&variable)
}

fn text_with(
    kind: VariableType,
    change: impl FnOnce(&mut Variable),
    cell: &str,
) -> Result<String, RejectReason> {
    let mut out = Vec::new();
    converter(kind, change).write_text(cell.as_bytes(), &mut out)?;
    let written = String::from_utf8(out).unwrap();
    // Whatever is written is JSON.
    assert!(
        serde_json::from_str::<serde_json::Value>(&written).is_ok(),
        "{written}"
    );
    Ok(written)
}

fn text(kind: VariableType, cell: &str) -> Result<String, RejectReason> {
    text_with(kind, |_| {}, cell)
}

fn json(kind: VariableType, value: JsonValue<'_>) -> Result<String, RejectReason> {
    let mut out = Vec::new();
    converter(kind, |_| {}).write_json(value, &mut Vec::new(), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn integers_keep_their_value_or_are_rejects() {
    for (cell, wanted) in [
        ("0", Ok("0")),
        ("-0", Ok("0")),
        ("007", Ok("7")),
        ("+7", Ok("7")),
        (" 42\t", Ok("42")),
        ("9223372036854775807", Ok("9223372036854775807")),
        ("-9223372036854775808", Ok("-9223372036854775808")),
        ("0000000000000000000000000001", Ok("1")),
        ("9223372036854775808", Err(RejectReason::IntegerRange)),
        ("99999999999999999999", Err(RejectReason::IntegerRange)),
        ("1.0", Err(RejectReason::FloatInInteger)),
        ("1e3", Err(RejectReason::FloatInInteger)),
        (".5", Err(RejectReason::FloatInInteger)),
        ("1,000", Err(RejectReason::NotInteger)),
        ("0x10", Err(RejectReason::NotInteger)),
        ("٣", Err(RejectReason::NotInteger)),
        ("-", Err(RejectReason::NotInteger)),
        ("1 2", Err(RejectReason::NotInteger)),
        ("", Ok("null")),
        ("  ", Ok("null")),
    ] {
        let found = text(VariableType::Integer, cell);
        assert_eq!(found.as_deref().map_err(|why| *why), wanted, "{cell:?}");
    }
}

#[test]
fn floats_keep_their_digits_where_they_are_json_already() {
    for (cell, wanted) in [
        ("1.50", Ok("1.50")),
        ("-0.0", Ok("-0.0")),
        ("1E+5", Ok("1E+5")),
        (
            "0.1000000000000000055511151231257827",
            Ok("0.1000000000000000055511151231257827"),
        ),
        (".5", Ok("0.5")),
        ("1.", Ok("1")),
        ("+1.25", Ok("1.25")),
        ("007.5", Ok("7.5")),
        ("-.5e1", Ok("-5")),
        ("1e308", Ok("1e308")),
        ("0e999", Ok("0e999")),
        ("1e309", Err(RejectReason::FloatRange)),
        ("1e-999", Err(RejectReason::FloatRange)),
        ("NaN", Err(RejectReason::NotFinite)),
        ("-Infinity", Err(RejectReason::NotFinite)),
        ("inf", Err(RejectReason::NotFinite)),
        ("1,5", Err(RejectReason::NotFloat)),
        ("1e", Err(RejectReason::NotFloat)),
        (".", Err(RejectReason::NotFloat)),
        ("1_000", Err(RejectReason::NotFloat)),
        ("0x1p3", Err(RejectReason::NotFloat)),
        ("", Ok("null")),
    ] {
        let found = text(VariableType::Float, cell);
        let found = found.as_deref().map(|one| one.trim_end_matches(".0"));
        let wanted = wanted.map(|one: &str| one.trim_end_matches(".0"));
        assert_eq!(found.map_err(|why| *why), wanted, "{cell:?}");
    }
    assert_eq!(
        text(VariableType::Float, &"9".repeat(400)),
        Err(RejectReason::FloatRange)
    );
}

#[test]
fn a_decimal_comma_leaves_no_room_for_a_point() {
    let comma = |cell| text_with(VariableType::Float, |one| one.convert.decimal = b',', cell);

    assert_eq!(comma("3,14").as_deref(), Ok("3.14"));
    assert_eq!(comma("-3").as_deref(), Ok("-3"));
    assert_eq!(comma("1.000,5"), Err(RejectReason::NotFloat));
    assert_eq!(comma("1,000,5"), Err(RejectReason::NotFloat));
}

#[test]
fn booleans_have_their_words() {
    let yes_no = |cell| {
        let change = |one: &mut Variable| {
            one.convert.true_values = Some(vec!["Y".to_owned()]);
            one.convert.false_values = Some(vec!["N".to_owned(), "0".to_owned()]);
        };
        text_with(VariableType::Boolean, change, cell)
    };

    assert_eq!(text(VariableType::Boolean, "True").as_deref(), Ok("true"));
    assert_eq!(
        text(VariableType::Boolean, " FALSE ").as_deref(),
        Ok("false")
    );
    assert_eq!(
        text(VariableType::Boolean, "1"),
        Err(RejectReason::NotBoolean)
    );
    assert_eq!(yes_no("Y").as_deref(), Ok("true"));
    assert_eq!(yes_no("0").as_deref(), Ok("false"));
    assert_eq!(yes_no("y"), Err(RejectReason::NotBoolean));
    assert_eq!(yes_no("true"), Err(RejectReason::NotBoolean));
}

#[test]
fn null_markers_replace_the_default() {
    let marked = |kind, cell| {
        let markers = vec![String::new(), "NA".to_owned(), "-999".to_owned()];
        text_with(kind, |one| one.convert.null_markers = Some(markers), cell)
    };

    assert_eq!(marked(VariableType::Float, "-999").as_deref(), Ok("null"));
    assert_eq!(marked(VariableType::Float, " NA ").as_deref(), Ok("null"));
    assert_eq!(marked(VariableType::String, "NA").as_deref(), Ok("null"));
    assert_eq!(
        marked(VariableType::String, " NA").as_deref(),
        Ok("\" NA\"")
    );
    assert_eq!(text(VariableType::String, "").as_deref(), Ok("\"\""));
    assert_eq!(
        text_with(
            VariableType::Integer,
            |one| one.convert.null_markers = Some(vec![]),
            ""
        ),
        Err(RejectReason::NotInteger)
    );
}

#[test]
fn a_required_variable_takes_no_null() {
    let required = |cell| text_with(VariableType::Integer, |one| one.required = true, cell);

    assert_eq!(required(""), Err(RejectReason::Required));
    assert_eq!(required("0").as_deref(), Ok("0"));
}

#[test]
fn strings_are_escaped_as_json() {
    let all: String = (0..0x20)
        .map(char::from)
        .chain("\"\\/\u{7f}é\u{2028}😀".chars())
        .collect();
    let written = text(VariableType::String, &all).unwrap();

    assert_eq!(serde_json::from_str::<String>(&written).unwrap(), all);
    assert_eq!(written, serde_json::to_string(&all).unwrap());
}

#[test]
fn dates_are_padded_and_in_the_calendar() {
    for (cell, wanted) in [
        ("2026-01-02", Ok("\"2026-01-02\"")),
        ("2026-1-2", Ok("\"2026-01-02\"")),
        ("0001-01-01", Ok("\"0001-01-01\"")),
        ("9999-12-31", Ok("\"9999-12-31\"")),
        ("2024-02-29", Ok("\"2024-02-29\"")),
        ("2000-02-29", Ok("\"2000-02-29\"")),
        ("1900-02-29", Err(RejectReason::NotInCalendar)),
        ("2023-02-29", Err(RejectReason::NotInCalendar)),
        ("2023-04-31", Err(RejectReason::NotInCalendar)),
        ("2023-13-01", Err(RejectReason::NotInCalendar)),
        ("2023-00-01", Err(RejectReason::NotInCalendar)),
        ("2023-01-00", Err(RejectReason::NotInCalendar)),
        ("0000-01-01", Err(RejectReason::NotInCalendar)),
        ("20230101", Err(RejectReason::NotDate)),
        ("23-01-01", Err(RejectReason::NotDate)),
        ("12023-01-01", Err(RejectReason::NotDate)),
        ("2023-001-01", Err(RejectReason::NotDate)),
        ("2023/01/01", Err(RejectReason::NotDate)),
        ("2023-01-01T00:00:00", Err(RejectReason::NotDate)),
        ("2023-01-01Z", Err(RejectReason::NotDate)),
    ] {
        let found = text(VariableType::Date, cell);
        assert_eq!(found.as_deref().map_err(|why| *why), wanted, "{cell}");
    }
}

#[test]
fn moments_are_written_in_one_form() {
    for (cell, wanted) in [
        ("2026-01-02T03:04:05", Ok("\"2026-01-02T03:04:05\"")),
        ("2026-1-2 3:4:5.120", Ok("\"2026-01-02T03:04:05.120\"")),
        (
            "2026-01-02T03:04:05.123456",
            Ok("\"2026-01-02T03:04:05.123456\""),
        ),
        (
            "2026-01-02T03:04:05.123456000",
            Ok("\"2026-01-02T03:04:05.123456\""),
        ),
        ("2026-01-02T03:04:05.1234567", Err(RejectReason::Precision)),
        ("2026-01-02T24:00:00", Err(RejectReason::NotInCalendar)),
        ("2026-01-02T23:59:60", Err(RejectReason::NotInCalendar)),
        ("2026-02-30T00:00:00", Err(RejectReason::NotInCalendar)),
        ("2026-01-02", Err(RejectReason::NotDateTime)),
        ("2026-01-02T03:04", Err(RejectReason::NotDateTime)),
        ("2026-01-02T03:04:05.", Err(RejectReason::NotDateTime)),
        ("2026-01-02T03:04:05 PM", Err(RejectReason::NotDateTime)),
        ("2026-01-02T03:04:05Z", Err(RejectReason::Zone)),
        ("2026-01-02T03:04:05+02:00", Err(RejectReason::Zone)),
        ("2026-01-02 03:04:05 UTC", Err(RejectReason::Zone)),
        ("2026-01-02T03:04:05+25:00", Err(RejectReason::NotDateTime)),
    ] {
        let found = text(VariableType::DateTime, cell);
        assert_eq!(found.as_deref().map_err(|why| *why), wanted, "{cell}");
    }
}

#[test]
fn a_zone_is_moved_or_dropped_when_the_manifest_says_so() {
    let zone = |policy, cell| {
        text_with(
            VariableType::DateTime,
            |one| one.convert.zone = policy,
            cell,
        )
        .unwrap()
    };

    for (cell, utc, drop) in [
        (
            "2026-01-01T00:30:00.25+02:00",
            "2025-12-31T22:30:00.25",
            "2026-01-01T00:30:00.25",
        ),
        (
            "2024-02-28T23:00:00-0130",
            "2024-02-29T00:30:00",
            "2024-02-28T23:00:00",
        ),
        (
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00",
        ),
        (
            "2026-01-01 00:00:00",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00",
        ),
    ] {
        assert_eq!(zone(ZonePolicy::Utc, cell), format!("\"{utc}\""));
        assert_eq!(zone(ZonePolicy::Drop, cell), format!("\"{drop}\""));
    }
    assert_eq!(
        text_with(
            VariableType::DateTime,
            |one| one.convert.zone = ZonePolicy::Utc,
            "0001-01-01T00:00:00+01:00"
        ),
        Err(RejectReason::NotInCalendar)
    );
}

#[test]
fn times_are_padded() {
    let zone = |policy, cell| text_with(VariableType::Time, |one| one.convert.zone = policy, cell);

    assert_eq!(
        text(VariableType::Time, "3:4:5.5").as_deref(),
        Ok("\"03:04:05.5\"")
    );
    assert_eq!(
        text(VariableType::Time, "23:59:59").as_deref(),
        Ok("\"23:59:59\"")
    );
    assert_eq!(
        text(VariableType::Time, "12:30"),
        Err(RejectReason::NotTime)
    );
    assert_eq!(
        text(VariableType::Time, "12:30:00Z"),
        Err(RejectReason::Zone)
    );
    assert_eq!(
        zone(ZonePolicy::Drop, "12:30:00+05").as_deref(),
        Ok("\"12:30:00\"")
    );
    assert_eq!(
        zone(ZonePolicy::Utc, "12:30:00Z").as_deref(),
        Ok("\"12:30:00\"")
    );
    assert_eq!(
        zone(ZonePolicy::Utc, "12:30:00+05"),
        Err(RejectReason::Zone)
    );
}

#[test]
fn epochs_become_moments_days_and_times() {
    use TimeFormat::{EpochMicros, EpochMillis, EpochSeconds};
    let epoch =
        |kind, format: TimeFormat, cell| text_with(kind, |one| one.convert.format = format, cell);

    for (format, cell, wanted) in [
        (EpochSeconds, "0", "1970-01-01T00:00:00"),
        (EpochSeconds, "-1", "1969-12-31T23:59:59"),
        (EpochSeconds, "1700000000", "2023-11-14T22:13:20"),
        (EpochMillis, "1700000000120", "2023-11-14T22:13:20.120"),
        (EpochMillis, "-1", "1969-12-31T23:59:59.999"),
        (
            EpochMicros,
            "1700000000000001",
            "2023-11-14T22:13:20.000001",
        ),
    ] {
        let found = epoch(VariableType::DateTime, format, cell);
        assert_eq!(found, Ok(format!("\"{wanted}\"")), "{cell}");
    }
    let day = epoch(VariableType::Date, EpochMillis, "1700000000120");
    assert_eq!(day.as_deref(), Ok("\"2023-11-14\""));
    for cell in ["1.5", "x"] {
        let found = epoch(VariableType::DateTime, EpochSeconds, cell);
        assert_eq!(found, Err(RejectReason::NotDateTime), "{cell}");
    }
    for cell in ["9223372036854775807", "253402300800"] {
        let found = epoch(VariableType::DateTime, EpochSeconds, cell);
        assert_eq!(found, Err(RejectReason::NotInCalendar), "{cell}");
    }
}

fn pattern(
    kind: VariableType,
    pattern: &str,
    zone: ZonePolicy,
    cell: &str,
) -> Result<String, RejectReason> {
    let change = |one: &mut Variable| {
        one.convert.format = TimeFormat::Pattern(pattern.to_owned());
        one.convert.zone = zone;
    };
    text_with(kind, change, cell)
}

#[test]
fn patterns_are_those_of_strptime() {
    use VariableType::{Date, DateTime, Time};
    let seconds = "%Y-%m-%dT%H:%M:%S%.f";
    for (kind, form, cell, wanted) in [
        (Date, "%d.%m.%Y", "31.12.2025", Ok("\"2025-12-31\"")),
        (Date, "%d.%m.%Y", "30.02.2025", Err(RejectReason::NotDate)),
        (Date, "%b %d, %Y", "Mar 05, 2024", Ok("\"2024-03-05\"")),
        (
            DateTime,
            "%Y%m%d %H%M",
            "20240305 0709",
            Ok("\"2024-03-05T07:09:00\""),
        ),
        (
            DateTime,
            seconds,
            "2024-03-05T07:09:01.5",
            Ok("\"2024-03-05T07:09:01.500\""),
        ),
        (
            DateTime,
            seconds,
            "2024-03-05T07:09:01.1234567",
            Err(RejectReason::Precision),
        ),
        (Time, "%H:%M", "7:05", Ok("\"07:05:00\"")),
        (Time, "%H:%M", "25:05", Err(RejectReason::NotTime)),
    ] {
        let found = pattern(kind, form, ZonePolicy::Fail, cell);
        assert_eq!(
            found.as_deref().map_err(|why| *why),
            wanted,
            "{form} {cell}"
        );
    }
}

#[test]
fn a_pattern_with_an_offset_follows_the_zone_policy() {
    let moment = |zone| {
        let form = "%Y-%m-%d %H:%M %z";
        pattern(VariableType::DateTime, form, zone, "2024-03-05 00:09 +0100")
    };

    assert_eq!(moment(ZonePolicy::Fail), Err(RejectReason::Zone));
    assert_eq!(
        moment(ZonePolicy::Utc).as_deref(),
        Ok("\"2024-03-04T23:09:00\"")
    );
    assert_eq!(
        moment(ZonePolicy::Drop).as_deref(),
        Ok("\"2024-03-05T00:09:00\"")
    );
}

#[test]
fn geography_is_well_known_text() {
    assert_eq!(
        text(VariableType::Geography, "point (10 20)").as_deref(),
        Ok("\"point (10 20)\"")
    );
    assert_eq!(
        text(VariableType::Geography, "10,20"),
        Err(RejectReason::NotGeography)
    );
    assert_eq!(text(VariableType::Geography, "").as_deref(), Ok("null"));
}

#[test]
fn json_scalars_keep_to_their_types() {
    let string = |raw: &'static str| JsonValue::String {
        raw: raw.as_bytes(),
        escaped: raw.contains('\\'),
    };
    let number = |text: &'static str| JsonValue::Number(text.as_bytes());
    for (kind, value, wanted) in [
        (VariableType::String, number("1.50"), Ok("\"1.50\"")),
        (VariableType::String, JsonValue::True, Ok("\"true\"")),
        (VariableType::String, string("a\\n"), Ok("\"a\\n\"")),
        (VariableType::Integer, string("12"), Ok("12")),
        (VariableType::Integer, string("\\u0031"), Ok("1")),
        (
            VariableType::Integer,
            number("1.0"),
            Err(RejectReason::FloatInInteger),
        ),
        (
            VariableType::Integer,
            JsonValue::True,
            Err(RejectReason::WrongType(VariableType::Integer)),
        ),
        (
            VariableType::Float,
            number("1e400"),
            Err(RejectReason::FloatRange),
        ),
        (
            VariableType::Float,
            string("NaN"),
            Err(RejectReason::NotFinite),
        ),
        (VariableType::Boolean, JsonValue::False, Ok("false")),
        (VariableType::Boolean, string("true"), Ok("true")),
        (
            VariableType::Boolean,
            number("1"),
            Err(RejectReason::WrongType(VariableType::Boolean)),
        ),
        (VariableType::Date, string("2026-1-1"), Ok("\"2026-01-01\"")),
        (
            VariableType::Date,
            number("20260101"),
            Err(RejectReason::WrongType(VariableType::Date)),
        ),
        (
            VariableType::Geography,
            JsonValue::Nested(b"{}"),
            Err(RejectReason::Nested),
        ),
        (
            VariableType::String,
            JsonValue::Nested(b"{}"),
            Err(RejectReason::Nested),
        ),
        (VariableType::String, JsonValue::Null, Ok("null")),
        (VariableType::Integer, string(""), Ok("null")),
    ] {
        let found = json(kind, value);
        assert_eq!(
            found.as_deref().map_err(|why| *why),
            wanted,
            "{kind} {value:?}"
        );
    }
}

#[test]
fn null_markers_hold_for_json_values_too() {
    let marked = converter(VariableType::Integer, |one| {
        one.convert.null_markers = Some(vec!["-999".to_owned(), "n/a".to_owned()]);
    });
    for value in [
        JsonValue::Number(b"-999"),
        JsonValue::String {
            raw: b"n\\/a",
            escaped: true,
        },
    ] {
        let mut out = Vec::new();
        marked.write_json(value, &mut Vec::new(), &mut out).unwrap();
        assert_eq!(out, b"null");
    }
}

#[test]
fn every_byte_at_every_place_of_a_text_is_written_as_json_says() {
    for length in 1..20 {
        for place in 0..length {
            for byte in 0..=0x7f_u8 {
                let mut cell = vec![b'x'; length];
                cell[place] = byte;
                let mut out = Vec::new();
                write_string(&cell, &mut out).unwrap();
                let wanted = serde_json::to_string(std::str::from_utf8(&cell).unwrap()).unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), wanted);
            }
            let mut cell = vec![b'x'; length];
            cell[place] = 0xff;
            let found = write_string(&cell, &mut Vec::new());
            assert_eq!(found, Err(RejectReason::InvalidUtf8));
        }
    }
}

proptest::proptest! {
    /// The short way for moments in the platform's own form is the long one, which
    /// a fraction takes.
    #[test]
    fn a_moment_in_the_usual_form_is_read_like_any_other(
        day in "[0-9]{4}-[0-9]{2}-[0-9]{2}",
        clock in "[0-6][0-9]:[0-6][0-9]:[0-6][0-9]",
        between in "[Tt ]",
    ) {
        let short = text(VariableType::DateTime, &format!("{day}{between}{clock}"));
        let long = text(VariableType::DateTime, &format!("{day}{between}{clock}.5"));
        proptest::prop_assert_eq!(short, long.map(|one| one.replace(".5", "")));
        let day_alone = text(VariableType::Date, &day);
        let with_time = text(VariableType::DateTime, &format!("{day}T00:00:00.5"));
        proptest::prop_assert_eq!(
            day_alone,
            with_time.map(|one| one.replace("T00:00:00.5", ""))
        );
    }
}
