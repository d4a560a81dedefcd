//! Figures of the study: what they say is there as words, what cannot be drawn is named, and the same data gives the same
//! bytes.
//!
//! What would break: a report whose figures lack a label or a curve, hide that values are missing, differ from run to
//! run, or that ends in a panic because one network gave a NaN.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use roxmltree::Document;
use sagate_lab::study::figure::{
    Axis, Band, Bar, BarPanel, BarSeries, Bars, Figure, FigureError, Group, LinePanel, Lines, Mark,
    PictureRow, Pictures, Scatter, ScatterPanel, Series, Tile, Trend,
};

use crate::study_set::{SETS, figures, noise};

fn lines(series: Vec<Series>) -> Lines {
    Lines {
        title: "a chart".to_owned(),
        x: Axis::new("x"),
        y: Axis::new("y"),
        panels: vec![LinePanel {
            series,
            ..LinePanel::default()
        }],
        ..Lines::default()
    }
}

fn series(name: &str, x: &[f64], y: &[f64]) -> Series {
    Series {
        name: name.to_owned(),
        x: x.to_vec(),
        y: y.to_vec(),
        ..Series::default()
    }
}

fn svg(figure: impl Into<Figure>) -> String {
    figure.into().svg().expect("a figure that can be drawn")
}

/// The words of an SVG as they are seen, without those that a pointer uncovers.
fn words(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("SVG is XML");
    document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .filter_map(|node| node.text().map(str::to_owned))
        .collect()
}

fn count(svg: &str, element: &str) -> usize {
    let document = Document::parse(svg).expect("SVG is XML");
    let elements = document.descendants();
    elements.filter(|node| node.tag_name().name() == element).count()
}

fn says(svg: &str, text: &str) -> bool {
    words(svg).join(" ").contains(text)
}

#[test]
fn every_kind_shows_its_labels_and_is_the_same_again() {
    for (name, figure) in figures() {
        let svg = figure.svg().unwrap();
        assert!(says(&svg, figure.title()), "{name}: its title");
        let document = Document::parse(&svg).unwrap();
        assert_eq!(
            document.root_element().attribute("aria-label"),
            Some(&*figure.alt())
        );
        assert_eq!(svg, figure.clone().svg().unwrap(), "{name}: the same bytes");
        assert!(
            !svg.contains("NaN") && !svg.contains("inf"),
            "{name}: only numbers"
        );
        let reference = svg.replacen("http://www.w3.org/2000/svg", "", 1);
        assert!(!reference.contains("http"), "{name}: nothing from the network");
    }
}

#[test]
fn a_chart_names_its_axes_panels_curves_ticks_and_note() {
    let svg = svg(crate::study_set::layers());
    for text in [
        "layer",
        "mean SA score",
        "offline",
        "online",
        "chance",
        "17",
        "0.8",
    ] {
        assert!(words(&svg).iter().any(|word| word == text), "{text}");
    }
    assert!(SETS.iter().all(|set| words(&svg).iter().any(|word| word == set)));
    assert!(says(&svg, "Bands: bootstrap 95 % intervals of the mean."));
}

#[test]
fn units_stand_at_the_axis() {
    assert!(says(&svg(crate::study_set::cost()), "cost [forward passes]"));
}

#[test]
fn a_png_is_twice_the_size_of_the_svg_and_not_blank() {
    for (name, figure) in figures() {
        let svg = figure.svg().unwrap();
        let document = Document::parse(&svg).unwrap();
        let side = |side: &str| {
            document
                .root_element()
                .attribute(side)
                .unwrap()
                .parse::<u32>()
                .unwrap()
        };
        let png = figure.png().unwrap();
        let picture = image::load_from_memory(&png).unwrap().into_rgb8();
        assert_eq!(
            picture.dimensions(),
            (2 * side("width"), 2 * side("height")),
            "{name}"
        );
        let dark = picture
            .pixels()
            .filter(|pixel| pixel.0.iter().all(|&part| part < 0x60))
            .count();
        assert!(dark > 500, "{name}: words and axes, but only {dark} dark pixels");
        let coloured = picture
            .pixels()
            .filter(|pixel| pixel.0.iter().max().unwrap() - pixel.0.iter().min().unwrap() > 60)
            .count();
        assert!(
            coloured > 500 || name == "units",
            "{name}: only {coloured} coloured pixels"
        );
        assert_eq!(png, figure.png().unwrap(), "{name}: the same bytes");
    }
}

