//! Comma-separated values (RFC 4180) that no spreadsheet takes for formulas.

/// What tells a spreadsheet that a file is UTF-8.
pub(super) const MARK: &str = "\u{feff}";

/// A text as a cell. What a spreadsheet would take for a formula is told to be text by an apostrophe (OWASP, "CSV
/// injection"): names come from whoever sends ratings.
pub(crate) fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let guard = if formula { "'" } else { "" };
    if formula || text.contains(['"', ',', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Adds a line of cells that are quoted already.
pub(crate) fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    out.push_str(&cells.join(","));
    out.push_str("\r\n");
}
