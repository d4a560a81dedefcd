//! `sagate study`: the paper's study, repeated.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{HumanDuration, MultiProgress, ProgressBar};
use sagate_lab::study::evaluate::AurcVariant;
use sagate_lab::study::plan::{Job, Kind};
use sagate_lab::study::results::{PARTS, part, report};
use sagate_lab::study::{Cache, Progress, Size, Study};

use super::{Exit, out};
use crate::config::Settings;

/// Arguments of `sagate study`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Size of the study
    #[arg(long, default_value = "quick")]
    profile: Size,
    /// Another size than the profile's, as in epochs=20 or images=[200,60,80]; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Parts of the report to write [default: all]; the cached results are the same for all
    #[arg(long, value_name = "PART", value_delimiter = ',', value_parser = named_part)]
    only: Vec<&'static str>,
    /// Which area under the risk-coverage curve the tables show
    #[arg(long, default_value = "full")]
    aurc: AurcVariant,
    /// Folder below which the paper's published data sets are searched for; each one found replaces its phantom
    #[arg(long, value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// Folder of the report and of the cached results
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// A part by its name, or by the number of a figure that it holds.
fn named_part(name: &str) -> Result<&'static str, String> {
    part(name).ok_or_else(|| {
        format!(
            "there is no such part; there are {}, and the paper's figures as fig10",
            PARTS.join(", ")
        )
    })
}

/// Runs `sagate study`.
///
/// # Errors
/// Whatever a step fails with.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let workers = match settings.device.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let study = Study::open(
        args.profile.profile().with(&args.settings)?,
        workers,
        settings.device.open()?,
        args.data_root.as_deref(),
        Cache::new(args.out.join("cache")),
    )?;
    for missing in study.missing() {
        out::error(&format!(
            "phantoms in place of a set that is not there: {missing}"
        ));
    }
    study.run(&Screen::default())?;
    let report = report(&study, &args.only, args.aurc)?;
    report.write(&args.out)?;
    out::line(&format!("{}", args.out.join("report.html").display()))?;
    Ok(Exit::Ok)
}

/// A bar for all jobs and one for each that is under way; log lines where there is no terminal.
#[derive(Default)]
struct Screen {
    all: Mutex<Option<ProgressBar>>,
    bars: MultiProgress,
    jobs: Mutex<Vec<(Job, ProgressBar)>>,
}

/// Steps of a job's bar.
const TICKS: u64 = 1000;

impl Progress for Screen {
    fn plan(&self, jobs: &[(Job, bool)], seconds_left: f64) {
        let mut table = out::table(&["experiment", "jobs", "kept from an earlier run"]);
        for kind in Kind::ALL {
            let of_kind = || jobs.iter().filter(|(job, _)| job.kind() == kind);
            let kept = of_kind().filter(|(_, kept)| *kept).count();
            table.add_row([
                kind.words().into(),
                of_kind().count().to_string(),
                kept.to_string(),
            ]);
        }
        let left = HumanDuration(Duration::from_secs_f64(seconds_left));
        out::error(&format!(
            "{table}\nabout {left} to go, by a guess until jobs are measured"
        ));
        let bar = self.bars.add(out::progress(jobs.len() as u64, "study"));
        bar.set_position(jobs.iter().filter(|(_, kept)| *kept).count() as u64);
        *self.all.lock().expect("no holder panics") = Some(bar);
    }

    fn begin(&self, job: &Job) {
        let bar = self.bars.add(out::progress(TICKS, job.kind().words()));
        bar.set_message(job.words());
        self.jobs.lock().expect("no holder panics").push((*job, bar));
    }

    fn advance(&self, job: &Job, share: f64) {
        let jobs = self.jobs.lock().expect("no holder panics");
        if let Some((_, bar)) = jobs.iter().find(|(other, _)| other == job) {
            bar.set_position((share * TICKS as f64) as u64);
        }
    }

    fn end(&self, job: &Job, seconds_left: f64) {
        let mut jobs = self.jobs.lock().expect("no holder panics");
        if let Some(place) = jobs.iter().position(|(other, _)| other == job) {
            jobs.swap_remove(place).1.finish_and_clear();
        }
        let left = HumanDuration(Duration::from_secs_f64(seconds_left));
        if let Some(bar) = &*self.all.lock().expect("no holder panics") {
            bar.inc(1);
            bar.set_message(format!("about {left} to go"));
            if bar.is_hidden() {
                tracing::info!(
                    done = bar.position(),
                    of = bar.length(),
                    "{}: {}; about {left} to go",
                    job.kind().words(),
                    job.words()
                );
            }
        }
    }
}
