//! The request mix: kinds of requests, each with its share.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sagate_core::model::ModelReference;
use serde::Deserialize;

use super::super::UsageError;
use crate::client::GateOptions;
use crate::config::Settings;
use crate::engine::Priority;

/// Number of generated images by default: enough to defeat a cache of the last one.
const MADE: usize = 4;
/// Largest side of a generated image; the server has its own limits.
const SIDES: std::ops::RangeInclusive<usize> = 1..=16_384;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Call {
    /// `Segment`.
    #[default]
    Segment,
    /// `Interpret`, with SAMs of every layer and some units.
    Interpret,
}

/// One kind of request.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    /// Its name in the report.
    pub name: String,
    /// Its relative frequency.
    pub share: f64,
    pub call: Call,
    /// The model; `None`: the server's default.
    pub model: Option<ModelReference>,
    pub images: Images,
    /// Deadline in seconds.
    pub deadline: Option<f64>,
    pub gate: Option<GateOptions>,
    pub priority: Priority,
}

/// Source of its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Images {
    /// Generated: number, height and width.
    Made { size: [usize; 2], count: usize },
    /// A file, or the files of a folder.
    Read(PathBuf),
}

/// A kind as written in flags or files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    #[serde(default = "one")]
    share: f64,
    #[serde(default)]
    call: Call,
    model: Option<String>,
    size: Option<String>,
    count: Option<usize>,
    images: Option<PathBuf>,
    deadline: Option<f64>,
    coverage: Option<f64>,
    threshold: Option<f64>,
    #[serde(default)]
    priority: Priority,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: Vec<Written>,
}

fn one() -> f64 {
    1.0
}

impl Kind {
    /// The kinds of the flags, then those of the file; one of 256 x 256 pixels where there are none.
    ///
    /// # Errors
    /// An unreadable or invalid file or flag, with the valid values.
    pub fn all(flags: &[String], file: Option<&Path>, settings: &Settings) -> anyhow::Result<Vec<Kind>> {
        let model = match settings.named("models.default") {
            true => Some(settings.models.default.as_str()),
            false => None,
        };
        let mut kinds = Vec::new();
        for text in flags {
            let kind = flag(text).and_then(|written| Kind::of(written, model));
            kinds.push(kind.map_err(|why| UsageError(format!("--kind {text}: {why}")))?);
        }
        if let Some(path) = file {
            let text = fs::read_to_string(path).with_context(|| format!("--mix {}", path.display()))?;
            let refuse = |why: String| UsageError(format!("--mix {}: {why}", path.display()));
            let written: File = toml::from_str(&text).map_err(|error| refuse(in_one_line(&error, &text)))?;
            for (number, written) in (1..).zip(written.kind) {
                let kind = Kind::of(written, model);
                kinds.push(kind.map_err(|why| refuse(format!("kind {number}: {why}")))?);
            }
        }
        if kinds.is_empty() {
            kinds.push(Kind::of(flag("size=256x256").map_err(UsageError)?, model).map_err(UsageError)?);
        }
        for (index, kind) in kinds.iter().enumerate() {
            if kinds[..index].iter().any(|earlier| earlier.name == kind.name) {
                let name = &kind.name;
                return Err(UsageError(format!("two kinds are called {name:?}; give each a name")).into());
            }
        }
        Ok(kinds)
    }

    fn of(written: Written, model: Option<&str>) -> Result<Kind, String> {
        let Written { share, call, .. } = written;
        if !(share.is_finite() && share > 0.0) {
            return Err(format!("share is {share}; it must be a number above 0"));
        }
        if let Some(deadline) = written.deadline.filter(|it| !(0.001..=3600.0).contains(it)) {
            return Err(format!(
                "deadline is {deadline}; it must be a number of seconds from 0.001 to 3600"
            ));
        }
        let images = images(&written)?;
        let gate = match (written.coverage, written.threshold) {
            (Some(_), Some(_)) => return Err("coverage and threshold are both given; give one".into()),
            (coverage, threshold) => coverage
                .map(GateOptions::Coverage)
                .or(threshold.map(GateOptions::Threshold)),
        };
        let model = written.model.as_deref().or(model);
        let reference = model.map(str::parse::<ModelReference>).transpose();
        Ok(Kind {
            name: written
                .name
                .unwrap_or_else(|| name(call, written.model.as_deref(), &images, written.priority)),
            share,
            call,
            model: reference.map_err(|error| error.to_string())?,
            images,
            deadline: written.deadline,
            gate,
            priority: written.priority,
        })
    }
}

/// Parses `KEY=VALUE,...` to a table.
fn flag(text: &str) -> Result<Written, String> {
    let mut table = toml::Table::new();
    for pair in text.split(',') {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(format!("`{pair}` is not KEY=VALUE"));
        };
        let whole = value.parse::<i64>().map(toml::Value::from);
        let number = whole.or_else(|_| value.parse::<f64>().map(toml::Value::from));
        // A name or folder stays text, even if it looks like a number.
        let value = match (key, number) {
            ("share" | "count" | "deadline" | "coverage" | "threshold", Ok(number)) => number,
            _ => value.into(),
        };
        if table.insert(key.into(), value).is_some() {
            return Err(format!("{key} is given twice"));
        }
    }
    let written = table.try_into();
    written.map_err(|error: toml::de::Error| error.message().to_owned())
}

fn images(written: &Written) -> Result<Images, String> {
    match (&written.images, &written.size, written.count) {
        (Some(_), Some(_), _) => Err("images and size are both given; give one".into()),
        (Some(_), None, Some(_)) => Err("count is of made images; leave it out beside images".into()),
        (Some(path), None, None) => Ok(Images::Read(path.clone())),
        (None, size, count) => {
            let count = count.unwrap_or(MADE);
            if !(1..=1000).contains(&count) {
                return Err(format!("count is {count}; it must be from 1 to 1000"));
            }
            let text = size.as_deref().unwrap_or("256x256");
            let sides = text.split_once('x').map(|(height, width)| [height, width]);
            let sides = sides.and_then(|sides| {
                let [height, width] = sides.map(|side| side.parse().ok().filter(|it| SIDES.contains(it)));
                Some([height?, width?])
            });
            match sides {
                Some(size) => Ok(Images::Made { size, count }),
                None => Err(format!(
                    "size is {text:?}; it must be HEIGHTxWIDTH, like 256x256, each from 1 to 16384"
                )),
            }
        }
    }
}

/// The default name of a kind.
fn name(call: Call, model: Option<&str>, images: &Images, priority: Priority) -> String {
    let priority = match priority {
        Priority::Urgent => " urgent",
        Priority::Routine => "",
        Priority::Batch | Priority::Shadow => " batch",
    };
    let call = match call {
        Call::Segment => "segment",
        Call::Interpret => "interpret",
    };
    let images = match images {
        Images::Made { size, .. } => format!("{}x{}", size[0], size[1]),
        Images::Read(path) => path.display().to_string(),
    };
    match model {
        Some(model) => format!("{call} {model} {images}{priority}"),
        None => format!("{call} {images}{priority}"),
    }
}

/// The error of a file, with its position.
fn in_one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().trim();
    match error.span() {
        Some(span) => format!(
            "line {}: {message}",
            text[..span.start.min(text.len())].matches('\n').count() + 1
        ),
        None => message.to_owned(),
    }
}
