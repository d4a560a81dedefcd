//! `sagate protoseg`: the scores of any network's features, from a file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use protoseg::{BackendKind, Fault, MaskKind, Metric, Prediction, ProtoSeg, mean_sa};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sagate_core::atomic;
use tch::{Kind, Tensor};

use super::{Exit, out};
use crate::config::Settings;

/// Arguments of `sagate protoseg`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
IN holds `feature` [B, C, *s] and `probability` [B, K, *S] (the network's probability of each object class), floating
point, with 1 to 3 spatial dimensions, and optionally `valid` [B, 1, *S] (0 where a pixel is to be left out). Its metadata
`mask` and `upsample` (S = s * upsample) are honoured.
OUT gets `sam_probability` [B, *S], `sam` [B, *S] uint8, `layer_sa` [B], `unit_sa` [B, C], `mean_sa` [B]; with several classes
`sam_probability` is [B, K, *S].

Try it:  sagate protoseg tests/support/golden/2d_hard.safetensors --out scores.safetensors")]
pub struct Args {
    /// Features and probabilities (safetensors)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// File to write SAMs and scores to (safetensors)
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
    /// Mask that makes the prototypes [default: the file's, else hard]
    #[arg(long)]
    mask: Option<MaskKind>,
    /// What does the work
    #[arg(long, default_value = "auto")]
    backend: BackendKind,
    /// Agreement that is the score
    #[arg(long, default_value = "dice")]
    metric: Metric,
}

/// Runs `sagate protoseg`.
///
/// # Errors
/// A file that cannot be read, tensors that do not fit one another, or values that are not finite.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let file = args.input.display();
    let bytes = std::fs::read(&args.input)
        .with_context(|| format!("cannot read {file}; it should be a safetensors file"))?;
    let case = Case::parse(&bytes, args.mask).with_context(|| file.to_string())?;
    let device = match args.backend {
        BackendKind::Native => tch::Device::Cpu,
        BackendKind::Auto | BackendKind::Tensor => settings.device.open()?,
    };
    let method = ProtoSeg {
        metric: args.metric,
        backend: args.backend,
    };
    let valid = case.valid.map(|valid| valid.to_device(device));
    let reference = Prediction::new(&case.probability.to_device(device), valid.as_ref(), case.mask)
        .with_context(|| file.to_string())?;
    let feature = case.feature.to_device(device);
    let layer = method
        .layer(&feature, &reference)
        .with_context(|| file.to_string())?;
    let units = method
        .units(&feature, &reference)
        .with_context(|| file.to_string())?;
    if let Some(image) = layer
        .fault
        .iter()
        .position(|fault| *fault == Some(Fault::NotFinite))
    {
        let name = if finite(&case.probability.get(image as i64)) {
            "feature"
        } else {
            "probability"
        };
        bail!("{file}: `{name}` of image {image} holds NaN or infinity; all values must be finite");
    }
    let mu: Vec<f64> = mean_sa(std::slice::from_ref(&units))
        .iter()
        .map(|image| image.mu)
        .collect();
    let probability = match reference.classes() {
        1 => layer.probability.squeeze_dim(1),
        _ => layer.probability.shallow_clone(),
    };
    let batch = reference.batch() as i64;
    let tensors = [
        ("sam_probability", probability.to_kind(Kind::Double)),
        ("sam", layer.sam.shallow_clone()),
        ("layer_sa", Tensor::from_slice(&layer.score)),
        (
            "unit_sa",
            Tensor::from_slice(&units.scores).view([batch, units.channels as i64]),
        ),
        ("mean_sa", Tensor::from_slice(&mu)),
    ];
    write(&args.out, &tensors)?;
    report(&args, settings, &layer.score, &mu, &layer.fault)?;
    Ok(Exit::Ok)
}

fn report(
    args: &Args,
    settings: &Settings,
    layer: &[f64],
    mu: &[f64],
    faults: &[Option<Fault>],
) -> anyhow::Result<()> {
    let fault = |image: usize| faults[image].map_or_else(String::new, |fault| fault.to_string());
    if settings.json() {
        let images: Vec<_> = (0..mu.len())
            .map(|image| {
                serde_json::json!({
                    "image": image, "layer_sa": layer[image], "mean_sa": mu[image],
                    "fault": faults[image].map(|fault| fault.to_string()),
                })
            })
            .collect();
        return out::json(&serde_json::json!({ "out": args.out.display().to_string(), "images": images }));
    }
    let mut table = out::table(&["image", "layer SA", "mean SA", ""]);
    for image in 0..mu.len() {
        table.add_row([
            image.to_string(),
            format!("{:.4}", layer[image]),
            format!("{:.4}", mu[image]),
            fault(image),
        ]);
    }
    Ok(out::print(&table)?)
}

