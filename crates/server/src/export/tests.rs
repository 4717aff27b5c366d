//! What is written, read back by other people's readers.

use std::io::{Cursor, Seek as _, SeekFrom, Write as _};
use std::process::Command;

use aftercall_core::{CallId, Score};
use aftercall_store::Comment;
use calamine::{Data, Reader as _, Xlsx};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::row::Cell;
use super::xlsx::{Column, Workbook};
use super::*;

fn rating(call: &str, comment: Option<&str>) -> Rating {
    Rating {
        id: "0197f3a2-0000-7000-8000-000000000001".parse().unwrap(),
        call: CallId::new(call).unwrap(),
        agent: None,
        queue: None,
        score: Score::try_from(4).unwrap(),
        comment: comment.map(|text| Comment::new(text).unwrap()),
        created_at: "2026-07-01T21:59:59.999999Z".parse().unwrap(),
        key: None,
        survey: None,
        survey_version: None,
        channel: None,
        language: None,
        session: None,
        question: None,
        revision: 1,
        flags: Default::default(),
    }
}

/// A whole file of these ratings.
fn file(format: Format, zone: &str, ratings: &[Rating]) -> Vec<u8> {
    let zone = Zone::new(zone).unwrap();
    let mut sheet = Sheet::new(format, &zone);
    let mut file = sheet.take();
    for rating in ratings {
        sheet.add(rating, &zone);
        file.extend(sheet.take());
    }
    sheet.end();
    file.extend(sheet.take());
    file
}

fn opened(file: Vec<u8>) -> Xlsx<Cursor<Vec<u8>>> {
    Xlsx::new(Cursor::new(file)).unwrap()
}

/// The cells of a sheet, each as a reader of spreadsheets has it.
fn sheet(book: &mut Xlsx<Cursor<Vec<u8>>>, name: &str) -> Vec<Vec<Data>> {
    let cells = book.worksheet_range(name).unwrap();
    cells.rows().map(<[Data]>::to_vec).collect()
}

/// Texts that have hurt spreadsheets: formulas, quotes, line ends, other scripts, what XML cannot hold, escapes.
fn odd_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[=+@-][a-z]{1,5}\\(\"?'[|]!A0",
        Just("\r\n".to_owned()),
        Just("_x0041_".to_owned()),
        Just("_x005F_x000D_".to_owned()),
        Just("مرحبا \u{202e}abc\u{202c}".to_owned()),
        Just("👩🏽‍💻🇩🇪".to_owned()),
        Just("]]>&amp;<c t=\"s\">".to_owned()),
        any::<char>().prop_map(String::from),
        "[\u{1}-\u{1f}\u{7f}-\u{9f}\u{fffe}\u{ffff} ,;\"'\t]{1,3}",
        "[a-z ]{0,20}",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat().replace('\0', ""))
}

/// What a text is in a workbook: XML has no place for some characters.
fn in_xml(text: &str) -> String {
    let held = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if held(c) { c } else { '\u{fffd}' }).collect()
}

proptest! {
    #[test]
    fn whatever_a_caller_wrote_is_read_back_from_csv_and_is_no_formula(texts in proptest::collection::vec(odd_text(), 1..20)) {
        let ratings: Vec<Rating> = texts.iter().map(|text| rating("c", Some(text))).collect();
        let made = file(Format::Csv { bom: false }, "Europe/Berlin", &ratings);
        let mut reader = ::csv::Reader::from_reader(made.as_slice());
        let read: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), texts.len());
        for (text, record) in texts.iter().zip(read) {
            let cell = &record[9];
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{:?}", cell);
            prop_assert_eq!(cell.strip_prefix('\'').filter(|_| !text.starts_with('\'')).unwrap_or(cell), text);
        }
    }

    #[test]
    fn whatever_a_caller_wrote_is_read_back_from_a_workbook_as_text(texts in proptest::collection::vec(odd_text(), 1..20)) {
        let ratings: Vec<Rating> = texts.iter().map(|text| rating("c", Some(text))).collect();
        let mut book = opened(file(Format::Xlsx, "Europe/Berlin", &ratings));
        let read = sheet(&mut book, "ratings");
        prop_assert_eq!(read.len(), texts.len() + 1);
        for (text, row) in texts.iter().zip(&read[1..]) {
            let cell = match &row[9] {
                Data::String(text) => text.clone(),
                Data::Empty => String::new(),
                other => panic!("{other:?} is no text"),
            };
            prop_assert_eq!(&cell, &in_xml(text));
        }
        let formulas = book.worksheet_formula("ratings").unwrap();
        prop_assert!(formulas.cells().all(|(_, _, formula)| formula.is_empty()));
    }
}

