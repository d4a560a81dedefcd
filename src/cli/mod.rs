//! The command line: one file per command, each with its `Args` and a `run` that returns an [`Exit`].

mod backend;
pub mod bench;
#[cfg(feature = "lab")]
pub mod calibrate;
pub mod completions;
pub mod config;
#[cfg(feature = "lab")]
pub mod data;
#[cfg(feature = "lab")]
mod dataset;
pub mod doctor;
#[cfg(feature = "lab")]
pub mod evaluate;
pub mod exit;
mod gate;
mod golden;
pub mod health;
mod inputs;
pub mod interpret;
mod loading;
pub mod loadtest;
pub mod log_level;
pub mod man;
pub mod model;
#[cfg(not(feature = "lab"))]
mod no_lab;
pub mod out;
pub mod protoseg;
pub mod segment;
pub mod serve;
mod server;
pub mod simulate;
#[cfg(feature = "lab")]
mod study;
mod subject;
pub mod token;
pub mod top;
#[cfg(feature = "lab")]
pub mod train;
pub mod version;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use sagate_core::nn::placement::{Convolutions, Precision};

use crate::config::{DeviceKind, LogLevel, Settings, Sources};
use crate::telemetry::logs;

pub use exit::{Exit, UsageError};
#[cfg(not(feature = "lab"))]
use no_lab::{calibrate, data, evaluate, study, train};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "sagate",
    version,
    about = "Segments medical images, estimates the reliability of each mask, and accepts or rejects it",
    after_help = exit::HELP,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 110
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command. Each overrides the settings file and the environment.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Folder of models [default: models]
    #[arg(long, global = true, value_name = "DIR")]
    models: Option<String>,
    /// Model, by default its highest version [default: t1-brain]
    #[arg(long, global = true, value_name = "NAME[@VERSION]")]
    model: Option<String>,
    /// Settings file [default: sagate.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON for programs instead of tables for people
    #[arg(long, global = true)]
    json: bool,
    /// CPU threads for tensor operations, 0 for all cores [default: 0]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// Device to run on [default: auto]
    #[arg(long, global = true, value_name = "KIND")]
    device: Option<DeviceKind>,
    /// Numeric precision of weights and feature maps in inference [default: float32]
    #[arg(long, global = true, value_name = "WIDTH")]
    precision: Option<Precision>,
    /// Convolution algorithm in inference on a CPU [default: libtorch]
    #[arg(long, global = true, value_name = "WHAT")]
    convolutions: Option<Convolutions>,
    /// Least severe level to log, to stderr [default: warn]
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<LogLevel>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Segment images, score each mask, accept or reject it
    Segment(segment::Args),
    /// Write the SAM and SA score of every layer and unit for an image
    Interpret(interpret::Args),
    /// Run the service: gRPC, and HTTP where it is configured
    Serve(serve::Args),
    /// Check the installation
    Doctor(doctor::Args),
    /// Create an access token for a client
    Token(token::Args),
    /// Check whether a server answers
    Health(health::Args),
    /// Print or change the log level of a running server
    LogLevel(log_level::Args),
    /// Show throughput, queues and decisions of a server, live
    Top(top::Args),
    /// Load test a server
    Loadtest(loadtest::Args),
    /// Plan capacity by simulation: replicas for a load
    Simulate(simulate::Args),
    /// Calibrate a model: thresholds and the quality score from a set of images
    Calibrate(calibrate::Args),
    /// Evaluate the gate on images with true masks, clean and corrupted
    Evaluate(evaluate::Args),
    /// Compute SA scores and mu of any network's features, from a file
    Protoseg(protoseg::Args),
    /// Benchmark network, scores, service and training
    Bench(bench::Args),
    /// Train a model on a task
    Train(train::Args),
    /// Reproduce the paper's study
    Study(study::Args),
    /// List, show or verify models
    Model(model::Args),
    /// Create data sets and corrupted images
    Data(data::Args),
    /// Print, check or document settings
    Config(config::Args),
    /// Print the version, how it was built and what it runs on
    Version(version::Args),
    /// Print a shell completion script
    Completions(completions::Args),
    /// Write the man pages
    Man(man::Args),
}

