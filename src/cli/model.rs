//! `sagate model`: lists, shows and verifies models.

use clap::Subcommand;
use sagate_core::gate::Calibration;
use sagate_core::model::{Finding, Located, Model, ModelError, Repository, Severity, verify};
use serde_json::{Value, json};

use super::{Exit, golden, out};
use crate::config::Settings;

/// Arguments of `sagate model`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List every model in the folder of models
    List,
    /// Show a model's description, inputs, outputs and provenance
    Show {
        /// The model [default: the one of --model]
        #[arg(value_name = "NAME[@VERSION]")]
        reference: Option<String>,
    },
    /// Add a golden image to the model of --model, for the self-test at load
    Golden(golden::Args),
    /// Check checksums, manifest, weights and calibration, and list all errors; exit code 1 if a model cannot be
    /// used
    Verify {
        /// The models [default: all of them]
        #[arg(value_name = "NAME[@VERSION]")]
        references: Vec<String>,
    },
}

/// Runs `sagate model`.
///
/// # Errors
/// A model or model repository that is missing or unreadable.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let repository = Repository::open(&settings.models.dir)?;
    match args.action {
        Action::List => list(&repository, settings),
        Action::Show { reference } => {
            let located = repository.resolve(reference.as_ref().unwrap_or(&settings.models.default))?;
            show(&located.open()?, settings)
        }
        Action::Golden(args) => golden::run(&args, settings),
        Action::Verify { references } => check(&repository, &references, settings),
    }
}

fn list(repository: &Repository, settings: &Settings) -> anyhow::Result<Exit> {
    let (models, strangers) = repository.list()?;
    let opened: Vec<_> = models.iter().map(|located| (located, located.open())).collect();
    if settings.json() {
        let one = |(located, model): &(&Located, Result<Model, ModelError>)| match model {
            Ok(model) => json!({
                "name": located.name, "version": located.version, "folder": located.folder, "usable": true,
                "description": model.manifest().description, "hash": model.hash(),
                "calibrated": model.calibration().is_ok_and(|it| it.is_some()),
            }),
            Err(error) => json!({
                "name": located.name, "version": located.version, "folder": located.folder, "usable": false,
                "error": error.to_string(),
            }),
        };
        out::json(&opened.iter().map(one).collect::<Vec<Value>>())?;
    } else if opened.is_empty() {
        out::line(&format!("there are no models in {}", repository.dir().display()))?;
    } else {
        let mut table = out::table(&["model", "calibrated", "description"]);
        for (located, model) in &opened {
            let (calibrated, description) = match model {
                Ok(model) => match model.calibration() {
                    Ok(Some(calibration)) => (
                        format!("on {} images", calibration.entries.len()),
                        &*model.manifest().description,
                    ),
                    Ok(None) => ("no".into(), &*model.manifest().description),
                    Err(_) => ("defective".into(), "see `sagate model verify`"),
                },
                Err(_) => ("-".into(), "cannot be used, see `sagate model verify`"),
            };
            table.add_row([
                format!("{}@{}", located.name, located.version),
                calibrated,
                description.into(),
            ]);
        }
        out::print(&table)?;
    }
    strangers.iter().for_each(|finding| tracing::warn!("{finding}"));
    Ok(Exit::Ok)
}

