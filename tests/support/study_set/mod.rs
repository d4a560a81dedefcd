//! One figure of every kind, of the sizes that a study draws.

use image::{Rgb, RgbImage};
use ndarray::Array2;
use sagate_core::imaging::figure::heat;
use sagate_lab::study::figure::{
    Axis, Band, Bar, BarPanel, BarSeries, Bars, ColourBar, Figure, Group, LinePanel, Lines, Mark, Palette,
    PictureRow, Pictures, Scatter, ScatterPanel, Series, Tile, Trend,
};

/// Seven data sets, as a study has.
pub const SETS: [&str; 7] = [
    "T1 brain",
    "T1 nuclei",
    "BraTS-like",
    "ISIC-like",
    "COVID-like",
    "Prostate-like",
    "Pancreas-like",
];

/// A number of 0..1 that looks random and is the same on every machine.
pub fn noise(seed: usize) -> f64 {
    let mixed = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

/// SA score by layer: 18 layers, two trainings with bands, a panel for each data set.
pub fn layers() -> Lines {
    let series = |set: usize, name: &str, lift: f64, dashed: bool| {
        let y: Vec<f64> = (0..18)
            .map(|layer| 0.3 + lift + 0.03 * f64::from(layer) + 0.08 * noise(set * 100 + layer as usize))
            .collect();
        Series {
            name: name.to_owned(),
            x: (0..18).map(f64::from).collect(),
            band: Some(Band {
                low: y.iter().map(|y| y - 0.06).collect(),
                high: y.iter().map(|y| y + 0.05).collect(),
            }),
            y,
            dashed,
        }
    };
    Lines {
        title: "SA score of each layer, trained offline and online".to_owned(),
        note: Some("Bands: bootstrap 95 % intervals of the mean.".to_owned()),
        x: Axis::new("layer").categories((1..=18).map(|layer| layer.to_string())),
        y: Axis::new("mean SA score").range(0.0, 1.0),
        panels: SETS
            .iter()
            .enumerate()
            .map(|(set, name)| LinePanel {
                title: (*name).to_owned(),
                series: vec![
                    series(set, "offline", 0.0, false),
                    series(set, "online", 0.08, true),
                ],
                marks: vec![Mark::Y {
                    at: 0.5,
                    label: "chance".to_owned(),
                }],
            })
            .collect(),
        columns: None,
    }
}

/// Twelve scores by coverage: as many curves as a legend has to name.
pub fn coverage() -> Lines {
    let series = |index: usize| Series {
        name: format!("score {} of twelve", index + 1),
        x: (1..=200).map(|step| f64::from(step) / 200.0).collect(),
        y: (1..=200)
            .map(|step| {
                0.95 - 0.02 * index as f64 - 0.2 * (f64::from(step) / 200.0).powi(2 + index as i32 % 3)
            })
            .collect(),
        band: None,
        dashed: false,
    };
    Lines {
        title: "Dice of what is let through, by coverage".to_owned(),
        note: None,
        x: Axis::new("coverage"),
        y: Axis::new("mean Dice"),
        panels: vec![LinePanel {
            title: String::new(),
            series: (0..12).map(series).collect(),
            marks: vec![Mark::X {
                at: 0.9,
                label: "90 % coverage".to_owned(),
            }],
        }],
        columns: None,
    }
}

/// Long names below the axis: kinds of corruption.
pub fn corruption() -> Lines {
    const KINDS: [&str; 17] = [
        "gaussian noise",
        "rician noise",
        "blur",
        "motion",
        "ghosting",
        "bias field",
        "low contrast",
        "inverted",
        "cropped",
        "rotated",
        "thick slices",
        "spikes",
        "downsampled",
        "black patch",
        "other plane",
        "other species",
        "shuffled channels",
    ];
    let series = |name: &str, lift: f64| Series {
        name: name.to_owned(),
        x: (0..17).map(f64::from).collect(),
        y: (0..17)
            .map(|kind| lift + 0.5 * noise(kind + (lift * 10.0) as usize))
            .collect(),
        band: None,
        dashed: false,
    };
    let panel = |title: &str| LinePanel {
        title: title.to_owned(),
        series: vec![
            series("mu", 0.1),
            series("soft Dice confidence", 0.3),
            series("Dice", 0.4),
        ],
        marks: Vec::new(),
    };
    Lines {
        title: "Scores under each corruption, severity 2".to_owned(),
        note: None,
        x: Axis::new("corruption").categories(KINDS),
        y: Axis::new("score"),
        panels: vec![panel("T1 brain"), panel("T1 nuclei")],
        columns: None,
    }
}

/// mu against Dice, many points, with correlations in a corner.
pub fn correlation() -> Scatter {
    let panel = |set: usize| {
        let group = |name: &str, from: usize, spread: f64| {
            let x: Vec<f64> = (0..150).map(|image| noise(from + image)).collect();
            let y = x.iter().enumerate().map(|(image, x)| {
                (0.2 + 0.75 * x + spread * (noise(from + 5000 + image) - 0.5)).clamp(0.0, 1.0)
            });
            Group {
                name: name.to_owned(),
                y: y.collect(),
                x,
                labels: Vec::new(),
            }
        };
        ScatterPanel {
            title: SETS[set].to_owned(),
            groups: vec![
                group("clean", set * 1000, 0.2),
                group("corrupted", set * 1000 + 300, 0.5),
            ],
            trend: Some(Trend::Fitted),
            corner: vec![format!("Pearson r = 0.{}", 60 + set), "Spearman 0.79".to_owned()],
        }
    };
    Scatter {
        title: "mu against Dice, an image each".to_owned(),
        note: None,
        x: Axis::new("mu").range(0.0, 1.0),
        y: Axis::new("Dice").range(0.0, 1.0),
        panels: (0..7).map(panel).collect(),
        columns: None,
    }
}

/// AURC against cost, few points, each with its name, on a logarithmic axis.
pub fn cost() -> Scatter {
    const SCORES: [(&str, f64, f64); 12] = [
        ("mu", 1.02, 0.077),
        ("R, reliable units", 1.02, 0.054),
        ("R x typicality", 1.03, 0.025),
        ("mean confidence", 1.0, 0.029),
        ("soft Dice confidence", 1.0, 0.078),
        ("max softmax", 1.0, 0.061),
        ("entropy", 1.0, 0.058),
        ("VoG", 12.0, 0.081),
        ("MC dropout", 20.0, 0.048),
        ("test-time augmentation", 8.0, 0.052),
        ("ensemble of 5", 5.0, 0.041),
        ("Mahalanobis", 1.1, 0.066),
    ];
    let group = |name: &str, cheap: bool| {
        let chosen: Vec<_> = SCORES.iter().filter(|score| (score.1 < 2.0) == cheap).collect();
        Group {
            name: name.to_owned(),
            x: chosen.iter().map(|score| score.1).collect(),
            y: chosen.iter().map(|score| score.2).collect(),
            labels: chosen.iter().map(|score| score.0.to_owned()).collect(),
        }
    };
    Scatter {
        title: "AURC against cost".to_owned(),
        note: None,
        x: Axis::new("cost").unit("forward passes").log(),
        y: Axis::new("AURC (risk 1 − Dice)"),
        panels: vec![ScatterPanel {
            title: String::new(),
            groups: vec![group("one pass", true), group("several passes", false)],
            trend: None,
            corner: Vec::new(),
        }],
        columns: None,
    }
}

/// Accuracy by bucket, with intervals and values.
pub fn buckets() -> Bars {
    let series = |name: &str, from: usize| BarSeries {
        name: name.to_owned(),
        bars: (0..5)
            .map(|bucket| {
                let value = 0.5 + 0.09 * f64::from(bucket) + 0.05 * noise(from + bucket as usize);
                Bar::with(value, value - 0.04, value + 0.03)
            })
            .collect(),
    };
    Bars {
        title: "Dice by fifth of the score".to_owned(),
        note: Some("Whiskers: bootstrap 95 % intervals.".to_owned()),
        x: Axis::new("fifth of the images").categories(["lowest", "second", "third", "fourth", "highest"]),
        y: Axis::new("mean Dice"),
        panels: SETS
            .iter()
            .enumerate()
            .map(|(set, name)| BarPanel {
                title: (*name).to_owned(),
                series: vec![
                    series("mu", set),
                    series("1 − VoG", set + 50),
                    series("entropy", set + 90),
                ],
            })
            .collect(),
        columns: None,
        digits: Some(2),
    }
}

/// One panel of bars, some below zero.
pub fn differences() -> Bars {
    let bars = |from: usize| {
        (0..6)
            .map(|set| {
                let value = noise(from + set) - 0.4;
                Bar::with(value, value - 0.1, value + 0.1)
            })
            .collect()
    };
    Bars {
        title: "Online minus offline training".to_owned(),
        note: None,
        x: Axis::new("data set").categories(SETS.into_iter().take(6)),
        y: Axis::new("difference in Dice").unit("points"),
        panels: vec![BarPanel {
            title: String::new(),
            series: vec![
                BarSeries {
                    name: "output".to_owned(),
                    bars: bars(1),
                },
                BarSeries {
                    name: "S_f18".to_owned(),
                    bars: bars(31),
                },
            ],
        }],
        columns: None,
        digits: Some(2),
    }
}

/// A round spot on a slope.
pub fn spot(side: usize, seed: usize) -> Array2<f32> {
    let centre = side as f64 * (0.35 + 0.3 * noise(seed));
    Array2::from_shape_fn((side, side), |(y, x)| {
        let far = (y as f64 - centre).hypot(x as f64 - centre) / side as f64;
        ((1.2 - 3.0 * far).clamp(0.0, 1.0) * 0.8 + 0.2 * x as f64 / side as f64) as f32
    })
}

/// Six columns and three rows of pictures with captions.
pub fn sams() -> Pictures {
    let tile = |row: usize, column: usize| Tile {
        picture: heat(spot(32, row * 10 + column).view()),
        caption: format!("mu 0.{}, Dice 0.{}", 50 + row * 7 + column, 90 - column),
    };
    Pictures {
        title: "SAMs of images of low, middling and high mu".to_owned(),
        note: Some("One image a row.".to_owned()),
        columns: ["image", "f1", "f6", "f12", "f18", "output"]
            .map(str::to_owned)
            .to_vec(),
        rows: ["low mu", "middling mu", "high mu"]
            .into_iter()
            .enumerate()
            .map(|(row, heading)| PictureRow {
                heading: heading.to_owned(),
                tiles: (0..6)
                    .map(|column| (row + column != 7).then(|| tile(row, column)))
                    .collect(),
            })
            .collect(),
        scale: Some(ColourBar {
            label: "SAM: probability of the object".to_owned(),
            low: 0.0,
            high: 1.0,
            palette: Palette::Viridis,
        }),
    }
}

/// Eighteen narrow columns, and pictures that are not square.
pub fn units() -> Pictures {
    let tile = |seed: usize| Tile {
        picture: RgbImage::from_fn(12, 20, |x, y| {
            Rgb([(noise(seed + (x + 12 * y) as usize) * 255.0) as u8; 3])
        }),
        caption: format!("0.{:02}", seed % 97),
    };
    Pictures {
        title: "A unit of each layer".to_owned(),
        columns: (1..=18).map(|layer| format!("f{layer}")).collect(),
        rows: (0..2)
            .map(|row| PictureRow {
                heading: String::new(),
                tiles: (0..18)
                    .map(|column| Some(tile(row * 300 + column * 17)))
                    .collect(),
            })
            .collect(),
        ..Pictures::default()
    }
}

/// All of them, with a name each.
pub fn figures() -> Vec<(&'static str, Figure)> {
    vec![
        ("layers", layers().into()),
        ("coverage", coverage().into()),
        ("corruption", corruption().into()),
        ("correlation", correlation().into()),
        ("cost", cost().into()),
        ("buckets", buckets().into()),
        ("differences", differences().into()),
        ("sams", sams().into()),
        ("units", units().into()),
    ]
}
