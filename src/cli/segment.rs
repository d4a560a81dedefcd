//! `sagate segment`: masks with how far each can be trusted, let through or held back.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::ValueEnum;
use ndarray::{Array2, Array3};
use serde::Serialize;

use super::gate::GateArgs;
use super::inputs::{self, Input, Slice, Stems};
use super::{Exit, UsageError, exit, loading, out};
use crate::config::Settings;
use crate::engine::{Pass, Segmentation};
use crate::gate::{Decision, Policy};
use crate::imaging::figure::{self, Cell, ClassStyle};
use crate::imaging::{Picture, Volume, atomic, mask};

/// Arguments of `sagate segment`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Files are NIfTI-1 (.nii, .nii.gz), PNG, JPEG, NumPy .npy or safetensors. A volume is cut into slices in the model's plane, each
slice is one image with its own decision, and its mask comes back as one volume.

Try it:  sagate segment samples/t1-brain/images/*.png --out masks --overlay")]
pub struct Args {
    /// Images or volumes
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Folder to write masks to; without it, only the decisions are printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Form of the masks
    #[arg(long, value_name = "FORM", default_value = "auto", requires = "out")]
    mask: MaskForm,
    /// Also write each image with its mask drawn over it, and overview.png with all of them
    #[arg(long, requires = "out")]
    overlay: bool,
    /// Folder of true masks, each under its image's name: Dice is told, and truth is drawn
    #[arg(long, value_name = "DIR")]
    truth: Option<PathBuf>,
    #[command(flatten)]
    gate: GateArgs,
}

/// How a mask is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MaskForm {
    /// NIfTI for volumes, PNG for images
    Auto,
    /// Labels as 8-bit grey values, a file a slice
    Png,
    /// Labels as NIfTI-1, with the input's geometry
    Nifti,
    /// Run lengths as COCO writes them (JSON), an object a class and slice
    Rle,
    /// One bit a pixel, eight a byte, row by row, a file a class and slice
    Packed,
    /// No mask
    None,
}

/// What is printed of one image.
#[derive(Debug, Serialize)]
struct Row {
    image: String,
    #[serde(flatten)]
    decision: Decision,
    /// `ACCEPT` or `REJECT`.
    verdict: &'static str,
    /// Share of the image's pixels that are object.
    object_fraction: f64,
    /// Dice against the truth, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    dice: Option<f64>,
    /// Why there is no score, in words.
    fault: Option<String>,
    milliseconds: f64,
    /// The files of its mask.
    mask: Vec<String>,
}

/// A file from which nothing came.
#[derive(Debug, Serialize)]
struct Failure {
    file: String,
    error: String,
}

/// Runs `sagate segment`.
///
/// # Errors
/// A model that cannot be loaded, or a folder that cannot be written. A file that cannot be read is told and left out.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let policy = args.gate.policy(settings)?;
    let pass = loading::pass(settings)?;
    if let Some(out) = &args.out {
        out::folder(out)?;
    }
    let (mut rows, mut failures, mut overview) = (Vec::new(), Vec::new(), Vec::new());
    let mut stems = Stems::default();
    let bar = out::progress(args.files.len() as u64, "segmenting");
    for file in &args.files {
        match segment_file(file, &mut stems, &args, &pass, &policy, settings) {
            Ok((mut more, mut pictures)) => {
                rows.append(&mut more);
                overview.append(&mut pictures);
            }
            Err(error) if error.is::<UsageError>() => return Err(error),
            Err(error) => {
                let error = exit::chain(&error);
                bar.suspend(|| out::error(&format!("error: {error}")));
                failures.push(Failure {
                    file: file.display().to_string(),
                    error,
                });
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(out) = args.out.as_ref().filter(|_| !overview.is_empty()) {
        let heading = format!("{} images by {}", overview.len(), pass.manifest().reference());
        figure::write_png(&out.join("overview.png"), &figure::grid(&overview, 4, &heading))?;
    }
    print(&pass, &rows, &failures, settings)?;
    Ok(match (rows.is_empty(), failures.is_empty()) {
        (true, false) => Exit::Error,
        (false, false) => Exit::SomeFailed,
        _ if rows.iter().any(|row| !row.decision.accept) => Exit::Rejected,
        _ => Exit::Ok,
    })
}

fn segment_file(
    file: &Path,
    stems: &mut Stems,
    args: &Args,
    pass: &Pass,
    policy: &Policy,
    settings: &Settings,
) -> anyhow::Result<(Vec<Row>, Vec<Cell>)> {
    let input = inputs::read(file, stems, settings)?;
    let slices = input.slices(pass.manifest())?;
    let truths = match &args.truth {
        Some(folder) => inputs::truths(folder, &input, &slices, pass.manifest(), settings)?,
        None => vec![None; slices.len()],
    };
    let mut rows = Vec::with_capacity(slices.len());
    let mut segmentations = Vec::with_capacity(slices.len());
    for (slice, truth) in slices.iter().zip(&truths) {
        let begin = Instant::now();
        let ready = pass.prepare(&slice.image).with_context(|| slice.name.clone())?;
        let segmentation = pass
            .segment(&[&ready])
            .with_context(|| slice.name.clone())?
            .remove(0);
        let decision = pass.decide(&segmentation, policy);
        rows.push(Row {
            image: slice.name.clone(),
            verdict: decision.word(),
            decision,
            object_fraction: segmentation.object_fraction(),
            dice: truth.as_ref().map(|truth| segmentation.dice(truth)),
            fault: segmentation.mean_sa.fault.map(|fault| fault.to_string()),
            milliseconds: begin.elapsed().as_secs_f64() * 1e3,
            mask: Vec::new(),
        });
        segmentations.push(segmentation);
    }
    let mut overview = Vec::new();
    if let Some(folder) = &args.out {
        let writer = Writer {
            folder,
            input: &input,
            pass,
            args,
        };
        writer.masks(&slices, &segmentations, &mut rows)?;
        if args.overlay {
            overview = writer.overlays(&slices, &segmentations, &truths, &rows)?;
        }
    }
    Ok((rows, overview))
}

/// Writes what one input gave.
struct Writer<'a> {
    folder: &'a Path,
    input: &'a Input,
    pass: &'a Pass,
    args: &'a Args,
}

impl Writer<'_> {
    fn masks(&self, slices: &[Slice], results: &[Segmentation], rows: &mut [Row]) -> anyhow::Result<()> {
        let form = match (self.args.mask, &self.input.picture) {
            (MaskForm::Auto, Picture::Volume(_)) => MaskForm::Nifti,
            (MaskForm::Auto, Picture::Image(_)) => MaskForm::Png,
            (form, _) => form,
        };
        if let (MaskForm::Nifti, Picture::Volume(volume)) = (form, &self.input.picture) {
            let path = self.folder.join(format!("{}.mask.nii.gz", self.input.stem));
            mask::write_nifti(&path, &self.joined(volume, results)?, volume)?;
            rows.iter_mut()
                .for_each(|row| row.mask.push(path.display().to_string()));
            return Ok(());
        }
        for ((slice, result), row) in slices.iter().zip(results).zip(rows) {
            let files = self.mask(form, slice, result)?;
            row.mask = files.iter().map(|file| file.display().to_string()).collect();
        }
        Ok(())
    }

    /// Slices of labels as the volume that they were cut from.
    fn joined(&self, volume: &Volume, results: &[Segmentation]) -> anyhow::Result<Array3<u8>> {
        let plane = inputs::plane(volume, self.pass.manifest())?;
        let (_, x, y, z) = volume.voxels.dim();
        let mut labels = Array3::zeros((x, y, z));
        for (index, result) in results.iter().enumerate() {
            plane.slice_mut(labels.view_mut(), index).assign(&result.labels);
        }
        Ok(labels)
    }

    fn mask(&self, form: MaskForm, slice: &Slice, result: &Segmentation) -> anyhow::Result<Vec<PathBuf>> {
        let stem = self.stem(slice);
        let labels = &result.labels;
        let classes = 1..=self.pass.manifest().classes.len() as u8;
        let path = |ending: &str| self.folder.join(format!("{stem}.mask{ending}"));
        Ok(match form {
            MaskForm::None => Vec::new(),
            MaskForm::Auto | MaskForm::Png => {
                mask::write_png(&path(".png"), labels)?;
                vec![path(".png")]
            }
            MaskForm::Nifti => {
                atomic::write(
                    &path(".nii.gz"),
                    &mask::encode_nifti_image(labels, slice.image.spacing, true)?,
                )?;
                vec![path(".nii.gz")]
            }
            MaskForm::Rle => {
                let runs: Vec<_> = classes
                    .map(|class| mask::Rle::of_class(labels.view(), class))
                    .collect();
                atomic::write(&path(".rle.json"), &serde_json::to_vec(&runs)?)?;
                vec![path(".rle.json")]
            }
            MaskForm::Packed => {
                let write = |class: u8| -> anyhow::Result<PathBuf> {
                    let ending = format!("-{class}-{}x{}.bits", labels.nrows(), labels.ncols());
                    atomic::write(&path(&ending), &mask::pack(labels.view(), class))?;
                    Ok(path(&ending))
                };
                classes.map(write).collect::<anyhow::Result<_>>()?
            }
        })
    }

    /// Writes an overlay a slice, and gives them back as cells of the overview.
    fn overlays(
        &self,
        slices: &[Slice],
        results: &[Segmentation],
        truths: &[Option<Array2<u8>>],
        rows: &[Row],
    ) -> anyhow::Result<Vec<Cell>> {
        let mut cells = Vec::with_capacity(slices.len());
        for (((slice, result), truth), row) in slices.iter().zip(results).zip(truths).zip(rows) {
            let dice = row
                .dice
                .map_or_else(String::new, |dice| format!(" Dice {dice:.3}"));
            let caption = format!("{} mu {:.3}{dice}", row.verdict, row.decision.mu);
            let picture = overlay(self.pass, slice, result, truth.as_ref(), &caption)?;
            let stem = self.stem(slice);
            figure::write_png(&self.folder.join(format!("{stem}.overlay.png")), &picture)?;
            cells.push(Cell {
                title: format!("{stem}: {caption}"),
                picture,
            });
        }
        Ok(cells)
    }

    fn stem(&self, slice: &Slice) -> String {
        match slice.index {
            Some(index) => format!("{}-{index:04}", self.input.stem),
            None => self.input.stem.clone(),
        }
    }
}

/// An image with its mask drawn over it in the model's colours.
pub(super) fn overlay(
    pass: &Pass,
    slice: &Slice,
    result: &Segmentation,
    truth: Option<&Array2<u8>>,
    caption: &str,
) -> anyhow::Result<image::RgbImage> {
    Ok(figure::overlay(
        &slice.image,
        &result.labels,
        truth,
        &class_styles(pass),
        caption,
    )?)
}

/// The model's classes as figures show them.
pub(super) fn class_styles(pass: &Pass) -> Vec<ClassStyle> {
    let style = |class: &crate::model::Class| ClassStyle {
        name: class.name.clone(),
        colour: class.colour,
    };
    pass.manifest().classes.iter().map(style).collect()
}

/// A threshold as people read it.
pub(super) fn threshold(threshold: Option<f64>) -> String {
    match threshold {
        None => "-".into(),
        Some(threshold) if threshold == f64::INFINITY => "none passes".into(),
        Some(threshold) if threshold == f64::NEG_INFINITY => "all pass".into(),
        Some(threshold) => format!("{threshold:.3}"),
    }
}

/// Reasons as people read them.
pub(super) fn reasons(decision: &Decision) -> String {
    decision
        .reasons
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

fn print(pass: &Pass, rows: &[Row], failures: &[Failure], settings: &Settings) -> anyhow::Result<()> {
    if settings.json() {
        return out::json(&serde_json::json!({
            "model": pass.manifest().reference(), "model_hash": pass.hash(), "images": rows, "failed": failures,
        }));
    }
    if rows.is_empty() {
        return Ok(());
    }
    let with_truth = rows.iter().any(|row| row.dice.is_some());
    let mut headings = vec![
        "image",
        "decision",
        "mu",
        "threshold",
        "object",
        "Dice",
        "reasons",
    ];
    headings.retain(|heading| with_truth || *heading != "Dice");
    let mut table = out::table(&headings);
    for row in rows {
        let mut cells = vec![
            row.image.clone(),
            row.verdict.into(),
            format!("{:.3}", row.decision.mu),
            threshold(row.decision.threshold),
            format!("{:.1} %", row.object_fraction * 100.0),
        ];
        if with_truth {
            cells.push(row.dice.map_or_else(|| "-".into(), |dice| format!("{dice:.3}")));
        }
        cells.push(reasons(&row.decision));
        table.add_row(cells);
    }
    out::print(&table)?;
    let accepted = rows.iter().filter(|row| row.decision.accept).count();
    let failed = if failures.is_empty() {
        String::new()
    } else {
        format!(", {} failed", failures.len())
    };
    Ok(out::line(&format!(
        "{accepted} of {} images accepted by {}{failed}",
        rows.len(),
        pass.manifest().reference()
    ))?)
}
