//! The report of the study: whatever its texts hold, every form says them and nothing else, needs no network, and two
//! reports differ by what they say only.
//!
//! What would break: a data set's name that ends a table's row or begins a script, a statistician who reads other numbers
//! than were measured, a figure that a blind reader cannot know of, a resumed run whose report cannot be compared.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use sagate_lab::study::claim::{self, Claim, Verdict};
use sagate_lab::study::figure::Lines;
use sagate_lab::study::report::{Block, Report, ReportError, Section, plain, without_times};
use sagate_lab::study::table::{Cell, Column, Table};

fn table(id: &str) -> Table {
    let columns = [
        Column::new("data set"),
        Column::new("Dice"),
        Column::new("time").unit("s"),
    ];
    let mut table = Table::new(id, "Dice of each set", columns);
    table.push([
        Cell::text("T1 brain"),
        Cell::estimate(0.91234, Some(0.05), 0.9, 0.925, 3),
        Cell::number(1.25, 1),
    ]);
    table.push([
        Cell::text("T1 nuclei"),
        Cell::missing("no ground truth"),
        Cell::number(-0.04, 1),
    ]);
    table
}

fn figure(id: &str) -> Block {
    Block::figure(id, "Score by layer, as **measured**.", crate::study_set::layers())
}

fn report() -> Report {
    Report {
        title: "A study".to_owned(),
        lead: vec![Block::Paragraph(
            "See [the table](#table1) and [below](#costs).".to_owned(),
        )],
        sections: vec![
            Section {
                id: "results".to_owned(),
                title: "Results".to_owned(),
                blocks: vec![Block::Table(table("table1"))],
                subsections: vec![Section::new("figures", "Figures", [figure("fig5")])],
            },
            Section::new(
                "costs",
                "Costs",
                [
                    Block::List(vec!["one `thing`".to_owned(), "another".to_owned()]),
                    Block::Code("sagate study --out DIR\n".to_owned()),
                    Block::Times(vec![
                        Block::Paragraph("It took 3 s.".to_owned()),
                        Block::Table(table("cost")),
                        figure("speed"),
                    ]),
                    Block::Paragraph("The end.".to_owned()),
                ],
            ),
        ],
    }
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_report_is_a_page_a_text_and_files_and_the_same_again() {
    let place = tempfile::tempdir().unwrap();
    let (first, second) = (place.path().join("a/b"), place.path().join("c"));
    report().write(&first).unwrap();
    report().write(&second).unwrap();
    assert_eq!(
        names(&first),
        set(&["figures", "report.html", "report.md", "tables"])
    );
    assert_eq!(
        names(&first.join("tables")),
        set(&["table1.csv", "table1.json", "times-cost.csv", "times-cost.json"])
    );
    assert_eq!(
        names(&first.join("figures")),
        set(&["fig5.png", "fig5.svg", "times-speed.png", "times-speed.svg"])
    );
    for file in [
        "report.html",
        "report.md",
        "tables/table1.csv",
        "figures/fig5.png",
        "figures/times-speed.svg",
    ] {
        assert_eq!(
            fs::read(first.join(file)).unwrap(),
            fs::read(second.join(file)).unwrap(),
            "{file}"
        );
    }
    assert_eq!(
        fs::read_to_string(first.join("report.html")).unwrap(),
        report().html().unwrap()
    );
    assert_eq!(
        fs::read_to_string(first.join("report.md")).unwrap(),
        report().markdown().unwrap()
    );
    let back: Table = serde_json::from_slice(&fs::read(first.join("tables/table1.json")).unwrap()).unwrap();
    assert_eq!(back, table("table1"));
}

#[test]
fn what_an_earlier_report_left_is_removed_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    report().write(dir).unwrap();
    for file in ["notes.csv", "tables/notes.txt", "figures/.old.svg.x1.partial"] {
        fs::write(dir.join(file), "mine").unwrap();
    }
    report().without_times().write(dir).unwrap();
    assert_eq!(
        names(&dir.join("tables")),
        set(&["notes.txt", "table1.csv", "table1.json"])
    );
    assert_eq!(names(&dir.join("figures")), set(&["fig5.png", "fig5.svg"]));
    assert!(dir.join("notes.csv").exists());
}

#[test]
fn a_report_at_fault_writes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let mut bad = report();
    bad.lead.push(Block::figure("empty", "", Lines::default()));
    assert!(matches!(bad.write(place.path()), Err(ReportError::Figure(_))));
    assert!(names(place.path()).is_empty());
}

