//! `sagate interpret`: the activation map of every layer and unit of the network on one image.

mod figures;
mod report;

use std::path::{Path, PathBuf};

use figures::Figures;
use protoseg::split_units;
use report::Report;
use sagate_core::imaging::figure::{self, ClassStyle};
use sagate_core::nn::layers::{LAYER_COUNT, LAYERS};

use super::backend::Backend;
use super::gate::GateArgs;
use super::inputs::{self, Stems, one_slice};
use super::server::WorkAt;
use super::{Exit, UsageError, out};
use crate::client::{InterpretOptions, LayerResult};
use crate::config::Settings;

/// Arguments of `sagate interpret`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
DIR gets: overlay.png (the image with its mask), layers.png (input, output and the SAM of each layer with its SA score, the
paper's Fig. 6), units.png (units of the last layer by their SA score, Fig. 8), unit-scores.png (all scores, sorted, Fig. 7),
average.png (the average of all units' SAMs, Fig. 9), layers/NN.png (each layer's SAM, one pixel for each of the image's, written
as soon as it is known) and report.json (every number).

Try it:  sagate interpret samples/t1-brain/images/sagittal-033-clean.png --out seen")]
pub struct Args {
    /// Image or volume
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// Folder to write pictures and numbers to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Slice of a volume, counted from 0 in the model's plane
    #[arg(long, value_name = "N")]
    slice: Option<usize>,
    /// Layers to show, 1 to 18 [default: all]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    layers: Vec<usize>,
    /// Layer whose units are shown
    #[arg(long, value_name = "N", default_value_t = LAYER_COUNT)]
    units_of: usize,
    /// Object class whose units are shown, 1 to K
    #[arg(long, value_name = "K", default_value_t = 1)]
    class: usize,
    /// Units to show, spread from the best to the worst
    #[arg(long, value_name = "N", default_value_t = 16)]
    units: usize,
    #[command(flatten)]
    gate: GateArgs,
    #[command(flatten)]
    pub(super) at: WorkAt,
}

/// Runs `sagate interpret`.
///
/// # Errors
/// An image that cannot be read, a layer, class or slice that does not exist, or a folder that cannot be written.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let layers = chosen_layers(&args)?;
    let backend = Backend::open(&args.at, &args.gate, settings)?;
    let subject = backend.subject();
    let class = args
        .class
        .checked_sub(1)
        .and_then(|index| subject.classes.get(index));
    let class = class.ok_or_else(|| {
        UsageError(format!(
            "--class is {}; model {} has the classes 1 to {}",
            args.class,
            subject.reference,
            subject.classes.len()
        ))
    })?;
    let input = inputs::read(&args.image, &mut Stems::default(), settings)?;
    let slice = one_slice(input.slices(subject)?, args.slice, &args.image)?;
    let options = InterpretOptions {
        layers,
        units_of: args.units_of,
        class: args.class,
        units: args.units,
    };
    let print_layers = args.at.server.is_some() && !settings.json();
    let seen = backend.interpret(&slice, &options, |layer| {
        draw_layer(&args.out, layer, &subject.classes)?;
        if print_layers {
            let (number, score) = (layer.layer.number, layer.score);
            out::error(&format!("layer {number:>2}: SA {score:.3}"));
        }
        Ok(())
    })?;
    let split = split_units(&seen.units.scores);
    Figures {
        subject,
        slice: &slice,
        seen: &seen,
        split: &split,
        units_of: args.units_of,
    }
    .write(&args.out)?;
    let report = Report::new(subject, &slice, &seen, &split, &class.name, args.units_of);
    report.write(&args.out)?;
    report.print(&args.out, settings)?;
    Ok(if seen.answer.decision.accept {
        Exit::Ok
    } else {
        Exit::Rejected
    })
}

/// A layer's SAM as a picture of its own, there as soon as the layer is known.
fn draw_layer(folder: &Path, layer: &LayerResult, classes: &[ClassStyle]) -> anyhow::Result<()> {
    out::folder(folder)?;
    let folder = folder.join("layers");
    out::folder(&folder)?;
    let path = folder.join(format!("{:02}.png", layer.layer.number));
    Ok(figure::write_png(
        &path,
        &figure::masked(layer.sam.view(), classes),
    )?)
}

fn chosen_layers(args: &Args) -> Result<Vec<usize>, UsageError> {
    let layers = args.layers.iter().map(|&layer| ("--layers", layer));
    let mut asked = layers.chain([("--units-of", args.units_of)]);
    if let Some((flag, layer)) = asked.find(|(_, layer)| !(1..=LAYER_COUNT).contains(layer)) {
        return Err(UsageError(format!(
            "{flag} is {layer}; the network has the layers 1 to {LAYER_COUNT}"
        )));
    }
    let mut layers: Vec<usize> = if args.layers.is_empty() {
        LAYERS.iter().map(|layer| layer.number).collect()
    } else {
        args.layers.clone()
    };
    layers.sort_unstable();
    layers.dedup();
    Ok(layers)
}