#[test]
fn pictures_are_in_the_png_as_they_are() {
    let red = image::RgbImage::from_pixel(4, 4, image::Rgb([250, 10, 20]));
    let figure = Figure::from(Pictures {
        title: "one".to_owned(),
        rows: vec![PictureRow {
            heading: String::new(),
            tiles: vec![Some(Tile {
                picture: red,
                caption: "mu 0.71".to_owned(),
            })],
        }],
        ..Pictures::default()
    });
    let picture = image::load_from_memory(&figure.png().unwrap())
        .unwrap()
        .into_rgb8();
    let red = picture.pixels().filter(|pixel| pixel.0 == [250, 10, 20]).count();
    // 220 pixels wide at twice the size, but for the edge.
    assert!(red > 420 * 420, "{red} pixels");
    assert!(says(&figure.svg().unwrap(), "mu 0.71"));
    assert!(figure.alt().contains("mu 0.71"));
}

#[test]
fn words_are_as_wide_as_the_layout_thinks() {
    // The viewer may have another font; each text says its width.
    let svg = svg(crate::study_set::coverage());
    let document = Document::parse(&svg).unwrap();
    for node in document
        .descendants()
        .filter(|node| node.tag_name().name() == "text")
    {
        let length: f64 = node.attribute("textLength").expect("a width").parse().unwrap();
        assert!(length > 0.0);
    }
}

#[test]
fn numbers_below_an_axis_do_not_overlap() {
    for (name, figure) in figures() {
        let svg = figure.svg().unwrap();
        let document = Document::parse(&svg).unwrap();
        let mut spans: Vec<(String, f64, f64)> = document
            .descendants()
            .filter(|node| node.tag_name().name() == "text" && node.attribute("transform").is_none())
            .map(|node| {
                let number = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
                let (x, width) = (number("x"), number("textLength"));
                let left = match node.attribute("text-anchor") {
                    Some("middle") => x - width / 2.0,
                    Some("end") => x - width,
                    _ => x,
                };
                (node.attribute("y").unwrap().to_owned(), left, left + width)
            })
            .collect();
        spans.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        for pair in spans.windows(2) {
            let apart = pair[0].0 != pair[1].0 || pair[0].2 + 2.0 <= pair[1].1;
            assert!(apart, "{name}: {pair:?}");
        }
    }
}

#[test]
fn values_that_are_no_numbers_are_left_out_and_counted() {
    let y = [0.1, f64::NAN, 0.3, f64::INFINITY, 0.5, 0.6];
    let gaps = lines(vec![series("a", &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &y)]);
    let drawn = svg(gaps.clone());
    assert!(says(&drawn, "Left out: 2 values not finite."));
    // The curve breaks: a marker alone, another alone, and a stretch of two.
    assert_eq!(
        count(&drawn, "circle"),
        4 + 1,
        "four points, and one in the legend"
    );
    let logarithmic = Lines {
        y: Axis::new("y").log(),
        ..lines(vec![series("a", &[0.0, 1.0, 2.0], &[0.0, 10.0, 100.0])])
    };
    assert!(says(
        &svg(logarithmic),
        "Left out: 1 value not finite, or not above 0 on a logarithmic axis."
    ));
    let narrow = Lines {
        y: Axis::new("y").range(0.0, 0.4),
        ..gaps
    };
    assert!(says(
        &svg(narrow),
        "2 values not finite; 2 values beyond the axes."
    ));
    let bars = Bars {
        title: "bars".to_owned(),
        x: Axis::new("x").categories(["a", "b"]),
        panels: vec![BarPanel {
            title: String::new(),
            series: vec![BarSeries {
                name: "s".to_owned(),
                bars: vec![Bar::new(f64::NAN), Bar::with(1.0, f64::NAN, 2.0)],
            }],
        }],
        ..Bars::default()
    };
    assert!(says(&svg(bars), "Left out: 1 value not finite."));
}

