//! PyTorch, which runs the same training steps in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};
use sagate_lab::train::Loss;

use super::TrainArgs;
use crate::cli::UsageError;

/// The same training in PyTorch.
const SCRIPT: &str = include_str!("../../../../tests/support/baselines/train.py");

/// PyTorch in a process of its own, ended when this is dropped.
pub(super) struct Baseline {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    pub torch: String,
    pub threads: i64,
}

impl Baseline {
    pub fn start(args: &TrainArgs, threads: i32) -> anyhow::Result<Baseline> {
        if !args.python.exists() {
            return Err(UsageError(format!(
                "--python {} is not there; `make peers` installs PyTorch, and --no-baseline leaves it out",
                args.python.display()
            ))
            .into());
        }
        let mut child = python(&args.python)
            .args(["-c", SCRIPT, "time"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", args.python.display()))?;
        let stdin = child.stdin.take().context("the baseline has no stdin")?;
        let stdout = child.stdout.take().context("the baseline has no stdout")?;
        let mut baseline = Baseline {
            child,
            stdin,
            stdout: BufReader::new(stdout),
            torch: String::new(),
            threads: 0,
        };
        let sizes = serde_json::json!({
            "base": args.base, "size": args.size, "batch": args.batch, "threads": threads,
        });
        let about: serde_json::Value = serde_json::from_str(&baseline.ask(&sizes.to_string())?)?;
        baseline.torch = about["torch"].as_str().unwrap_or("unknown").to_owned();
        baseline.threads = about["threads"].as_i64().unwrap_or(0);
        Ok(baseline)
    }

    /// Seconds of an offline step, the second of two as here, and of an online one, which is long enough to need no first.
    pub fn steps(&mut self) -> anyhow::Result<[f64; 2]> {
        self.step(Loss::Offline)?;
        Ok([self.step(Loss::Offline)?, self.step(Loss::Online)?])
    }

    /// Seconds of a step.
    pub fn step(&mut self, loss: Loss) -> anyhow::Result<f64> {
        let answer = self.ask(&loss.to_string())?;
        answer
            .trim()
            .parse()
            .with_context(|| format!("PyTorch printed `{}`, not how long a step took", answer.trim()))
    }

    fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        writeln!(self.stdin, "{line}").context("PyTorch does not read its input any more")?;
        let mut answer = String::new();
        if self.stdout.read_line(&mut answer)? == 0 {
            bail!("PyTorch ended early; its own message stands above");
        }
        Ok(answer)
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Python without this program's library paths.
fn python(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_remove("LD_LIBRARY_PATH").env_remove("PYTHONPATH");
    command
}
