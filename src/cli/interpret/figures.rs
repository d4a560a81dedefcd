//! The pictures of an interpretation.

use std::path::Path;

use protoseg::UnitSplit;
use sagate_core::executor::UnitView;
use sagate_core::imaging::Image;
use sagate_core::imaging::figure::{self, Cell};

use crate::cli::backend::Seen;
use crate::cli::inputs::Slice;
use crate::cli::subject::Subject;
use crate::cli::words;

/// What the pictures show.
pub struct Figures<'a> {
    pub subject: &'a Subject,
    pub slice: &'a Slice,
    pub seen: &'a Seen,
    pub split: &'a UnitSplit,
    pub units_of: usize,
}

impl Figures<'_> {
    /// Writes them all.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let (answer, units, units_of) = (&self.seen.answer, &self.seen.units, self.units_of);
        let caption = format!(
            "{} mu {:.3} threshold {}",
            answer.decision.word(),
            answer.decision.mu,
            words::threshold(answer.decision.threshold)
        );
        let write = |name: &str, picture: &image::RgbImage| figure::write_png(&folder.join(name), picture);
        let (image, classes) = (&self.slice.image, &self.subject.classes);
        write(
            "overlay.png",
            &figure::overlay(image, &answer.labels, None, classes, &caption)?,
        )?;
        write(
            "layers.png",
            &layer_grid(self.subject, image, self.seen, &caption),
        )?;
        let heading = format!("Units of layer {units_of} by SA score");
        write("units.png", &unit_grid(units, self.split, &heading))?;
        let count = units.scores.len();
        let active = self.split.active.len();
        let title = format!("SA scores of the {count} units of layer {units_of}: {active} active");
        let curve = figure::sorted_scores(&units.scores, &title, Some(self.split.threshold));
        write("unit-scores.png", &curve)?;
        if let Some(average) = &units.average {
            let title = format!("Average SAM of the {count} units of layer {units_of}");
            write("average.png", &figure::heat_map(average.view(), &title))?;
        }
        Ok(())
    }
}

/// Fig. 6: the input, the output and each layer's SAM.
fn layer_grid(subject: &Subject, image: &Image, seen: &Seen, heading: &str) -> image::RgbImage {
    let styles = &subject.classes;
    let mut cells = vec![
        Cell::new("input", figure::grey(image)),
        Cell::new(
            "output",
            figure::masked(image.orientation.upright(seen.answer.labels.view()), styles),
        ),
    ];
    cells.extend(seen.layers.iter().map(|view| {
        Cell::new(
            format!("{} {} SA {:.3}", view.layer.number, view.layer.name, view.score),
            figure::masked(view.sam.view(), styles),
        )
    }));
    figure::grid(&cells, 5, heading)
}

/// Fig. 8: units with what they see.
fn unit_grid(units: &UnitView, split: &UnitSplit, heading: &str) -> image::RgbImage {
    let cells: Vec<Cell> = units
        .sams
        .iter()
        .map(|(unit, sam)| {
            let kind = if split.active.contains(unit) {
                "active"
            } else {
                "inertia"
            };
            Cell::new(
                format!("unit {unit} SA {:.3} {kind}", units.scores[*unit]),
                figure::heat(sam.mapv(f32::from).view()),
            )
        })
        .collect();
    figure::grid(&cells, 4, heading)
}