#[test]
fn nothing_to_show_is_said() {
    assert!(says(&svg(lines(Vec::new())), "no data"));
    assert!(says(&svg(lines(vec![series("a", &[], &[])])), "no data"));
    assert!(says(
        &svg(lines(vec![series("a", &[1.0], &[f64::NAN])])),
        "no data"
    ));
    let empty = Scatter {
        panels: vec![ScatterPanel {
            trend: Some(Trend::Fitted),
            ..ScatterPanel::default()
        }],
        ..Scatter::default()
    };
    assert!(says(&svg(empty), "no data"));
}

#[test]
fn one_point_and_constant_series_are_drawn_on_an_axis_with_room() {
    let one = svg(lines(vec![series("a", &[3.0], &[7.0])]));
    assert_eq!(count(&one, "circle"), 2, "the point, and the legend's");
    for value in [0.0, 7.0, -1e-12, 1e12] {
        let flat = svg(lines(vec![series("a", &[1.0, 2.0, 3.0], &[value; 3])]));
        assert_eq!(count(&flat, "circle"), 4, "{value}");
    }
    let same_x = Scatter {
        panels: vec![ScatterPanel {
            groups: vec![Group {
                x: vec![1.0; 3],
                y: vec![1.0, 2.0, 3.0],
                ..Group::default()
            }],
            trend: Some(Trend::Fitted),
            ..ScatterPanel::default()
        }],
        ..Scatter::default()
    };
    assert_eq!(count(&svg(same_x), "circle"), 3);
}

#[test]
fn a_curve_with_many_points_keeps_them_all_and_few_markers() {
    let x: Vec<f64> = (0..200).map(f64::from).collect();
    let drawn = svg(lines(vec![series("a", &x, &x)]));
    let document = Document::parse(&drawn).unwrap();
    let longest = document
        .descendants()
        .filter_map(|node| node.attribute("points"))
        .map(|points| points.split(' ').count())
        .max();
    assert_eq!(longest, Some(200));
    assert!((5..20).contains(&count(&drawn, "circle")));
}

#[test]
fn fitted_lines_are_those_of_least_squares() {
    // y = 2x + 1 with errors that cancel: the line passes through (0, 1) and (3, 7) of axes from 0 to 3 and 0 to 8.
    let figure = Scatter {
        x: Axis::new("x").range(0.0, 3.0),
        y: Axis::new("y").range(0.0, 8.0),
        panels: vec![ScatterPanel {
            groups: vec![Group {
                x: vec![0.0, 0.0, 3.0, 3.0],
                y: vec![0.5, 1.5, 6.5, 7.5],
                ..Group::default()
            }],
            trend: Some(Trend::Fitted),
            ..ScatterPanel::default()
        }],
        ..Scatter::default()
    };
    let drawn = svg(figure);
    let document = Document::parse(&drawn).unwrap();
    let circles: Vec<(f64, f64)> = document
        .descendants()
        .filter(|node| node.tag_name().name() == "circle")
        .map(|node| {
            let at = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
            (at("cx"), at("cy"))
        })
        .collect();
    let [a, b, c, d] = circles[..] else {
        panic!("four points")
    };
    let wanted = [(a.0, (a.1 + b.1) / 2.0), (c.0, (c.1 + d.1) / 2.0)];
    let found = document
        .descendants()
        .filter(|node| node.attribute("stroke-width") == Some("1.2"))
        .filter_map(|node| node.attribute("points"))
        .any(|points| {
            let ends: Vec<f64> = points
                .split([' ', ','])
                .map(|part| part.parse().unwrap())
                .collect();
            let near = |a: f64, b: f64| (a - b).abs() < 0.3;
            ends.len() == 4
                && near(ends[0], wanted[0].0)
                && near(ends[1], wanted[0].1)
                && near(ends[2], wanted[1].0)
                && near(ends[3], wanted[1].1)
        });
    assert!(found, "{wanted:?} in {drawn}");
}