#[test]
fn without_the_times_two_reports_are_the_same() {
    let mut other = report();
    let Block::Times(blocks) = &mut other.sections[1].blocks[2] else {
        panic!("the times")
    };
    blocks[0] = Block::Paragraph("It took 99 s.".to_owned());
    blocks.remove(1);
    for (a, b) in [
        (report().html().unwrap(), other.html().unwrap()),
        (report().markdown().unwrap(), other.markdown().unwrap()),
    ] {
        assert_ne!(a, b);
        assert_eq!(without_times(&a), without_times(&b));
        assert!(without_times(&a).contains("The end.") && !without_times(&a).contains("It took"));
    }
    let dropped = report().without_times();
    assert_eq!(dropped.html().unwrap(), without_times(&report().html().unwrap()));
}

#[test]
fn lines_that_look_like_the_marks_of_times_are_text() {
    let mark = "<!-- times -->\n<!-- /times -->\n<!-- times -->";
    let sly = Report {
        title: mark.to_owned(),
        lead: vec![
            Block::Paragraph(mark.to_owned()),
            Block::Paragraph(format!("`{mark}`")),
            Block::List(vec![mark.to_owned()]),
            Block::Code(mark.to_owned()),
            Block::Paragraph("The end.".to_owned()),
        ],
        sections: Vec::new(),
    };
    for text in [sly.html().unwrap(), sly.markdown().unwrap()] {
        assert_eq!(without_times(&text), text);
    }
}

#[test]
fn ids_and_links_that_cannot_work_are_refused() {
    let with = |block: Block| Report {
        lead: vec![block],
        ..report()
    };
    let refusal = |report: Report| report.html().unwrap_err().to_string();
    assert_eq!(
        refusal(with(Block::Paragraph("[x](#nowhere)".to_owned()))),
        "a link points at '#nowhere', which the report lacks; it must be the id of a section, table or figure"
    );
    assert!(refusal(with(Block::Table(table("table1")))).contains("'table1' is there twice"));
    assert!(refusal(with(Block::Table(table("costs")))).contains("'costs' is there twice"));
    for id in ["", "A", "../x", "a/b", "times-x", ".hidden", "a b", "é"] {
        assert!(
            refusal(with(Block::Table(table(id)))).contains("its id is"),
            "{id}"
        );
    }
    let mut uneven = table("uneven");
    uneven.push([Cell::count(1)]);
    assert_eq!(
        refusal(with(Block::Table(uneven))),
        "table 'uneven': rows[2] is a row of 1 cells; it must be one of 3, as there are columns"
    );
    assert!(
        Table::new("t", "", [])
            .csv()
            .unwrap_err()
            .to_string()
            .contains("columns is empty")
    );
}

/// The elements of a page with their attributes; panics where the page is not well formed. Elements that HTML leaves open
/// are closed, so that a reader of XML can read it.
fn parsed(page: &str) -> String {
    let body = page.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    let mut xml = String::new();
    for (index, piece) in body.split("<meta ").enumerate() {
        match piece.split_once('>') {
            Some((attributes, rest)) if index > 0 => {
                xml.push_str(&format!("<meta {attributes}/>{rest}"));
            }
            _ => xml.push_str(piece),
        }
    }
    // An attribute without a value, and the script, whose signs are not XML's.
    let xml = xml
        .replace("<details open>", "<details open=\"\">")
        .replace(" data-missing", " data-missing=\"\"");
    let (head, script) = xml.split_once("<script>").expect("a script");
    let (_, tail) = script.split_once("</script>").expect("its end");
    let xml = format!("{head}{tail}");
    let mut closed = String::new();
    for (index, piece) in xml.split("<img ").enumerate() {
        match piece.split_once('>') {
            Some((attributes, rest)) if index > 0 => closed.push_str(&format!("<img {attributes}/>{rest}")),
            _ => closed.push_str(piece),
        }
    }
    closed
}

