//! A workbook (ECMA-376, Office Open XML) written from its beginning to its end: one row after another, a further sheet
//! where one is full. Texts are texts and nothing else: a cell never holds a formula.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::row::Cell;
use super::zip::{ENTRY_BYTES_MAX, Zip};

/// The most rows of a sheet, its header among them (ECMA-376 allows more, Excel does not).
const SHEET_ROWS_MAX: usize = 1_048_576;

/// The most bytes of a sheet: half of what an entry of the archive may have.
const SHEET_BYTES_MAX: u64 = ENTRY_BYTES_MAX / 2;

/// From Excel's day 0 (1899-12-30) to 1970, in days.
const DAYS_BEFORE_1970: f64 = 25_569.0;

const US_A_DAY: f64 = 86_400_000_000.0;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

/// What is in the package: every `.xml` is a sheet but those that are named.
const TYPES: &str = concat!(
    r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">"#,
    r#"<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>"#,
    r#"<Default Extension="xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>"#,
    r#"<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>"#,
    r#"<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>"#,
    "</Types>"
);

const PACKAGE: &str = concat!(
    r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">"#,
    r#"<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/>"#,
    "</Relationships>"
);

/// Three looks of a cell: plain, a header (bold), a time.
const STYLES: &str = concat!(
    r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">"#,
    r#"<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/></numFmts>"#,
    r#"<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>"#,
    r#"<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>"#,
    r#"<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>"#,
    r#"<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>"#,
    r#"<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>"#,
    r#"<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>"#,
    r#"<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>"#,
    r#"<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>"#,
    "</styleSheet>"
);

/// A column: its name, and how wide it is shown, in characters.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) width: u8,
}

/// A workbook being written. What has been made is taken from it by [`Workbook::take`].
#[derive(Debug)]
pub(super) struct Workbook {
    zip: Zip,
    columns: Vec<Column>,
    sheets: usize,
    rows: usize,
    bytes: u64,
    /// The rows that a sheet may have.
    rows_max: usize,
    line: String,
}

impl Workbook {
    /// A workbook of these columns, with its header.
    pub(super) fn new(columns: Vec<Column>) -> Self {
        Self::with_sheets_of(columns, SHEET_ROWS_MAX)
    }

    /// The same with sheets of at most so many rows.
    pub(super) fn with_sheets_of(columns: Vec<Column>, rows_max: usize) -> Self {
        let (zip, line) = (Zip::new(0), String::new());
        let mut new = Self { zip, columns, sheets: 0, rows: 0, bytes: 0, rows_max, line };
        for (name, content) in
            [("[Content_Types].xml", TYPES), ("_rels/.rels", PACKAGE), ("xl/styles.xml", STYLES)]
        {
            new.zip.entry(name, 0);
            new.zip.write(HEAD.as_bytes());
            new.zip.write(content.as_bytes());
        }
        new.begin_sheet();
        new
    }

    /// The next row.
    pub(super) fn row<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) {
        if self.rows == self.rows_max || self.bytes > SHEET_BYTES_MAX {
            self.end_sheet();
            self.begin_sheet();
        }
        self.add_row(cells, 0);
    }

    /// What has been made since this was asked before.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.zip.take()
    }

    /// Ends the workbook.
    pub(super) fn end(&mut self) {
        self.end_sheet();
        let (mut book, mut relations) = (String::new(), String::new());
        for number in 1..=self.sheets {
            let name = if number == 1 { "ratings".to_owned() } else { format!("ratings {number}") };
            add(&mut book, format_args!(r#"<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>"#));
            add(
                &mut relations,
                format_args!(
                    r#"<Relationship Id="rId{number}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{number}.xml"/>"#
                ),
            );
        }
        let styles = self.sheets + 1;
        let book = format!(
            r#"{HEAD}<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{book}</sheets></workbook>"#
        );
        let relations = format!(
            r#"{HEAD}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}<Relationship Id="rId{styles}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#
        );
        self.zip.entry("xl/workbook.xml", 0);
        self.zip.write(book.as_bytes());
        self.zip.entry("xl/_rels/workbook.xml.rels", 0);
        self.zip.write(relations.as_bytes());
        self.zip.end();
    }

    fn begin_sheet(&mut self) {
        self.sheets += 1;
        (self.rows, self.bytes) = (0, 0);
        self.zip.entry("xl/worksheets/sheet#.xml", self.sheets);
        let mut head = format!(
            r#"{HEAD}<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>"#
        );
        for (number, column) in (1..).zip(&self.columns) {
            let width = column.width;
            add(
                &mut head,
                format_args!(r#"<col min="{number}" max="{number}" width="{width}" customWidth="1"/>"#),
            );
        }
        head.push_str("</cols><sheetData>");
        self.zip.write(head.as_bytes());
        let columns = std::mem::take(&mut self.columns);
        self.add_row(columns.iter().map(|column| Cell::Text(column.name.as_str().into())), 1);
        self.columns = columns;
    }

    fn end_sheet(&mut self) {
        self.zip.write(b"</sheetData></worksheet>");
    }

    fn add_row<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>, look: u8) {
        self.rows += 1;
        self.line.clear();
        let (line, row) = (&mut self.line, self.rows);
        add(line, format_args!(r#"<row r="{row}">"#));
        for (place, cell) in cells.into_iter().enumerate() {
            let column = letters(place);
            match cell {
                Cell::Empty => {}
                Cell::Text(text) => {
                    add(line, format_args!(r#"<c r="{column}{row}" t="inlineStr" s="{look}"><is>"#));
                    line.push_str(r#"<t xml:space="preserve">"#);
                    escape(&text, line);
                    line.push_str("</t></is></c>");
                }
                Cell::Number(number) => {
                    add(line, format_args!(r#"<c r="{column}{row}"><v>{number}</v></c>"#));
                }
                Cell::Local(at, zone) => add_time(line, column, row, at, zone.to_offset(at).seconds()),
                Cell::Utc(at) => add_time(line, column, row, at, 0),
            }
        }
        line.push_str("</row>");
        self.bytes += self.line.len() as u64;
        self.zip.write(self.line.as_bytes());
    }
}

/// Writing to a `String` cannot fail.
fn add(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).unwrap_or_default();
}

/// The name of a column: A to Z. There are fewer columns than letters.
fn letters(place: usize) -> char {
    char::from(b'A' + u8::try_from(place.min(25)).unwrap_or(25))
}

/// A time is a number: days and their parts since Excel's day 0, as clocks so many seconds ahead of UTC show them.
fn add_time(line: &mut String, column: char, row: usize, at: Timestamp, ahead: i32) {
    let shown = at.as_microsecond().saturating_add(i64::from(ahead) * 1_000_000);
    let days = shown as f64 / US_A_DAY + DAYS_BEFORE_1970;
    add(line, format_args!(r#"<c r="{column}{row}" s="2"><v>{days}</v></c>"#));
}

/// A text within XML. What XML cannot hold becomes U+FFFD; `_x0041_`, which a spreadsheet would read as an escape of its
/// own (ECMA-376, 22.9.2.19), is escaped.
fn escape(text: &str, out: &mut String) {
    for (at, c) in text.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // As itself a reader would make a line feed of it (XML 1.0, 2.11).
            '\r' => out.push_str("&#13;"),
            '_' if is_escape(&text.as_bytes()[at..]) => out.push_str("_x005F_"),
            '\t' | '\n' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

/// `_xHHHH_`.
fn is_escape(text: &[u8]) -> bool {
    matches!(text, [b'_', b'x', a, b, c, d, b'_', ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()))
}
