//! What people see: pages of headings, fields and tables, in two styles.
//!
//! `Text` is what scripts scrape: its headings, labels and column order are a contract and stay as
//! they are; times are absolute. `Table` is for terminals: times are relative, long cells wrap.
//! Lines stand where they do in text, since scripts run commands by `docker exec -t`, a terminal.
//! Sizes are shown in decimal units, as they are written in the configuration and in commands.

pub use api::sizes::{about_time, size};
use base::WallTime;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use jiff::Timestamp;
use std::fmt::Write;

/// Width of tables where there is no terminal to ask.
const WIDTH_COLUMNS: u16 = 80;
/// Fewer columns than this no terminal has: some say 0.
const WIDTH_MIN_COLUMNS: u16 = 40;
/// Space between columns of text, so that single spaces inside cells do not split them.
const GAP: &str = "  ";

/// How a page looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For scripts.
    Text,
    /// For terminals.
    Table,
}

/// For whom a page is drawn, and when.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// How.
    pub style: Style,
    /// Whether colours and bold are understood.
    pub colour: bool,
    /// Now, for relative times.
    pub now: WallTime,
}

/// What a page consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Heading(String),
    Fields { width: usize, pairs: Vec<(String, String)> },
    Columns { head: Vec<&'static str>, rows: Vec<Vec<String>> },
    Line(String),
}

/// What a command shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    parts: Vec<Part>,
}

impl Page {
    /// A page of one line.
    pub fn of_line(line: impl Into<String>) -> Self {
        let mut page = Self::default();
        page.line(line);
        page
    }

    /// A heading, between `====`.
    pub fn heading(&mut self, text: &str) -> &mut Self {
        self.parts.push(Part::Heading(text.to_owned()));
        self
    }

    /// Labels and values; values begin in column `width`.
    pub fn fields<'a>(
        &mut self,
        width: usize,
        pairs: impl IntoIterator<Item = (&'a str, String)>,
    ) -> &mut Self {
        let pairs = pairs.into_iter().map(|(label, value)| (label.to_owned(), value)).collect();
        self.parts.push(Part::Fields { width, pairs });
        self
    }

    /// A table.
    pub fn columns(&mut self, head: &[&'static str], rows: Vec<Vec<String>>) -> &mut Self {
        self.parts.push(Part::Columns { head: head.to_vec(), rows });
        self
    }

    /// A line of text, which may hold line breaks.
    pub fn line(&mut self, line: impl Into<String>) -> &mut Self {
        self.parts.push(Part::Line(line.into()));
        self
    }

    /// An empty line.
    pub fn gap(&mut self) -> &mut Self {
        self.line("")
    }

    /// The page as it is printed: nothing, or lines that each end with a line feed.
    pub fn draw(&self, view: &View) -> String {
        let mut drawn = String::new();
        for part in &self.parts {
            match part {
                Part::Heading(text) => draw_heading(&mut drawn, text, view),
                Part::Fields { width, pairs } => {
                    for (label, value) in pairs {
                        let line = format!("{:<width$}{value}", format!("{label}:"));
                        push_line(&mut drawn, &line);
                    }
                }
                Part::Columns { head, rows } if view.style == Style::Text => {
                    draw_text(&mut drawn, head, rows)
                }
                Part::Columns { head, rows } => draw_table(&mut drawn, head, rows, view),
                Part::Line(line) => push_line(&mut drawn, line),
            }
        }
        drawn
    }
}

impl View {
    /// A moment with its date and time of day, or how long ago it was. Unreadable times are shown as
    /// they came.
    pub fn moment(&self, rfc3339: &str) -> String {
        match (rfc3339.parse::<Timestamp>(), self.style) {
            (Err(_), _) => rfc3339.to_owned(),
            (Ok(time), Style::Text) => time.strftime("%Y-%m-%d %H:%M:%S%.3f +00:00").to_string(),
            (Ok(time), Style::Table) => self.relative(time),
        }
    }

    /// A day, or how long ago it was.
    pub fn day(&self, rfc3339: &str) -> String {
        match (rfc3339.parse::<Timestamp>(), self.style) {
            (Err(_), _) => rfc3339.to_owned(),
            (Ok(time), Style::Text) => time.strftime("%Y-%m-%d").to_string(),
            (Ok(time), Style::Table) => self.relative(time),
        }
    }