#[test]
fn the_page_is_whole_accessible_and_fetches_nothing() {
    let mut full = report();
    for (name, figure) in crate::study_set::figures() {
        full.lead.push(Block::figure(format!("of-{name}"), name, figure));
    }
    let page = full.html().unwrap();
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("//www"));
    let xml = parsed(&page);
    let document = roxmltree::Document::parse(&xml).expect("a well-formed page");
    let elements = || document.descendants().filter(roxmltree::Node::is_element);
    assert_eq!(document.root_element().attribute("lang"), Some("en"));
    let ids: Vec<&str> = elements().filter_map(|node| node.attribute("id")).collect();
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>().len(),
        ids.len(),
        "ids are unique"
    );
    for node in elements() {
        for attribute in ["src", "href"] {
            if let Some(target) = node.attribute(attribute) {
                let inside = target.strip_prefix('#').is_some_and(|id| ids.contains(&id));
                assert!(
                    inside || target.starts_with("data:image/png;base64,"),
                    "{target:.60}"
                );
            }
        }
        if node.has_tag_name("figure") {
            let reported = node.descendants().any(|inner| {
                let words = inner.attribute("alt").or(inner.attribute("aria-label"));
                let picture = inner.has_tag_name("img") || inner.attribute("role") == Some("img");
                picture && words.is_some_and(|words| words.len() > 20)
            });
            assert!(reported, "{:?} has no alternative text", node.attribute("id"));
            assert!(node.children().any(|inner| inner.has_tag_name("figcaption")));
        }
        if node.has_tag_name("table") {
            assert!(node.children().any(|inner| inner.has_tag_name("caption")));
            assert!(
                node.descendants()
                    .any(|inner| inner.attribute("scope") == Some("col"))
            );
        }
    }
    let headings: Vec<&str> = elements()
        .map(|node| node.tag_name().name())
        .filter(|name| matches!(*name, "h1" | "h2" | "h3" | "h4"))
        .collect();
    assert_eq!(headings, ["h1", "h2", "h3", "h2"]);
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
}

