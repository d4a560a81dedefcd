//! A report as one HTML page: style, script and figures within it, and nothing fetched.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::files::{Drawing, Drawings};
use super::inline::{self, Span};
use super::numbers::Numbers;
use super::times::{CLOSE, OPEN};
use super::{Block, Report, ReportError, Section};
use crate::study::escape::xml;
use crate::study::figure::Figure;
use crate::study::table::Table;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(super) fn page(report: &Report, drawings: &Drawings) -> Result<String, ReportError> {
    let mut page = Page {
        text: String::new(),
        numbers: Numbers::default(),
        drawings,
    };
    let title = xml(&report.title);
    page.put(format_args!(
        concat!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
            // The page may load nothing.
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ",
            "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n",
            "<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        ),
        title = title,
        style = STYLE,
    ));
    if !report.sections.is_empty() {
        page.text
            .push_str("<nav aria-label=\"Contents\">\n<details open><summary>Contents</summary>\n");
        page.contents(&report.sections);
        page.text.push_str("</details>\n</nav>\n");
    }
    page.put(format_args!("<main>\n<h1>{title}</h1>\n"));
    page.blocks(&report.lead, false)?;
    for section in &report.sections {
        page.section(section, 2)?;
    }
    page.put(format_args!(
        "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    ));
    Ok(page.text)
}

struct Page<'a> {
    text: String,
    numbers: Numbers,
    drawings: &'a Drawings,
}

impl Page<'_> {
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(text);
    }

    fn contents(&mut self, sections: &[Section]) {
        self.text.push_str("<ol>\n");
        for section in sections {
            self.put(format_args!(
                "<li><a href=\"#{}\">{}</a>",
                section.id,
                xml(&section.title)
            ));
            if !section.subsections.is_empty() {
                self.text.push('\n');
                self.contents(&section.subsections);
            }
            self.text.push_str("</li>\n");
        }
        self.text.push_str("</ol>\n");
    }

    fn section(&mut self, section: &Section, level: usize) -> Result<(), ReportError> {
        // HTML has six levels of headings.
        let level = level.min(6);
        self.put(format_args!(
            "<section id=\"{id}\" aria-labelledby=\"heading:{id}\">\n<h{level} id=\"heading:{id}\">{title}</h{level}>\n",
            id = section.id,
            title = xml(&section.title),
        ));
        self.blocks(&section.blocks, false)?;
        for subsection in &section.subsections {
            self.section(subsection, level + 1)?;
        }
        self.text.push_str("</section>\n");
        Ok(())
    }

    fn blocks(&mut self, blocks: &[Block], times: bool) -> Result<(), ReportError> {
        for block in blocks {
            match block {
                Block::Paragraph(text) => self.put(format_args!("<p>{}</p>\n", marked(text))),
                Block::List(items) => {
                    self.text.push_str("<ul>\n");
                    for item in items {
                        self.put(format_args!("<li>{}</li>\n", marked(item)));
                    }
                    self.text.push_str("</ul>\n");
                }
                Block::Code(lines) => self.put(format_args!(
                    "<pre tabindex=\"0\"><code>{}</code></pre>\n",
                    xml(&lines.replace("\r\n", "\n"))
                )),
                Block::Table(table) => self.table(table, times)?,
                Block::Figure { id, caption, figure } => self.figure(id, caption, figure, times),
                Block::Times(inner) if times => self.blocks(inner, true)?,
                Block::Times(inner) => {
                    self.put(format_args!("{OPEN}\n<div class=\"times\">\n"));
                    self.blocks(inner, true)?;
                    self.put(format_args!("</div>\n{CLOSE}\n"));
                }
            }
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, times: bool) -> Result<(), ReportError> {
        let title = xml(&table.title);
        let caption = format!("<strong>{}.</strong> {title}", self.numbers.table(times));
        self.put(format_args!(
            "<div class=\"table\" id=\"{}\">\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{title}\">\n{}</div>\n",
            table.id,
            table.html(&caption)?,
        ));
        if let Some(note) = &table.note {
            self.put(format_args!("<p class=\"note\">{}</p>\n", marked(note)));
        }
        self.text.push_str("</div>\n");
        Ok(())
    }

    fn figure(&mut self, id: &str, caption: &str, figure: &Figure, times: bool) {
        let number = self.numbers.figure(times);
        let picture = self.drawings.get(id).map(|drawing| inlined(drawing, figure));
        self.put(format_args!(
            "<figure id=\"{id}\">\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{title}\">\n{picture}</div>\n<figcaption><strong>{number}.</strong> {caption}</figcaption>\n</figure>\n",
            title = xml(figure.title()),
            picture = picture.unwrap_or_default(),
            caption = marked(caption),
        ));
    }
}

/// The SVG as part of the page; or the PNG, where a figure of pictures is smaller so.
fn inlined(drawing: &Drawing, figure: &Figure) -> String {
    let pictures = matches!(figure, Figure::Pictures(_));
    if pictures && drawing.png.len() / 3 * 4 < drawing.svg.len() {
        return format!(
            "<img alt=\"{}\" src=\"data:image/png;base64,{}\">\n",
            xml(&figure.alt()),
            STANDARD.encode(&drawing.png)
        );
    }
    // A page knows SVG without its namespace.
    drawing
        .svg
        .replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1)
}

/// A line with its marks.
fn marked(line: &str) -> String {
    spans(&inline::parse(line))
}

fn spans(parts: &[Span]) -> String {
    parts
        .iter()
        .map(|span| match span {
            Span::Text(words) => xml(words),
            Span::Code(words) => format!("<code>{}</code>", xml(words)),
            Span::Bold(inner) => format!("<strong>{}</strong>", spans(inner)),
            Span::Link { words, id } => format!("<a href=\"#{id}\">{}</a>", spans(words)),
        })
        .collect()
}
