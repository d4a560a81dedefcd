//! `sagate interpret`: what every layer and unit of the network sees in one image.

use std::path::{Path, PathBuf};

use anyhow::Context;
use ndarray::Array2;
use serde::Serialize;

use super::gate::GateArgs;
use super::inputs::{self, Slice, Stems};
use super::segment::{class_styles, overlay, reasons, threshold};
use super::{Exit, UsageError, loading, out};
use crate::config::Settings;
use crate::engine::{Interpretation, LayerView, Pass, UnitView};
use crate::gate::Decision;
use crate::imaging::figure::{self, Cell};
use crate::imaging::{Image, atomic};
use crate::nn::layers::{LAYER_COUNT, LAYERS};
use crate::protoseg::{UnitSplit, split_units};

/// Arguments of `sagate interpret`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
DIR gets: overlay.png (the image with its mask), layers.png (input, output and the SAM of each layer with its SA score, the
paper's Fig. 6), units.png (units of the last layer by their SA score, Fig. 8), unit-scores.png (all scores, sorted, Fig. 7),
average.png (the average of all units' SAMs, Fig. 9) and report.json (every number).

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
}

/// `report.json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    image: &'a str,
    model: String,
    model_hash: &'a str,
    decision: &'a Decision,
    verdict: &'static str,
    object_fraction: f64,
    layers: Vec<LayerReport>,
    units_of_layer: usize,
    class: &'a str,
    unit_scores: &'a [f64],
    active_units: &'a [usize],
    active_threshold: f64,
}

#[derive(Debug, Serialize)]
struct LayerReport {
    layer: usize,
    name: &'static str,
    group: String,
    resolution: String,
    sa_score: f64,
}

/// Runs `sagate interpret`.
///
/// # Errors
/// An image that cannot be read, a layer, class or slice that does not exist, or a folder that cannot be written.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let policy = args.gate.policy(settings)?;
    let layers = chosen_layers(&args)?;
    let pass = loading::pass(settings)?;
    let classes = &pass.manifest().classes;
    let class = args
        .class
        .checked_sub(1)
        .and_then(|index| classes.get(index))
        .ok_or_else(|| {
            UsageError(format!(
                "--class is {}; model {} has the classes 1 to {}",
                args.class,
                pass.manifest().reference(),
                classes.len()
            ))
        })?;
    let input = inputs::read(&args.image, &mut Stems::default(), settings)?;
    let slice = one_slice(input.slices(pass.manifest())?, &args)?;
    let ready = pass.prepare(&slice.image).with_context(|| slice.name.clone())?;
    let mut wanted = layers.clone();
    wanted.push(args.units_of);
    let seen = pass.interpret(&ready, &wanted)?;
    let decision = pass.decide(&seen.segmentation, &policy);

    out::folder(&args.out)?;
    let views: Vec<LayerView> = layers
        .iter()
        .map(|&layer| seen.layer(layer))
        .collect::<Result<_, _>>()?;
    let units = seen.units(args.units_of, args.class, |scores| spread(scores, args.units))?;
    let split = split_units(&units.scores);
    draw(
        &args.out, &pass, &slice, &seen, &decision, &views, &units, &split, &args,
    )?;
    let report = Report {
        image: &slice.name,
        model: pass.manifest().reference(),
        model_hash: pass.hash(),
        decision: &decision,
        verdict: decision.word(),
        object_fraction: seen.segmentation.object_fraction(),
        layers: views.iter().map(layer_report).collect(),
        units_of_layer: args.units_of,
        class: &class.name,
        unit_scores: &units.scores,
        active_units: &split.active,
        active_threshold: split.threshold,
    };
    atomic::write(
        &args.out.join("report.json"),
        &serde_json::to_vec_pretty(&report)?,
    )?;
    print(&report, &args.out, settings)?;
    Ok(if decision.accept { Exit::Ok } else { Exit::Rejected })
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

fn one_slice(mut slices: Vec<Slice>, args: &Args) -> anyhow::Result<Slice> {
    let count = slices.len();
    let index = match args.slice {
        Some(index) if index < count => index,
        Some(index) => {
            return Err(UsageError(format!(
                "--slice is {index}; {} has the slices 0 to {}",
                args.image.display(),
                count - 1
            ))
            .into());
        }
        None => count / 2,
    };
    Ok(slices.swap_remove(index))
}

