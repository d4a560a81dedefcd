//! A report in Markdown (CommonMark with GitHub's tables).

use super::inline::{self, Span};
use super::numbers::Numbers;
use super::times::{CLOSE, OPEN};
use super::{Block, Report, ReportError, Section, prefix};
use crate::study::escape::{markdown, one_line};
use crate::study::table::Table;

pub(super) fn page(report: &Report) -> Result<String, ReportError> {
    let mut page = Page::default();
    page.paragraph(&format!("# {}", markdown(&report.title)));
    page.blocks(&report.lead, false)?;
    for section in &report.sections {
        page.section(section, 2)?;
    }
    Ok(page.text)
}

#[derive(Default)]
struct Page {
    text: String,
    numbers: Numbers,
}

impl Page {
    /// Adds lines and an empty one before them.
    fn paragraph(&mut self, lines: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(lines.trim_end_matches('\n'));
        self.text.push('\n');
    }

    fn section(&mut self, section: &Section, level: usize) -> Result<(), ReportError> {
        self.anchor(&section.id);
        // Markdown has six levels of headings.
        let marks = "#".repeat(level.min(6));
        self.paragraph(&format!("{marks} {}", markdown(&section.title)));
        self.blocks(&section.blocks, false)?;
        for subsection in &section.subsections {
            self.section(subsection, level + 1)?;
        }
        Ok(())
    }

    fn anchor(&mut self, id: &str) {
        self.paragraph(&format!("<a id=\"{id}\"></a>"));
    }

    fn blocks(&mut self, blocks: &[Block], times: bool) -> Result<(), ReportError> {
        for block in blocks {
            match block {
                Block::Paragraph(words) => self.paragraph(&marked(words)),
                Block::List(items) => {
                    let items: Vec<String> = items.iter().map(|item| format!("- {}", marked(item))).collect();
                    self.paragraph(&items.join("\n"));
                }
                Block::Code(lines) => self.paragraph(&fenced(lines)),
                Block::Table(table) => self.table(table, times)?,
                Block::Figure { id, caption, figure } => {
                    let number = self.numbers.figure(times);
                    self.anchor(id);
                    let (alt, file) = (markdown(&figure.alt()), prefix(times));
                    self.paragraph(&format!("![{alt}](figures/{file}{id}.png)"));
                    self.paragraph(&format!("**{number}.** {}", marked(caption)));
                }
                Block::Times(inner) if times => self.blocks(inner, true)?,
                Block::Times(inner) => {
                    self.text.push_str(&format!("\n{OPEN}\n"));
                    self.blocks(inner, true)?;
                    self.text.push_str(&format!("\n{CLOSE}\n"));
                }
            }
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, times: bool) -> Result<(), ReportError> {
        let number = self.numbers.table(times);
        self.anchor(&table.id);
        self.paragraph(&format!("**{number}.** {}", markdown(&table.title)));
        self.paragraph(&table.markdown()?);
        if let Some(note) = &table.note {
            self.paragraph(&marked(note));
        }
        let name = format!("tables/{}{}", prefix(times), table.id);
        self.paragraph(&format!("([CSV]({name}.csv), [JSON]({name}.json))"));
        Ok(())
    }
}

/// A line with its marks. Spaces before it would make it code.
fn marked(line: &str) -> String {
    spans(&inline::parse(line.trim()))
}

fn spans(parts: &[Span]) -> String {
    parts
        .iter()
        .map(|span| match span {
            Span::Text(words) => markdown(words),
            Span::Code(words) => format!("`{}`", one_line(words)),
            Span::Bold(inner) => format!("**{}**", spans(inner)),
            Span::Link { words, id } => format!("[{}](#{id})", spans(words)),
        })
        .collect()
}

/// Lines as they are, between fences that they do not hold. All are indented by a space, which Markdown takes away again,
/// so that none can be taken for a mark of the report.
fn fenced(lines: &str) -> String {
    let longest = lines
        .split(|letter| letter != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    let body: Vec<String> = lines.lines().map(|line| format!(" {line}")).collect();
    format!(" {fence}\n{}\n {fence}", body.join("\n"))
}
