//! The real Prometheus on a free port, scraping one server a few times a second; and promtool.

#![allow(dead_code, reason = "every test file uses a part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// One of Debian's programs, unpacked by `make prometheus` or installed.
pub fn program(name: &str) -> Command {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools").join(name);
    Command::new(if ours.exists() { ours } else { PathBuf::from(name) })
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A running Prometheus. Killed when it is dropped.
pub struct Prometheus {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes `http://HOST:PORT` as the job `sagate`, with the rules of a file.
    pub fn start(target: &str, rules: &Path) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "sagate",
                "static_configs": [{"targets": [target.strip_prefix("http://").unwrap()]}],
            }],
        });
        // JSON is YAML.
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let mut child = program("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus is missing: `make prometheus` gets it, as `make test` does");
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = log
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, address) = line.split_once("msg=\"Listening on\" address=")?;
                Some(address.trim().to_owned())
            })
            .expect("Prometheus says where it listens");
        let ready = |line: &String| line.contains("Server is ready to receive web requests");
        log.by_ref()
            .map_while(Result::ok)
            .find(ready)
            .expect("Prometheus says when it is ready");
        // What it logs from now on is read, so that it never waits for a reader.
        std::thread::spawn(move || log.map_while(Result::ok).count());
        Prometheus {
            child,
            address,
            _folder: folder,
        }
    }

    /// What the HTTP API has under a path, or the error that it gave.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let query: Vec<String> = query
            .iter()
            .map(|(key, value)| format!("{key}={}", escape(value)))
            .collect();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path}?{} HTTP/1.0\r\nhost: {}\r\n\r\n",
            query.join("&"),
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut answer: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].take()),
            _ => Err(answer.to_string()),
        }
    }

    /// The series that an expression gives now.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let data = self.get("/api/v1/query", &[("query", expression)])?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Percent-encoding of everything that is not plainly allowed.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