#[test]
fn the_text_names_figures_and_tables_by_their_files() {
    let text = report().markdown().unwrap();
    for part in [
        "# A study",
        "## Results",
        "### Figures",
        "](figures/fig5.png)",
        "](figures/times-speed.png)",
        "([CSV](tables/table1.csv), [JSON](tables/table1.json))",
        "**Table 1.** Dice of each set",
        "**Figure T1.** Score by layer, as **measured**.",
        "| T1 brain | 0.912 ± 0.050 (0.900 to 0.925) | 1.2 |",
        "| T1 nuclei | *(no ground truth)* | 0.0 |",
        "[the table](#table1)",
        "<a id=\"table1\"></a>",
        "- one `thing`\n- another",
        " ```\n sagate study --out DIR\n ```",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn csv_spreads_an_estimate_and_leaves_a_missing_value_empty() {
    assert_eq!(
        table("t").csv().unwrap(),
        "data set,Dice,Dice sd,Dice low,Dice high,time [s]\r\n\
         T1 brain,0.91234,0.05,0.9,0.925,1.25\r\n\
         T1 nuclei,,,,,-0.04\r\n"
    );
    let mut shares = Table::new("t", "", [Column::new("share")]);
    shares.push([Cell::percent(0.125, 1)]);
    shares.push([Cell::missing("none")]);
    assert_eq!(shares.csv().unwrap(), "share\r\n0.125\r\n\"\"\r\n");
    assert!(shares.html("").unwrap().contains(">12.5 %</td>"));
    assert!(shares.json().unwrap().contains("\"reason\": \"none\""));
}

#[test]
fn sorting_has_the_whole_numbers() {
    let page = table("t").html("caption").unwrap();
    assert!(page.contains(r#"<td class="number" data-value="0.91234">0.912 ± 0.050 <span class="interval">(0.900 to 0.925)</span></td>"#));
    assert!(
        page.contains(
            r#"<td class="number" data-missing><span class="missing">(no ground truth)</span></td>"#
        )
    );
}

#[test]
fn claims_are_judged_by_their_interval() {
    assert_eq!(Verdict::above(0.0, 0.01, 0.2), Verdict::Holds);
    assert_eq!(Verdict::above(0.0, -0.2, -0.01), Verdict::DoesNot);
    assert_eq!(Verdict::above(0.0, -0.1, 0.1), Verdict::NotShown);
    assert_eq!(Verdict::above(0.0, f64::NAN, 0.1), Verdict::NotShown);
    assert_eq!(Verdict::below(0.5, 0.1, 0.4), Verdict::Holds);
    assert_eq!(Verdict::below(0.5, 0.6, 0.7), Verdict::DoesNot);
    let claims = [
        Claim {
            text: "mu correlates with Dice better than VoG".to_owned(),
            source: "Fig. 10".to_owned(),
            verdict: Verdict::Holds,
            evidence: "difference of rho on seven sets".to_owned(),
            low: Some(0.0123),
            high: Some(0.2),
        },
        Claim {
            text: "pruning does not hurt".to_owned(),
            source: "Section 5".to_owned(),
            verdict: Verdict::NotShown,
            evidence: "not run".to_owned(),
            low: None,
            high: None,
        },
    ];
    let text = claim::table("claims", "Claims", &claims).markdown().unwrap();
    assert!(text.contains("| holds here | difference of rho on seven sets | 0.012 | 0.200 |"));
    assert!(text.contains("| not shown | not run | *(no interval)* | *(no interval)* |"));
}

#[test]
fn a_report_is_the_same_after_json() {
    let text = serde_json::to_string(&report()).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report());
}

/// Words as data sets and people have them, and worse.
fn any_words() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[<>&|\"'`*_\\\\\\[\\]#,;\r\n\ta-c -]{0,20}",
        prop::sample::select(vec![
            "</script><script>alert(1)</script>".to_owned(),
            "]]>".to_owned(),
            "<!-- -->".to_owned(),
            "| --- |".to_owned(),
            "&amp;".to_owned(),
        ]),
    ]
}

/// What an escaped text says: the sign for unknown letters in place of what XML cannot hold.
fn reported(words: &str) -> String {
    words
        .chars()
        .map(|letter| match letter {
            '\t' | '\n' => letter,
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            _ if letter.is_control() => '\u{fffd}',
            _ => letter,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn csv_comes_back_to_the_last_bit(
        rows in prop::collection::vec((any_words(), any::<f64>(), any::<f64>(), any::<u64>()), 1..6),
        name in any_words(),
    ) {
        let columns = [Column::new(&name), Column::new("n"), Column::new("e"), Column::new("c")];
        let mut table = Table::new("t", "", columns);
        for (text, value, mean, count) in &rows {
            table.push([
                Cell::text(text),
                Cell::number(*value, 2),
                Cell::estimate(*mean, None, *value, *mean, 2),
                Cell::count(*count),
            ]);
        }
        let text = table.csv().unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        prop_assert_eq!(&reader.headers().unwrap()[0], name.as_str());
        let records: Vec<csv::StringRecord> = reader.records().map(|record| record.unwrap()).collect();
        prop_assert_eq!(records.len(), rows.len());
        let same = |text: &str, value: f64| {
            let back: f64 = text.parse().unwrap();
            back.to_bits() == value.to_bits() || (back.is_nan() && value.is_nan())
        };
        for (record, (text, value, mean, count)) in records.iter().zip(&rows) {
            prop_assert_eq!(record.len(), 7);
            prop_assert_eq!(&record[0], text.as_str());
            prop_assert!(same(&record[1], *value) && same(&record[2], *mean));
            prop_assert_eq!(&record[3], "");
            prop_assert!(same(&record[4], *value) && same(&record[5], *mean));
            prop_assert_eq!(record[6].parse::<u64>().unwrap(), *count);
        }
    }

}

proptest! {
    // Each case draws a figure.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_page_says_any_words_and_nothing_else(words in any_words()) {
        let mut table = Table::new("t", &words, [Column::new(&words).unit(&words)]);
        table.push([Cell::text(&words)]);
        table.push([Cell::missing(&words)]);
        table.note = Some(plain(&words));
        let chart = Lines { title: words.clone(), ..crate::study_set::coverage() };
        let report = Report {
            title: words.clone(),
            lead: vec![
                Block::Paragraph(plain(&words)),
                Block::List(vec![plain(&words)]),
                Block::Code(words.replace('\r', "")),
                Block::Table(table),
                Block::figure("f", plain(&words), chart),
            ],
            sections: vec![Section::new("s", &words, [])],
        };
        let xml = parsed(&report.html().unwrap());
        let document = roxmltree::Document::parse(&xml).expect("a well-formed page");
        let text = |name: &str| {
            let node = document.descendants().find(|node| node.has_tag_name(name)).unwrap();
            node.descendants().filter_map(|inner| if inner.is_text() { inner.text() } else { None }).collect::<String>()
        };
        for name in ["title", "h1", "h2", "p", "pre"] {
            let reported = if name == "pre" { reported(&words.replace('\r', "")) } else { reported(&words) };
            prop_assert_eq!(text(name), reported, "{}", name);
        }
        prop_assert_eq!(text("tbody"), format!("\n{0}\n({0})\n", reported(&words)));
        let scripts = document.descendants().filter(|node| node.has_tag_name("script")).count();
        prop_assert_eq!(scripts, 0, "the report's own is taken out");
    }
}

proptest! {
    #[test]
    fn any_words_stay_within_their_cell_of_a_markdown_table(words in any_words()) {
        let mut table = Table::new("t", "", [Column::new(&words), Column::new("b")]);
        table.push([Cell::text(&words), Cell::count(7)]);
        let text = table.markdown().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        prop_assert_eq!(lines.len(), 3, "{}", text);
        for line in [lines[0], lines[2]] {
            let mut bars = 0;
            let mut letters = line.chars();
            while let Some(letter) = letters.next() {
                match letter {
                    '\\' => { letters.next(); }
                    '|' => bars += 1,
                    '<' | '>' | '`' | '*' => prop_assert!(false, "{} is not escaped: {}", letter, line),
                    _ => {}
                }
            }
            prop_assert_eq!(bars, 3, "{}", line);
        }
    }
}