fn show(model: &Model, settings: &Settings) -> anyhow::Result<Exit> {
    let (manifest, calibration) = (model.manifest(), model.calibration()?);
    if settings.json() {
        out::json(&json!({
            "manifest": manifest, "folder": model.folder(), "hash": model.hash(),
            "calibration": calibration.as_ref().map(|it| json!({
                "data": it.data, "created": it.created, "images": it.entries.len(), "coverage": it.coverage,
                "threshold": it.threshold(it.coverage),
            })),
        }))?;
        return Ok(Exit::Ok);
    }
    let mut table = out::table(&[&manifest.reference(), &manifest.description]);
    let mut row = |what: &str, value: String| {
        table.add_row([what.to_string(), value]);
    };
    let network = &manifest.architecture;
    row(
        "architecture",
        format!(
            "2D U-Net, base width {}, input channels {}",
            network.base_width, network.in_channels
        ),
    );
    row("input", manifest.input.channels.join(", "));
    if let Some(plane) = manifest.input.plane {
        row("plane", format!("{plane:?}").to_lowercase());
    }
    if let Some([low, high]) = manifest.input.range {
        row("intensities", format!("{low} to {high}"));
    }
    for (what, size) in [
        ("least size", manifest.input.min_size),
        ("greatest size", manifest.input.max_size),
    ] {
        if let Some([height, width]) = size {
            row(what, format!("{height} x {width} pixels"));
        }
    }
    for step in &manifest.preprocessing {
        row("preprocessing", serde_json::to_string(step)?);
    }
    for (index, class) in manifest.classes.iter().enumerate() {
        let [red, green, blue] = class.colour;
        row(
            &format!("class {}", index + 1),
            format!("{} (#{red:02x}{green:02x}{blue:02x})", class.name),
        );
    }
    row(
        "layers of mu",
        manifest
            .mu
            .layers
            .iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    );
    row(
        "calibration",
        calibration
            .as_ref()
            .map_or_else(|| "none: the gate rejects everything".into(), calibrated),
    );
    let provenance = &manifest.provenance;
    row("trained on", provenance.data.clone());
    row(
        "trained by",
        format!(
            "{} (seed {}, {})",
            provenance.command, provenance.seed, provenance.date
        ),
    );
    row("loss", provenance.loss.clone());
    if let Some(dice) = provenance.validation_dice {
        row("validation Dice", format!("{dice:.4}"));
    }
    row("licence", manifest.licence.clone());
    row("folder", model.folder().display().to_string());
    row("hash", model.hash().to_string());
    out::print(&table)?;
    Ok(Exit::Ok)
}

fn calibrated(calibration: &Calibration) -> String {
    format!(
        "{} images, {} (mu >= {:.4} at coverage {})",
        calibration.entries.len(),
        calibration.data,
        calibration.threshold(calibration.coverage),
        calibration.coverage,
    )
}

fn check(repository: &Repository, references: &[String], settings: &Settings) -> anyhow::Result<Exit> {
    let (models, strangers) = if references.is_empty() {
        repository.list()?
    } else {
        (
            references
                .iter()
                .map(|it| repository.resolve(it))
                .collect::<Result<_, _>>()?,
            Vec::new(),
        )
    };
    if models.is_empty() {
        out::error(&format!("there are no models in {}", repository.dir().display()));
    }
    let mut results: Vec<(String, Vec<Finding>)> = models
        .iter()
        .map(|it| (format!("{}@{}", it.name, it.version), verify(it)))
        .collect();
    if !strangers.is_empty() {
        results.push(("other folders".into(), strangers));
    }
    let bad = |findings: &[Finding]| findings.iter().any(|it| it.severity == Severity::Error);
    if settings.json() {
        let one = |(name, findings): &(String, Vec<Finding>)| json!({"model": name, "usable": !bad(findings), "findings": findings});
        out::json(&results.iter().map(one).collect::<Vec<_>>())?;
    } else {
        for (name, findings) in &results {
            let word = match findings.len() {
                0 => "fine",
                _ if bad(findings) => "CANNOT BE USED",
                _ => "usable, with warnings",
            };
            out::line(&format!("{name}: {word}"))?;
            for finding in findings {
                let severity = if finding.severity == Severity::Error {
                    "error"
                } else {
                    "warning"
                };
                out::line(&format!("  {severity}: {finding}"))?;
            }
        }
    }
    Ok(if results.iter().any(|(_, findings)| bad(findings)) {
        Exit::Error
    } else {
        Exit::Ok
    })
}
