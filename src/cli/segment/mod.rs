//! `sagate segment`: masks, scores and decisions.

mod report;
mod writer;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use ndarray::Array2;
use report::{Failure, Row};
use sagate_core::executor::dice;
use sagate_core::imaging::figure::{self, Cell};
use writer::Writer;

use super::backend::{Backend, Begun};
use super::gate::GateArgs;
use super::inputs::{self, Input, Slice, Stems};
use super::server::WorkAt;
use super::{Exit, UsageError, exit, out};
use crate::config::Settings;

/// Arguments of `sagate segment`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Files are NIfTI (.nii, .nii.gz, .hdr with .img), PNG, JPEG, NumPy .npy or safetensors. A volume is cut into slices in the model's plane, each
slice is one image with its own decision, and its mask comes back as one volume.

Try it:  sagate segment samples/t1-brain/images/*.png --out masks --overlay")]
pub struct Args {
    /// Images or volumes
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Folder to write masks to; without it, only the decisions are printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Format of the masks
    #[arg(long, value_name = "FORM", default_value = "auto", requires = "out")]
    mask: MaskFormat,
    /// Also write each image with its mask drawn over it, and overview.png with all of them
    #[arg(long, requires = "out")]
    overlay: bool,
    /// Folder of true masks, each named like its image: Dice is printed, and the true mask is drawn
    #[arg(long, value_name = "DIR")]
    truth: Option<PathBuf>,
    #[command(flatten)]
    gate: GateArgs,
    #[command(flatten)]
    pub(super) at: WorkAt,
}

/// File format of masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MaskFormat {
    /// NIfTI for volumes, PNG for images
    Auto,
    /// Labels as 8-bit grey values, one file per slice
    Png,
    /// Labels as NIfTI, with the input's geometry
    Nifti,
    /// COCO run lengths (JSON), one object per class and slice
    Rle,
    /// One bit per pixel, eight per byte, row by row, one file per class and slice
    Packed,
    /// No mask
    None,
}

/// Runs `sagate segment`.
///
/// # Errors
/// A model that cannot be loaded, or a folder that cannot be written. A file that cannot be read is reported and skipped.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let backend = Backend::open(&args.at, &args.gate, settings)?;
    if let Some(out) = &args.out {
        out::folder(out)?;
    }
    let mut run = Run::new(&args, &backend, settings);
    let mut stems = Stems::default();
    let bar = out::progress(args.files.len() as u64, "segmenting");
    // Files are started ahead, up to the backend's number of pending images.
    let mut begun: VecDeque<(&Path, anyhow::Result<File>)> = VecDeque::new();
    for file in &args.files {
        begun.push_back((file, run.begin(file, &mut stems)));
        while waiting(&begun) >= backend.at_once() {
            begun
                .pop_front()
                .map_or(Ok(()), |(path, file)| run.take(path, file, &bar))?;
        }
    }
    for (path, file) in begun {
        run.take(path, file, &bar)?;
    }
    bar.finish_and_clear();
    run.end()
}

/// Number of pending images; an unreadable file counts as one, so that it is reported in order.
fn waiting(begun: &VecDeque<(&Path, anyhow::Result<File>)>) -> usize {
    let images =
        |(_, file): &(&Path, anyhow::Result<File>)| file.as_ref().map_or(1, |file| file.slices.len());
    begun.iter().map(images).sum()
}

/// One file with pending images.
struct File {
    input: Input,
    slices: Vec<Slice>,
    truths: Vec<Option<Array2<u8>>>,
    begun: Vec<Begun>,
}

/// Results so far.
struct Run<'a> {
    args: &'a Args,
    backend: &'a Backend,
    settings: &'a Settings,
    rows: Vec<Row>,
    failures: Vec<Failure>,
    overview: Vec<Cell>,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args, backend: &'a Backend, settings: &'a Settings) -> Run<'a> {
        Run {
            args,
            backend,
            settings,
            rows: Vec::new(),
            failures: Vec::new(),
            overview: Vec::new(),
        }
    }

    /// Reads a file and starts its images.
    fn begin(&self, path: &Path, stems: &mut Stems) -> anyhow::Result<File> {
        let subject = self.backend.subject();
        let input = inputs::read(path, stems, self.settings)?;
        let slices = input.slices(subject)?;
        let truths = match &self.args.truth {
            Some(folder) => inputs::truths(folder, &input, &slices, subject, self.settings)?,
            None => vec![None; slices.len()],
        };
        let begun = slices
            .iter()
            .map(|slice| self.backend.begin(&slice.image))
            .collect();
        Ok(File {
            input,
            slices,
            truths,
            begun,
        })
    }

    /// Adds the result of a file. A failed one is reported and skipped.
    fn take(
        &mut self,
        path: &Path,
        file: anyhow::Result<File>,
        bar: &indicatif::ProgressBar,
    ) -> anyhow::Result<()> {
        match file.and_then(|file| self.finish(file)) {
            Ok((mut rows, mut pictures)) => {
                self.rows.append(&mut rows);
                self.overview.append(&mut pictures);
            }
            Err(error) if error.is::<UsageError>() => return Err(error),
            Err(error) => {
                let error = exit::chain(&error);
                bar.suspend(|| out::error(&format!("error: {error}")));
                self.failures.push(Failure {
                    file: path.display().to_string(),
                    error,
                });
            }
        }
        bar.inc(1);
        Ok(())
    }

    /// Waits for a file's results and writes its outputs.
    fn finish(&self, file: File) -> anyhow::Result<(Vec<Row>, Vec<Cell>)> {
        let subject = self.backend.subject();
        let mut rows = Vec::with_capacity(file.slices.len());
        let mut answers = Vec::with_capacity(file.slices.len());
        for ((slice, truth), begun) in file.slices.iter().zip(&file.truths).zip(file.begun) {
            let finished = self.backend.finish(begun, &slice.image);
            let (answer, took) = finished.with_context(|| slice.name.clone())?;
            rows.push(Row {
                image: slice.name.clone(),
                verdict: answer.decision.word(),
                decision: answer.decision.clone(),
                soft_dice_confidence: answer.confidence.soft_dice,
                object_confidence: answer.confidence.object,
                score: answer.score.map(|score| score.value),
                estimated_dice: answer.score.and_then(|score| score.estimated_dice),
                object_fraction: answer.object_fraction,
                dice: truth
                    .as_ref()
                    .map(|truth| dice(&answer.labels, truth, subject.classes.len())),
                fault: answer.fault.map(|fault| fault.to_string()),
                milliseconds: took.as_secs_f64() * 1e3,
                mask: Vec::new(),
            });
            answers.push(answer);
        }
        let mut overview = Vec::new();
        if let Some(folder) = &self.args.out {
            let writer = Writer {
                folder,
                input: &file.input,
                subject,
                mask: self.args.mask,
            };
            writer.masks(&file.slices, &answers, &mut rows)?;
            if self.args.overlay {
                overview = writer.overlays(&file.slices, &answers, &file.truths, &rows)?;
            }
        }
        Ok((rows, overview))
    }

    /// Writes the overview, prints the rows and returns the exit code.
    fn end(self) -> anyhow::Result<Exit> {
        let subject = self.backend.subject();
        if let Some(out) = self.args.out.as_ref().filter(|_| !self.overview.is_empty()) {
            let heading = format!("{} images by {}", self.overview.len(), subject.reference);
            figure::write_png(
                &out.join("overview.png"),
                &figure::grid(&self.overview, 4, &heading),
            )?;
        }
        report::print(subject, &self.rows, &self.failures, self.settings)?;
        Ok(match (self.rows.is_empty(), self.failures.is_empty()) {
            (true, false) => Exit::Error,
            (false, false) => Exit::SomeFailed,
            _ if self.rows.iter().any(|row| !row.decision.accept) => Exit::Rejected,
            _ => Exit::Ok,
        })
    }
}
