//! The report's section on method, data and machine.

use clap::ValueEnum;

use crate::study::plan::variants;
use crate::study::report::{Block, Section};
use crate::study::run::Study;
use crate::study::table::{Cell, Column, Table};
use crate::study::{Profile, Size};

/// The report's summary.
pub(super) fn lead(study: &Study) -> Vec<String> {
    let profile = &study.profile;
    vec![
        "Every table and figure of He et al. (2022), *Segmentation ability map*, and further experiments, from one command."
            .replace('*', ""),
        "**Five of the seven sets are phantoms**: drawn by a program so that what the paper says of BraTS, ISIC, COVID-19 CT, Prostate \
         and Pancreas holds in them. Their numbers are not those of the sets whose names they carry, and must not be read beside the \
         paper's. The two T1 sets are real slices of one head."
            .into(),
        format!(
            "Networks of base width {} on images of about {} x {} pixels, {} epochs: far smaller than the paper's (base width 64, 50 \
             epochs). Intervals are 95 % bootstrap intervals over test images ({} draws); the corrupted copies of an image are drawn with \
             it.",
            profile.base_width, profile.side, profile.side, profile.epochs, profile.draws
        ),
    ]
}

/// The section on method, data and machine.
pub(super) fn section(study: &Study) -> Section {
    let profile = &study.profile;
    let mut sets = Table::new(
        "sets",
        "Data sets",
        [
            "set",
            "in the place of",
            "channels",
            "height",
            "width",
            "training",
            "validation",
            "test",
            "kinds of corruption",
        ]
        .map(Column::new),
    );
    for &set in study.sets() {
        let images = study.images(set);
        let first = &images.samples.train[0];
        let (channels, height, width) = first.pixels.dim();
        let count = |count: usize| Cell::Count { count: count as u64 };
        sets.push([
            Cell::text(set.name()),
            set.paper()
                .map_or_else(|| Cell::missing("real slices"), Cell::text),
            count(channels),
            count(height),
            count(width),
            count(images.samples.train.len()),
            count(images.samples.validation.len()),
            count(images.test.len()),
            count(images.kinds().len()),
        ]);
    }
    let varied: Vec<&str> = variants(profile)
        .into_iter()
        .map(|variant| variant.words())
        .collect();
    let sizes = toml::to_string(profile).expect("a profile is plain values");
    Section::new(
        "method",
        "Method",
        [
            Block::Paragraph(
                "For each set and each loss (offline: cross-entropy; online: with the soft Dice of the 18 SAMs besides) one network is \
                 trained and studied, and four more for an ensemble. Its test images come clean and with every kind and severity of corruption \
                 that the set can have. Of each image one pass gives the output, the SAM of every layer, the SA score of every unit of \
                 layers 17 and 18, and statistics of the probability map; an ensemble, Monte Carlo dropout (injected, 0.2 of the channels \
                 of the three deepest blocks), flips and gradients are measured besides. Training repeats a small set more often, so that all \
                 networks make about as many steps."
                    .into(),
            ),
            Block::Paragraph(
                "Scores that need fitting are fitted on validation images (clean, no truth), the regression alone with their truth. For the \
                 quality score each validation image is perturbed at random several times, and the network's output on a copy is compared \
                 with its output on the original image: a ridge regression predicts that Dice from the units' SA scores, both confidences \
                 and the mask's shape. \
                 Everything random comes from the profile's seed; on one machine the same command gives the same numbers."
                    .into(),
            ),
            Block::Paragraph(format!("Variants of the online loss and of the width: {}.", varied.join(", "))),
            Block::Table(sets),
            Block::Paragraph("The profile:".into()),
            Block::Code(sizes),
            Block::Paragraph("The command:".into()),
            Block::Code(command(profile)),
            Block::Paragraph(format!(
                "sagate {}, libtorch {}, {}, {} on {}: {}. A classification head is out of scope: the paper's method is for segmentation.",
                sagate_core::build::VERSION,
                sagate_core::build::LIBTORCH,
                sagate_core::build::RUSTC,
                std::env::consts::OS,
                std::env::consts::ARCH,
                processor()
            )),
        ],
    )
}

/// The command that gives this report, sizes that differ from the profile's included.
fn command(profile: &Profile) -> String {
    let mut command = format!("sagate study --profile {}", profile.name);
    let defaults = Size::value_variants()
        .iter()
        .map(|size| size.profile())
        .find(|defaults| defaults.name == profile.name);
    let table = |profile: &Profile| toml::Table::try_from(profile).expect("a profile is plain values");
    let defaults = defaults.as_ref().map(table).unwrap_or_default();
    for (key, value) in table(profile) {
        if defaults.get(&key) != Some(&value) {
            command += &format!(" --set '{key}={value}'");
        }
    }
    command + " --out DIR"
}

/// The processor's name and its number of cores.
fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = about
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("a processor without a name", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {cores} cores")
}