/// What the input file holds.
struct Case {
    feature: Tensor,
    probability: Tensor,
    valid: Option<Tensor>,
    mask: MaskKind,
}

impl Case {
    fn parse(bytes: &[u8], mask: Option<MaskKind>) -> anyhow::Result<Case> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
            anyhow::anyhow!("it is no whole safetensors file ({error}); write it again from its source")
        })?;
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let feature = tensor(&tensors, "feature")?;
        let probability = tensor(&tensors, "probability")?;
        let valid = tensors
            .names()
            .contains(&"valid")
            .then(|| tensor(&tensors, "valid"))
            .transpose()?;
        check_probability(&probability)?;
        check_factor(&metadata, &feature, &probability)?;
        let mask = match (mask, metadata.get("mask")) {
            (Some(mask), _) => mask,
            (None, Some(stated)) => MaskKind::from_str(stated, false)
                .map_err(|_| anyhow::anyhow!("metadata `mask` is `{stated}`; it must be `hard` or `soft`"))?,
            (None, None) => MaskKind::Hard,
        };
        Ok(Case {
            feature,
            probability,
            valid,
            mask,
        })
    }
}

/// Probabilities lie in [0, 1]; logits handed over by mistake would give scores that look real.
fn check_probability(probability: &Tensor) -> anyhow::Result<()> {
    if probability.numel() == 0 || !probability.is_floating_point() || !finite(probability) {
        // Told apart with more detail by the method itself.
        return Ok(());
    }
    let (low, high) = (
        probability.min().double_value(&[]),
        probability.max().double_value(&[]),
    );
    if low < 0.0 || high > 1.0 {
        bail!("`probability` spans {low} to {high}; probabilities lie in 0 to 1 (are these logits?)");
    }
    Ok(())
}

/// Metadata `upsample`, where it is there, is the factor between the shapes.
fn check_factor(
    metadata: &HashMap<String, String>,
    feature: &Tensor,
    probability: &Tensor,
) -> anyhow::Result<()> {
    let Some(stated) = metadata.get("upsample") else {
        return Ok(());
    };
    let factor: i64 = match stated.parse() {
        Ok(factor) if factor >= 1 => factor,
        _ => bail!("metadata `upsample` is `{stated}`; it must be a whole number of at least 1"),
    };
    let (positions, pixels) = (feature.size(), probability.size());
    let fits = positions.len() == pixels.len()
        && positions
            .iter()
            .zip(&pixels)
            .skip(2)
            .all(|(position, pixel)| position.checked_mul(factor) == Some(*pixel));
    if !fits {
        bail!(
            "metadata `upsample` is {factor}, but `feature` has shape {positions:?} and `probability` {pixels:?}: each side of the \
             probability would have to be {factor} times the feature's"
        );
    }
    Ok(())
}

fn tensor(tensors: &SafeTensors<'_>, name: &str) -> anyhow::Result<Tensor> {
    let view = tensors.tensor(name).map_err(|_| {
        let mut names = tensors.names();
        names.sort_unstable();
        anyhow::anyhow!("there is no tensor `{name}`; the file has: {}", names.join(", "))
    })?;
    let kind = match view.dtype() {
        Dtype::F64 => Kind::Double,
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        other => {
            bail!("`{name}` is stored as {other:?}; it must be F32, F16, BF16 or F64 (`valid`: U8 or BOOL)")
        }
    };
    let size: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
    Ok(Tensor::f_from_data_size(view.data(), &size, kind)?)
}

fn finite(tensor: &Tensor) -> bool {
    tensor.isfinite().all().int64_value(&[]) == 1
}

fn write(path: &Path, tensors: &[(&str, Tensor)]) -> anyhow::Result<()> {
    let mut stored: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, tensor) in tensors {
        let tensor = tensor.f_to_device(tch::Device::Cpu)?.f_contiguous()?;
        let size = tensor.size().iter().map(|&side| side as usize).collect();
        let flat = tensor.f_flatten(0, -1)?;
        let (dtype, bytes) = match tensor.kind() {
            Kind::Uint8 => (Dtype::U8, Vec::<u8>::try_from(flat)?),
            _ => {
                let values = Vec::<f64>::try_from(flat)?;
                (
                    Dtype::F64,
                    values.iter().flat_map(|value| value.to_le_bytes()).collect(),
                )
            }
        };
        stored.push((name, dtype, size, bytes));
    }
    let views: Result<Vec<_>, _> = stored
        .iter()
        .map(|(name, dtype, size, bytes)| Ok((*name, TensorView::new(*dtype, size.clone(), bytes)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>();
    let bytes = safetensors::serialize(views?, None)?;
    Ok(atomic::write(path, &bytes)?)
}
