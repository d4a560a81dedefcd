//! `sagate model golden`: the golden image, which a server segments to check a model before it gets requests.

use std::path::PathBuf;

use sagate_core::executor::ModelExecutor;
use sagate_core::model::{Golden, write_golden};
use serde_json::json;

use super::inputs::{self, Stems, one_slice};
use super::subject::Subject;
use super::{Exit, loading, out};
use crate::config::Settings;

/// Arguments of `sagate model golden`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Segments the image with the model as it is now, and writes image, mask and mu to golden.safetensors in the model's folder. From then
on a server that loads the model segments that image first: where mask or mu come out otherwise, the model gets no requests, and what
answered before goes on. The image becomes a part of the model: it must show no patient whose data may not travel with it.

Try it:  sagate --model t1-brain model golden --image samples/t1-brain/images/sagittal-054-clean.png")]
pub struct Args {
    /// The image: like those that the model is for, with an object in it
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// The slice of a volume, counted from 0 [default: the middle one]
    #[arg(long, value_name = "N")]
    slice: Option<usize>,
}

/// Runs `sagate model golden`.
///
/// # Errors
/// A model that cannot be used, an image that cannot be read or in which the model finds no object, or a folder that cannot be written.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<Exit> {
    let model = loading::model(settings)?;
    let executor = ModelExecutor::load(&model, settings.device.placement()?)?;
    let subject = Subject::from_executor(&executor);
    let input = inputs::read(&args.image, &mut Stems::default(), settings)?;
    let slice = one_slice(input.slices(&subject)?, args.slice, &args.image)?;
    let image = slice.image.upright();
    let seen = executor.segment(&[&executor.prepare(&image)?])?.remove(0);
    anyhow::ensure!(
        seen.mean_sa.fault.is_none(),
        "{}: the model's output is empty, full or not finite: such an image checks nothing, choose one with an object in it",
        slice.name
    );
    let golden = Golden {
        image,
        labels: seen.labels,
        mu: seen.mean_sa.mu,
    };
    let written = write_golden(model.folder(), &golden)?;
    let reference = written.manifest().reference();
    if settings.json() {
        out::json(
            &json!({"model": reference, "image": slice.name, "mu": golden.mu, "hash": written.hash()}),
        )?;
    } else {
        out::line(&format!(
            "{reference}: golden image {}, mu {:.4}",
            slice.name, golden.mu
        ))?;
    }
    Ok(Exit::Ok)
}
