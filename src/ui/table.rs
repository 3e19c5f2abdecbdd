//! Tables for people: columns as wide as they must be, numbers to the right.

/// Returns the rows under their headings.
pub fn render(headings: &[&str], rows: &[Vec<String>]) -> String {
    let layout = Layout::of(headings, rows);
    let lines = rows.iter().map(|row| layout.line(row));
    std::iter::once(layout.headings(headings)).chain(lines).collect()
}

/// How wide the columns are, and which stand to the right: those of numbers.
pub struct Layout {
    widths: Vec<usize>,
    right: Vec<bool>,
}

impl Layout {
    /// Fits columns to some rows. Longer cells of others will stick out.
    pub fn of(headings: &[&str], rows: &[Vec<String>]) -> Self {
        let widths: Vec<usize> = headings
            .iter()
            .enumerate()
            .map(|(column, heading)| {
                let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell));
                cells.chain([width(heading)]).max().unwrap_or(0)
            })
            .collect();
        let right: Vec<bool> = (0..headings.len())
            .map(|column| {
                let mut cells = rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .filter(|cell| !cell.is_empty())
                    .peekable();
                cells.peek().is_some() && cells.all(|cell| is_number(cell))
            })
            .collect();
        Self { widths, right }
    }

    pub fn headings(&self, headings: &[&str]) -> String {
        let names: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
        let rules: Vec<String> = self.widths.iter().map(|width| "─".repeat(*width)).collect();
        self.line(&names) + &self.line(&rules)
    }

    pub fn line(&self, cells: &[String]) -> String {
        let padded: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let space = " ".repeat(self.widths[column].saturating_sub(width(cell)));
                if self.right[column] {
                    format!("{space}{cell}")
                } else {
                    format!("{cell}{space}")
                }
            })
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches('-');
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit() || ".,".contains(c))
}

#[cfg(test)]
mod tests {
    use snapbox::{assert_data_eq, str};

    #[test]
    fn numbers_stand_to_the_right() {
        let rows = [
            vec!["accounts".to_owned(), "100".to_owned()],
            vec!["dates".to_owned(), "1,827".to_owned()],
        ];
        assert_data_eq!(
            super::render(&["table", "rows"], &rows),
            str![[r#"
table      rows
────────  ─────
accounts    100
dates     1,827

"#]]
        );
    }
}