#[test]
fn series_of_one_name_look_alike_in_every_panel_and_no_two_names_do() {
    let names: Vec<String> = (0..12).map(|index| format!("s{index}")).collect();
    let looks = |order: &[String]| -> BTreeMap<String, String> {
        let curves = order.iter().map(|name| series(name, &[1.0, 2.0], &[1.0, 2.0]));
        let drawn = svg(lines(curves.collect()));
        // The legend follows the title: each sample, then its name.
        let pieces: Vec<&str> = drawn.split("<text").collect();
        let samples = (1..=order.len()).map(|index| look(pieces[index]));
        order.iter().cloned().zip(samples).collect()
    };
    let first = looks(&names);
    let distinct: BTreeSet<&String> = first.values().collect();
    assert_eq!(distinct.len(), names.len());
    let panel = |names: &[&str]| LinePanel {
        series: names
            .iter()
            .map(|name| series(name, &[1.0, 2.0], &[1.0, 2.0]))
            .collect(),
        ..LinePanel::default()
    };
    let mut two = lines(Vec::new());
    two.panels = vec![panel(&["a", "b"]), panel(&["b"])];
    let drawn = svg(two);
    let squares = drawn.matches("<polygon").count();
    assert_eq!(
        (count(&drawn, "circle"), squares),
        (3, 5),
        "a: two points; b: four; each one in the legend"
    );
}

/// Colour, elements and outline of a legend's sample, wherever it lies.
fn look(piece: &str) -> String {
    let mut look = String::new();
    for element in piece.lines().skip(1) {
        let part = |name: &str| {
            let rest = element.split_once(&format!(" {name}=\""))?.1;
            Some(rest.split('"').next().unwrap_or_default().to_owned())
        };
        look += element.split(' ').next().unwrap_or_default();
        look += &part("fill").unwrap_or_default();
        look += &part("stroke").unwrap_or_default();
        let numbers: Vec<f64> = part("points")
            .unwrap_or_default()
            .split([' ', ','])
            .filter_map(|number| number.parse().ok())
            .collect();
        for (index, number) in numbers.iter().enumerate().skip(2) {
            look += &format!(" {:.1}", number - numbers[index % 2]);
        }
    }
    look
}