impl Command {
    fn run(self, settings: &Settings) -> anyhow::Result<Exit> {
        match self {
            Command::Segment(args) => segment::run(args, settings),
            Command::Interpret(args) => interpret::run(args, settings),
            Command::Serve(_) => serve::run(settings),
            Command::Doctor(_) => doctor::run(Ok(settings), settings.json()),
            Command::Token(args) => token::run(args, settings),
            Command::Health(args) => health::run(args, settings),
            Command::LogLevel(args) => log_level::run(args, settings),
            Command::Top(args) => top::run(args, settings),
            Command::Loadtest(args) => loadtest::run(args, settings),
            Command::Simulate(args) => simulate::run(&args, settings),
            Command::Calibrate(args) => calibrate::run(args, settings),
            Command::Evaluate(args) => evaluate::run(args, settings),
            Command::Protoseg(args) => protoseg::run(args, settings),
            Command::Bench(args) => bench::run(args, settings),
            Command::Train(args) => train::run(args, settings),
            Command::Study(args) => study::run(args, settings),
            Command::Model(args) => model::run(args, settings),
            Command::Data(args) => data::run(args, settings),
            Command::Config(args) => config::run(args, settings),
            Command::Version(args) => version::run(args, settings),
            Command::Completions(args) => completions::run(args, settings),
            Command::Man(args) => man::run(args, settings),
        }
    }

    /// The command's own flags that override settings.
    fn flags(&self) -> Vec<(&'static str, String)> {
        let flags = match self {
            Command::Serve(args) => vec![
                ("server.listen", args.listen.clone()),
                ("server.admin", args.admin.clone()),
                ("server.http", args.http.clone()),
                ("server.insecure", args.insecure.then(|| "true".into())),
                ("telemetry.otlp", args.otlp.clone()),
            ],
            Command::Segment(args) => args.at.access.flags(),
            Command::Interpret(args) => args.at.access.flags(),
            Command::Health(args) => args.server.access.flags(),
            Command::Loadtest(args) => args.access.flags(),
            Command::LogLevel(args) => args.access.flags(),
            Command::Top(args) => args.server.access.flags(),
            _ => Vec::new(),
        };
        let given = flags.into_iter().filter_map(|(key, value)| Some((key, value?)));
        given.collect()
    }

    /// Whether the command works without settings, so also with invalid ones.
    fn needs_no_settings(&self) -> bool {
        match self {
            Command::Completions(_) | Command::Man(_) => true,
            Command::Config(args) => args.needs_no_settings(),
            _ => false,
        }
    }
}

/// The flag name of a value.
fn name<T: ValueEnum>(value: T) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |it| it.get_name().to_string())
}

impl Global {
    fn sources(&self) -> Sources {
        let flags = [
            ("models.dir", self.models.clone()),
            ("models.default", self.model.clone()),
            ("output.format", self.json.then(|| "json".to_string())),
            ("device.threads", self.threads.map(|it| it.to_string())),
            ("device.kind", self.device.map(name)),
            ("device.precision", self.precision.map(name)),
            ("device.convolutions", self.convolutions.map(name)),
            ("log.level", self.log.map(name)),
        ];
        Sources {
            file: self.config.clone(),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
                })
                .collect(),
            flags: flags
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
        }
    }
}

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // Help goes to stdout and is no error; neither is a closed pipe.
            let _ = message.print();
            return if message.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Ok.into()
            };
        }
    };
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => exit::explain(&error).into(),
    }
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    let settings = if cli.command.needs_no_settings() {
        Settings::default()
    } else {
        let mut sources = cli.global.sources();
        sources.flags.extend(cli.command.flags());
        match (Settings::load(&sources), &cli.command) {
            // Broken settings are among what it looks for.
            (Err(error), Command::Doctor(_)) => return doctor::run(Err(&error), cli.global.json),
            (settings, _) => settings?,
        }
    };
    logs::start(&settings.log);
    cli.command.run(&settings)
}

/// The clap command, for completions and man pages.
fn definition() -> clap::Command {
    Cli::command()
}
