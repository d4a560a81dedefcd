//! The server that is measured.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

use super::subject;
use crate::cli::name;
use crate::config::Settings;

/// A server in a process of its own, ended when this is dropped.
pub(super) struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    /// Starts it with the models of a folder, and waits until it is ready.
    pub fn start(models: &Path, settings: &Settings) -> anyhow::Result<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--json", "--model", subject::NAME, "--models"])
            .arg(models)
            .args(["--threads", &settings.device.threads.to_string()])
            .args(["--device", &name(settings.device.kind)])
            .args(["--precision", &name(settings.device.precision)])
            .args(["--convolutions", &name(settings.device.convolutions)])
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            // What the settings say of other models does not matter here.
            .env("SAGATE__LOG__LEVEL", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the server does not start")?;
        let stdout = child.stdout.take().context("the server has no stdout")?;
        let mut server = Server {
            child,
            url: String::new(),
        };
        for line in BufReader::new(stdout).lines() {
            let line: serde_json::Value = serde_json::from_str(&line?)?;
            match line["event"].as_str() {
                Some("listening") => server.url = line["grpc"].as_str().unwrap_or_default().to_owned(),
                Some("ready") => return Ok(server),
                _ => {}
            }
        }
        bail!("the server ended before it was ready");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