/// Units from the best to the worst, evenly spread over the ranks.
fn spread(scores: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let count = count.min(order.len());
    if count < 2 {
        order.truncate(count);
        return order;
    }
    (0..count)
        .map(|step| order[step * (order.len() - 1) / (count - 1)])
        .collect()
}

#[allow(clippy::too_many_arguments)]
fn draw(
    folder: &Path,
    pass: &Pass,
    slice: &Slice,
    seen: &Interpretation,
    decision: &Decision,
    views: &[LayerView],
    units: &UnitView,
    split: &UnitSplit,
    args: &Args,
) -> anyhow::Result<()> {
    let result = &seen.segmentation;
    let caption = format!(
        "{} mu {:.3} threshold {}",
        decision.word(),
        result.mean_sa.mu,
        threshold(decision.threshold)
    );
    figure::write_png(
        &folder.join("overlay.png"),
        &overlay(pass, slice, result, None, &caption)?,
    )?;
    let layers = layer_grid(pass, &slice.image, &result.labels, views, &caption);
    figure::write_png(&folder.join("layers.png"), &layers)?;
    let heading = format!("Units of layer {} by SA score", args.units_of);
    figure::write_png(&folder.join("units.png"), &unit_grid(units, split, &heading))?;
    let title = format!(
        "SA scores of the {} units of layer {}: {} active",
        units.scores.len(),
        args.units_of,
        split.active.len()
    );
    let curve = figure::sorted_scores(&units.scores, &title, Some(split.threshold));
    figure::write_png(&folder.join("unit-scores.png"), &curve)?;
    let title = format!(
        "Average SAM of the {} units of layer {}",
        units.scores.len(),
        args.units_of
    );
    figure::write_png(
        &folder.join("average.png"),
        &figure::heat_map(units.average.view(), &title),
    )?;
    Ok(())
}

/// Fig. 6: the input, the output and each layer's SAM.
fn layer_grid(
    pass: &Pass,
    image: &Image,
    labels: &Array2<u8>,
    views: &[LayerView],
    heading: &str,
) -> image::RgbImage {
    let styles = class_styles(pass);
    let mut cells = vec![
        Cell {
            title: "input".into(),
            picture: figure::grey(image),
        },
        Cell {
            title: "output".into(),
            picture: figure::masked(labels.view(), &styles),
        },
    ];
    cells.extend(views.iter().map(|view| Cell {
        title: format!("{} {} SA {:.3}", view.layer.number, view.layer.name, view.score),
        picture: figure::masked(view.sam.view(), &styles),
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
            Cell {
                title: format!("unit {unit} SA {:.3} {kind}", units.scores[*unit]),
                picture: figure::heat(sam.mapv(f32::from).view()),
            }
        })
        .collect();
    figure::grid(&cells, 4, heading)
}

fn layer_report(view: &LayerView) -> LayerReport {
    let layer = view.layer;
    let resolution = match layer.downsampling {
        1 => "1".into(),
        factor => format!("1/{factor}"),
    };
    LayerReport {
        layer: layer.number,
        name: layer.name,
        group: layer.group.to_string(),
        resolution,
        sa_score: view.score,
    }
}

fn print(report: &Report<'_>, folder: &Path, settings: &Settings) -> anyhow::Result<()> {
    if settings.json() {
        return out::json(report);
    }
    let decision = report.decision;
    out::line(&format!(
        "{}: {} mu {:.3}, threshold {} {}",
        report.image,
        report.verdict,
        decision.mu,
        threshold(decision.threshold),
        reasons(decision)
    ))?;
    let mut table = out::table(&["layer", "name", "group", "resolution", "SA score"]);
    for layer in &report.layers {
        table.add_row([
            layer.layer.to_string(),
            layer.name.into(),
            layer.group.clone(),
            layer.resolution.clone(),
            format!("{:.3}", layer.sa_score),
        ]);
    }
    out::print(&table)?;
    Ok(out::line(&format!(
        "layer {}: {} of {} units active; pictures and report.json in {}",
        report.units_of_layer,
        report.active_units.len(),
        report.unit_scores.len(),
        folder.display()
    ))?)
}