#[test]
fn what_contradicts_itself_is_refused_by_name() {
    let message = |figure: Figure| match figure.svg() {
        Err(error @ FigureError::Field { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        message(lines(vec![series("a", &[1.0, 2.0], &[1.0])]).into()),
        "figure 'a chart': panels[0].series[0].y is a list of 1; it must be a list of 2, as x is"
    );
    let mut band = series("a", &[1.0], &[1.0]);
    band.band = Some(Band {
        low: vec![],
        high: vec![1.0],
    });
    assert!(message(lines(vec![band]).into()).contains("panels[0].series[0].band.low is a list of 0"));
    let axis = |x: Axis| Lines {
        x,
        ..lines(vec![series("a", &[1.0], &[1.0])])
    };
    for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        assert!(message(axis(Axis::new("x").range(low, high)).into()).contains("x.range"));
    }
    assert!(message(axis(Axis::new("x").log().range(0.0, 1.0)).into()).contains("above 0"));
    assert!(message(axis(Axis::new("x").log().categories(["a"])).into()).contains("x.log"));
    assert!(message(Lines::default().into()).contains("panels is empty"));
    assert!(message(Pictures::default().into()).contains("rows is empty"));
    let no_groups = Bars {
        panels: vec![BarPanel::default()],
        ..Bars::default()
    };
    assert!(message(no_groups.into()).contains("x.categories is empty"));
    let empty_picture = Pictures {
        rows: vec![PictureRow {
            heading: String::new(),
            tiles: vec![Some(Tile {
                picture: image::RgbImage::new(0, 3),
                caption: String::new(),
            })],
        }],
        ..Pictures::default()
    };
    assert!(message(empty_picture.into()).contains("rows[0].tiles[0].picture is 0 x 3 pixels"));
    let endless = Lines {
        x: Axis::new("x").categories((0..5000).map(|index| format!("name {index}"))),
        ..lines(Vec::new())
    };
    assert!(message(endless.into()).contains("its size"));
}

#[test]
fn very_long_names_are_cut_where_they_would_overlap_and_kept_for_the_pointer() {
    let long = "a very long name that goes on ".repeat(20);
    let mut figure = lines(vec![series(&long, &[0.0], &[1.0])]);
    figure.title.clone_from(&long);
    figure.x = Axis::new(&long).categories([&long, &long]);
    figure.panels[0].title.clone_from(&long);
    figure.panels[0].marks.push(Mark::X {
        at: 0.5,
        label: format!("mark {long}"),
    });
    let drawn = svg(figure);
    let document = Document::parse(&drawn).unwrap();
    let width: f64 = document
        .root_element()
        .attribute("width")
        .unwrap()
        .parse()
        .unwrap();
    for node in document
        .descendants()
        .filter(|node| node.tag_name().name() == "text")
    {
        assert!(node.attribute("textLength").unwrap().parse::<f64>().unwrap() <= width);
    }
    let kept = document
        .descendants()
        .filter(|node| node.tag_name().name() == "title")
        .any(|node| node.text() == Some(&long));
    assert!(kept);
}

#[test]
fn figures_are_the_same_after_json() {
    for (name, figure) in figures() {
        let text = serde_json::to_string(&figure).unwrap();
        let back: Figure = serde_json::from_str(&text).unwrap();
        assert_eq!(back, figure, "{name}");
        assert_eq!(back.svg().unwrap(), figure.svg().unwrap());
    }
    let gap = Figure::from(lines(vec![series("a", &[1.0, 2.0], &[f64::NAN, 1.0])]));
    let back: Figure = serde_json::from_str(&serde_json::to_string(&gap).unwrap()).unwrap();
    assert_eq!(back.svg().unwrap(), gap.svg().unwrap());
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => -10.0..10.0f64,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the values and the words, the SVG is XML that says them, and draws no number that is none.
    #[test]
    fn any_values_and_words_can_be_drawn(
        values in prop::collection::vec((any_value(), any_value()), 0..12),
        word in any::<String>(),
        log in any::<(bool, bool)>(),
    ) {
        let axis = |log: bool| if log { Axis::new(&word).log() } else { Axis::new(&word) };
        let (x, y): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
        let curve = Series {
            band: Some(Band { low: y.clone(), high: y.iter().map(|y| y + 1.0).collect() }),
            dashed: log.0,
            ..series(&word, &x, &y)
        };
        let chart = Lines { title: word.clone(), x: axis(log.0), y: axis(log.1), ..lines(vec![curve]) };
        let group = Group { name: word.clone(), labels: vec![word.clone(); x.len()], x: x.clone(), y: y.clone() };
        let panel = ScatterPanel {
            title: word.clone(),
            groups: vec![group],
            trend: Some(if log.0 { Trend::Fitted } else { Trend::Identity }),
            corner: vec![word.clone()],
        };
        let points = Scatter { x: axis(log.0), y: axis(log.1), panels: vec![panel], ..Scatter::default() };
        let bars = Bars {
            title: word.clone(),
            x: Axis::new(&word).categories(["only"]),
            y: Axis::new(&word),
            panels: vec![BarPanel {
                title: word.clone(),
                series: x.iter().zip(&y).enumerate().map(|(index, (&value, &end))| BarSeries {
                    name: format!("{word}{index}"),
                    bars: vec![Bar::with(value, value.min(end), value.max(end))],
                }).collect(),
            }],
            digits: Some(2),
            ..Bars::default()
        };
        for figure in [Figure::from(chart), points.into(), bars.into()] {
            let drawn = figure.svg().unwrap();
            let document = Document::parse(&drawn).expect("SVG is XML");
            for node in document.descendants() {
                for attribute in node.attributes().filter(|attribute| attribute.name() != "aria-label") {
                    let value = attribute.value();
                    prop_assert!(!value.contains("NaN") && !value.contains("inf"), "{value}");
                }
            }
        }
    }
}

#[test]
fn noise_is_the_same_everywhere() {
    // The example figures rest on it.
    assert_eq!(noise(1).to_bits(), noise(1).to_bits());
    assert!((0..100).all(|seed| (0.0..1.0).contains(&noise(seed))));
}