#[test]
fn times_are_those_of_the_zone_that_the_header_states() {
    let ratings = [rating("c1", None)];
    for (zone, local) in [
        ("Europe/Berlin", "2026-07-01T23:59:59.999999+02:00"),
        ("Asia/Kathmandu", "2026-07-02T03:44:59.999999+05:45"),
        ("America/St_Johns", "2026-07-01T19:29:59.999999-02:30"),
        ("UTC", "2026-07-01T21:59:59.999999+00:00"),
    ] {
        let made = String::from_utf8(file(Format::Csv { bom: true }, zone, &ratings)).unwrap();
        let header = format!(
            "\u{feff}call_id,score,key,agent_id,queue_id,survey,survey_version,channel,language,comment,\
             rated_at ({zone}),rated_at_utc,flags,revision,id"
        );
        let row = format!(
            "c1,4,,,,,,,,,{local},2026-07-01T21:59:59.999999Z,,1,0197f3a2-0000-7000-8000-000000000001"
        );
        assert_eq!(made, format!("{header}\r\n{row}\r\n"));
        let mut book = opened(file(Format::Xlsx, zone, &ratings));
        let read = sheet(&mut book, "ratings");
        assert_eq!(read[0][10], Data::String(format!("rated_at ({zone})")));
        let shown = |cell: &Data| match cell {
            // To the microsecond, which is what a number of days has room for.
            Data::DateTime(at) => (at.as_f64() * 86_400_000_000.0).round() as i64 - 25_569 * 86_400_000_000,
            other => panic!("{other:?} is no time"),
        };
        let instant = ratings[0].created_at;
        let offset = TimeZone::get(zone).unwrap().to_offset(instant).seconds();
        assert!((shown(&read[1][10]) - instant.as_microsecond() - i64::from(offset) * 1_000_000).abs() <= 1);
        assert!((shown(&read[1][11]) - instant.as_microsecond()).abs() <= 1);
    }
}

#[test]
fn a_full_sheet_is_followed_by_another_with_the_same_header() {
    let column = Column { name: "n".to_owned(), width: 5 };
    let mut book = Workbook::with_sheets_of(vec![column], 4);
    for number in 0..7_u32 {
        book.row([Cell::Number(number)]);
    }
    book.end();
    let mut read = opened(book.take());
    assert_eq!(read.sheet_names(), ["ratings", "ratings 2", "ratings 3"]);
    let numbers = |from: u32, to: u32| {
        let numbers = (from..to).map(|number| vec![Data::Float(number.into())]);
        [vec![Data::String("n".to_owned())]].into_iter().chain(numbers).collect::<Vec<_>>()
    };
    assert_eq!(sheet(&mut read, "ratings"), numbers(0, 3));
    assert_eq!(sheet(&mut read, "ratings 2"), numbers(3, 6));
    assert_eq!(sheet(&mut read, "ratings 3"), numbers(6, 7));
}

/// By Python's `zipfile`, which checks every sum.
#[test]
fn an_archive_beyond_four_gigabytes_is_read_by_others() {
    for hole in [0, 5 << 30] {
        let mut zip = zip::Zip::new(hole);
        let long = "0123456789 abc ".repeat(100_000);
        for (name, text) in [("a.txt", "first"), ("long.txt", long.as_str()), ("empty.txt", "")] {
            zip.entry(name, 0);
            text.as_bytes().chunks(70_000).for_each(|part| zip.write(part));
        }
        zip.entry("n#.txt", 7);
        zip.end();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        // A hole costs no disk.
        file.seek(SeekFrom::Start(hole)).unwrap();
        file.write_all(&zip.take()).unwrap();
        let script = "import sys, zipfile\n\
            z = zipfile.ZipFile(sys.argv[1])\n\
            print(z.testzip(), z.namelist(), [i.file_size for i in z.infolist()], z.infolist()[0].header_offset)";
        let read = Command::new("python3").args(["-c", script]).arg(file.path()).output().unwrap();
        let expected =
            format!("None ['a.txt', 'long.txt', 'empty.txt', 'n7.txt'] [5, {}, 0, 0] {hole}\n", long.len());
        let said = String::from_utf8_lossy(&read.stderr);
        assert_eq!(String::from_utf8_lossy(&read.stdout), expected, "{said}");
    }
}
