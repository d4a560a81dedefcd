//! PyTorch, which makes the same training steps in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};
use sagate_lab::train::Loss;

use super::TrainArgs;
use crate::cli::UsageError;

/// The same training in PyTorch.
const PEER: &str = include_str!("../../../../tests/support/baselines/train.py");

/// PyTorch in a process of its own, ended when this is dropped.
pub(super) struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    pub torch: String,
    pub threads: i64,
}

impl Peer {
    pub fn start(args: &TrainArgs, threads: i32) -> anyhow::Result<Peer> {
        if !args.python.exists() {
            return Err(UsageError(format!(
                "--python {} is not there; `make peers` installs PyTorch, and --no-peer leaves it out",
                args.python.display()
            ))
            .into());
        }
        let mut child = python(&args.python)
            .args(["-c", PEER, "time"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", args.python.display()))?;
        let stdin = child.stdin.take().context("the peer has no stdin")?;
        let stdout = child.stdout.take().context("the peer has no stdout")?;
        let mut peer = Peer {
            child,
            stdin,
            stdout: BufReader::new(stdout),
            torch: String::new(),
            threads: 0,
        };
        let sizes = serde_json::json!({
            "base": args.base, "size": args.size, "batch": args.batch, "threads": threads,
        });
        let about: serde_json::Value = serde_json::from_str(&peer.ask(&sizes.to_string())?)?;
        peer.torch = about["torch"].as_str().unwrap_or("unknown").to_owned();
        peer.threads = about["threads"].as_i64().unwrap_or(0);
        Ok(peer)
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
            .with_context(|| format!("PyTorch said `{}`, not how long a step took", answer.trim()))
    }

    fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        writeln!(self.stdin, "{line}").context("PyTorch does not listen any more")?;
        let mut answer = String::new();
        if self.stdout.read_line(&mut answer)? == 0 {
            bail!("PyTorch ended early; its own message stands above");
        }
        Ok(answer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python that knows nothing of this program's own libraries.
fn python(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_remove("LD_LIBRARY_PATH").env_remove("PYTHONPATH");
    command
}