    fn relative(&self, time: Timestamp) -> String {
        let now = i64::try_from(self.now.millis()).unwrap_or(i64::MAX);
        let past_secs = now.saturating_sub(time.as_millisecond()) / 1000;
        match past_secs {
            0 => "just now".to_owned(),
            secs if secs > 0 => format!("{} ago", span(secs.unsigned_abs())),
            secs => format!("in {}", span(secs.unsigned_abs())),
        }
    }
}

/// `2026-11-30 05:10 UTC`. Unreadable times are shown as they came.
pub fn minute(rfc3339: &str) -> String {
    let time = rfc3339.parse::<Timestamp>();
    time.map_or_else(|_| rfc3339.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// `5 seconds`, `1 hour`, `3 days`: the largest unit that fits.
pub fn span(secs: u64) -> String {
    // A month here is 30 days and a year 365: this is for reading, not for reckoning.
    const UNITS: [(u64, &str); 6] = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let (unit_secs, word) = UNITS.into_iter().find(|(unit, _)| secs >= *unit).unwrap_or((1, "second"));
    let count = secs / unit_secs;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {word}{plural}")
}

/// `1.5 KB (1536 B)`: for reading, and to the byte.
pub fn exact_size(bytes: u64) -> String {
    format!("{} ({bytes} B)", size(bytes))
}

/// `12.3%`.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// The 16 digits that commands show and take for a longer id.
pub fn short_id(id: &str) -> String {
    id.chars().take(16).collect()
}

fn push_line(drawn: &mut String, line: &str) {
    drawn.push_str(line.trim_end());
    drawn.push('\n');
}

fn draw_heading(drawn: &mut String, text: &str, view: &View) {
    // SGR codes (ECMA-48): 1 bold, 31 red, 0 back to normal.
    let line = match (view.colour, text.contains("FAILED")) {
        (false, _) => format!("==== {text} ===="),
        (true, false) => format!("\u{1b}[1m==== {text} ====\u{1b}[0m"),
        (true, true) => format!("\u{1b}[1;31m==== {text} ====\u{1b}[0m"),
    };
    push_line(drawn, &line);
}

fn draw_text(drawn: &mut String, head: &[&'static str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut draw_row = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:<width$}{GAP}");
        }
        push_line(drawn, &line);
    };
    draw_row(&mut head.iter().copied());
    for row in rows {
        draw_row(&mut row.iter().map(String::as_str));
    }
}

fn draw_table(drawn: &mut String, head: &[&'static str], rows: &[Vec<String>], view: &View) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let width = width_of(table.width());
    table.set_width(width);
    if view.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let heading = |text: &&'static str| match view.colour {
        true => Cell::new(text).add_attribute(Attribute::Bold),
        false => Cell::new(text),
    };
    table.set_header(head.iter().map(heading).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.iter().map(|cell| coloured(cell, view)).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // An id or a name that is cut in two cannot be pasted.
    table
        .column_mut(0)
        .into_iter()
        .for_each(|first| _ = first.set_constraint(ColumnConstraint::ContentWidth));
    table.lines().for_each(|line| push_line(drawn, &line));
}

/// The width to draw for. A terminal that says less than is sensible, or nothing, is not believed.
fn width_of(told: Option<u16>) -> u16 {
    told.filter(|columns| *columns >= WIDTH_MIN_COLUMNS).unwrap_or(WIDTH_COLUMNS)
}

/// Words that ask for attention.
fn coloured(cell: &str, view: &View) -> Cell {
    let colour = match cell {
        "NO ROLE ASSIGNED" | "draining" => Some(Color::Yellow),
        "expired" => Some(Color::Red),
        _ => None,
    };
    match colour.filter(|_| view.colour) {
        Some(colour) => Cell::new(cell).fg(colour),
        None => Cell::new(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-02T03:04:05.678Z.
    const NOW: WallTime = WallTime(1_767_323_045_678);

    fn view(style: Style) -> View {
        View { style, colour: false, now: NOW }
    }

    #[test]
    fn sizes_and_percents() {
        assert_eq!(exact_size(0), "0 B (0 B)");
        assert_eq!(percent(1, 3), "33.3%");
        assert_eq!(percent(0, 0), "-");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0%");
    }

    #[test]
    fn times_are_absolute_for_scripts_and_relative_for_people() {
        let (text, table) = (view(Style::Text), view(Style::Table));
        assert_eq!(text.moment("2026-01-01T03:04:05.678Z"), "2026-01-01 03:04:05.678 +00:00");
        assert_eq!(text.day("2026-01-01T03:04:05.678Z"), "2026-01-01");
        assert_eq!(table.moment("2026-01-01T03:04:05.678Z"), "1 day ago");
        assert_eq!(table.moment("2026-01-02T03:04:05.600Z"), "just now");
        assert_eq!(table.day("2026-01-02T05:04:06.678Z"), "in 2 hours");
        assert_eq!(table.day("whenever"), "whenever");
    }

    #[test]
    fn text_aligns_and_leaves_no_space_at_the_end() {
        let mut page = Page::default();
        page.heading("THINGS").fields(8, [("A", "1".to_owned()), ("Empty", String::new())]).gap();
        page.columns(
            &["ID", "Name"],
            vec![vec!["1234".into(), "a b".into()], vec!["5".into(), String::new()]],
        );
        let drawn = page.draw(&view(Style::Text));
        assert_eq!(drawn, "==== THINGS ====\nA:      1\nEmpty:\n\nID    Name\n1234  a b\n5\n");
    }

    #[test]
    fn a_terminal_without_columns_gets_eighty() {
        for (told, width) in [(None, 80), (Some(0), 80), (Some(39), 80), (Some(40), 40), (Some(200), 200)] {
            assert_eq!(width_of(told), width, "{told:?}");
        }
    }

    #[test]
    fn the_first_column_is_never_cut() {
        let (hash, mut page) = ("a".repeat(64), Page::default());
        page.columns(&["Hash", "Text"], vec![vec![hash.clone(), "word ".repeat(30)]]);
        let drawn = page.draw(&view(Style::Table));
        assert!(drawn.lines().any(|line| line.starts_with(&hash)), "{drawn}");
    }

    #[test]
    fn tables_fit_eighty_columns_and_have_no_escape_codes_without_colour() {
        let mut page = Page::default();
        page.heading("THINGS").columns(&["ID", "Text"], vec![vec!["1".into(), "word ".repeat(60)]]);
        let drawn = page.draw(&view(Style::Table));
        assert!(drawn.lines().any(|line| line.starts_with("1 ")), "{drawn}");
        assert!(drawn.lines().all(|line| line.chars().count() <= 80), "{drawn}");
        assert!(!drawn.contains('\u{1b}'));
        let coloured = page.draw(&View { colour: true, ..view(Style::Table) });
        assert!(coloured.contains("\u{1b}[1m==== THINGS ===="));
    }
}
