//! Output files of one input: masks and overlays.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3};
use sagate_core::atomic;
use sagate_core::imaging::figure::{self, Cell, Overlay};
use sagate_core::imaging::{Picture, Volume, mask};

use super::MaskFormat;
use super::report::Row;
use crate::cli::inputs::{self, Input, Slice};
use crate::cli::subject::Subject;
use crate::client::Answer;

/// Below this Dice an accepted mask counts as wrongly accepted, above the other a rejected one as wrongly rejected.
const BAD_DICE: f64 = 0.5;
const GOOD_DICE: f64 = 0.9;

/// What is wrong about a decision, if anything is.
fn wrong(accepted: bool, dice: f64) -> Option<String> {
    match accepted {
        true if dice < BAD_DICE => Some(format!("wrongly accepted: Dice below {BAD_DICE}")),
        false if dice > GOOD_DICE => Some(format!("wrongly rejected: Dice above {GOOD_DICE}")),
        _ => None,
    }
}

/// Writes the outputs of one input.
pub struct Writer<'a> {
    pub folder: &'a Path,
    pub input: &'a Input,
    pub subject: &'a Subject,
    pub mask: MaskFormat,
}

impl Writer<'_> {
    /// Writes the masks and adds the file names to the rows.
    pub fn masks(&self, slices: &[Slice], results: &[Answer], rows: &mut [Row]) -> anyhow::Result<()> {
        let form = match (self.mask, &self.input.picture) {
            (MaskFormat::Auto, Picture::Volume(_)) => MaskFormat::Nifti,
            (MaskFormat::Auto, Picture::Image(_)) => MaskFormat::Png,
            (form, _) => form,
        };
        if let (MaskFormat::Nifti, Picture::Volume(volume)) = (form, &self.input.picture) {
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

    /// Stacks slices of labels to a volume.
    fn joined(&self, volume: &Volume, results: &[Answer]) -> anyhow::Result<Array3<u8>> {
        let plane = inputs::plane(volume, self.subject)?;
        let (_, x, y, z) = volume.voxels.dim();
        let mut labels = Array3::zeros((x, y, z));
        for (index, result) in results.iter().enumerate() {
            plane.slice_mut(labels.view_mut(), index).assign(&result.labels);
        }
        Ok(labels)
    }

    fn mask(&self, form: MaskFormat, slice: &Slice, result: &Answer) -> anyhow::Result<Vec<PathBuf>> {
        let stem = self.stem(slice);
        let labels = &result.labels;
        let classes = 1..=self.subject.classes.len() as u8;
        let path = |ending: &str| self.folder.join(format!("{stem}.mask{ending}"));
        Ok(match form {
            MaskFormat::None => Vec::new(),
            MaskFormat::Auto | MaskFormat::Png => {
                mask::write_png(&path(".png"), labels)?;
                vec![path(".png")]
            }
            MaskFormat::Nifti => {
                atomic::write(
                    &path(".nii.gz"),
                    &mask::encode_nifti_image(
                        labels,
                        slice.image.spacing,
                        slice.image.geometry.as_deref(),
                        true,
                    )?,
                )?;
                vec![path(".nii.gz")]
            }
            MaskFormat::Rle => {
                let runs: Vec<_> = classes
                    .map(|class| mask::Rle::of_class(labels.view(), class))
                    .collect();
                atomic::write(&path(".rle.json"), &serde_json::to_vec(&runs)?)?;
                vec![path(".rle.json")]
            }
            MaskFormat::Packed => {
                let write = |class: u8| -> anyhow::Result<PathBuf> {
                    let ending = format!("-{class}-{}x{}.bits", labels.nrows(), labels.ncols());
                    atomic::write(&path(&ending), &mask::pack(labels.view(), class))?;
                    Ok(path(&ending))
                };
                classes.map(write).collect::<anyhow::Result<_>>()?
            }
        })
    }

    /// Writes one overlay per slice, and returns cells for the overview, those of wrong decisions with a warning.
    pub fn overlays(
        &self,
        slices: &[Slice],
        results: &[Answer],
        truths: &[Option<Array2<u8>>],
        rows: &[Row],
    ) -> anyhow::Result<Vec<Cell>> {
        let mut cells = Vec::with_capacity(slices.len());
        for (((slice, result), truth), row) in slices.iter().zip(results).zip(truths).zip(rows) {
            let dice = row
                .dice
                .map_or_else(String::new, |dice| format!(" Dice {dice:.3}"));
            let caption = format!("{} mu {:.3}{dice}", row.verdict, row.decision.mu);
            let classes = &self.subject.classes;
            let overlay = Overlay::draw(&slice.image, &result.labels, truth.as_ref(), classes)?;
            let stem = self.stem(slice);
            figure::write_png(
                &self.folder.join(format!("{stem}.overlay.png")),
                &overlay.with_caption(&caption),
            )?;
            cells.push(Cell {
                title: format!("{stem}: {caption}"),
                warning: row.dice.and_then(|dice| wrong(row.decision.accept, dice)),
                // The title has the numbers already.
                picture: overlay.with_caption(""),
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
