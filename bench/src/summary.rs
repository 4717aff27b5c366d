//! Figures of several rounds in a few words, and tables of them.

use std::fmt::Write as _;

/// The middle of several rounds, and how far they lay apart.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rounds {
    /// Half of the rounds are at most this.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Rounds {
    /// Of these values; `None` without any.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, min, max })
    }

    /// `24.6 (24.1-25.3)`.
    #[must_use]
    pub fn shown(&self, decimals: usize) -> String {
        let Self { median, min, max } = self;
        format!("{median:.decimals$} ({min:.decimals$}-{max:.decimals$})")
    }
}

/// Rows of cells, the first of them the heading.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    #[must_use]
    pub fn new(heads: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { rows: vec![heads.into_iter().map(Into::into).collect()] }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// As Markdown, in columns that line up as plain text too.
    #[must_use]
    pub fn markdown(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                let bar = if column == 0 { "| " } else { " | " };
                write!(text, "{bar}{cell:<width$}").ok();
            }
            text.push_str(" |\n");
            if number == 0 {
                for width in &widths {
                    write!(text, "| {:-<width$} ", "").ok();
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_shown_between_its_extremes() {
        for (values, expected) in [
            (vec![3.0, 1.0, 2.0], Some("2.0 (1.0-3.0)")),
            (vec![1.0, 10.0, 2.0, 3.0], Some("2.5 (1.0-10.0)")),
            (vec![7.25], Some("7.2 (7.2-7.2)")),
            (vec![], None),
        ] {
            assert_eq!(Rounds::of(values).map(|rounds| rounds.shown(1)).as_deref(), expected);
        }
    }

    #[test]
    fn a_table_lines_up_and_is_markdown() {
        let mut table = Table::new(["what", "how much"]);
        table.row(["floor", "1"]);
        table.row(["ü", "22.5 %"]);
        assert_eq!(
            table.markdown(),
            "| what  | how much |\n| ----- | -------- |\n| floor | 1        |\n| ü     | 22.5 %   |\n"
        );
    }
}
