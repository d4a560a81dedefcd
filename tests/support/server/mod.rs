//! The real server: `sagate serve` on free ports in a folder of its own, stopped by its own process id.

#![allow(dead_code, reason = "every test file uses a part")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;

use sagate::proto::v1;
use sagate::proto::v1::quality_control_client::QualityControlClient;
use sagate_core::imaging::Image;
use serde_json::Value;
use tonic::transport::Channel;

use super::binary::{Place, wait};

/// More than any message of these tests.
const MOST: usize = 1 << 30;

/// A server that answers. Killed when it is dropped.
pub struct Server {
    child: Child,
    /// Its start message.
    pub announced: Value,
    log: Option<JoinHandle<String>>,
    printed: Option<JoinHandle<String>>,
}

/// How a server ended.
/// The setting that gives anonymous callers all roles.
pub const ADMINS: (&str, &str) = ("AUTH__ANONYMOUS", "infer,interpret,admin");

#[derive(Debug)]
pub struct Stopped {
    pub code: i32,
    /// stderr.
    pub log: String,
    /// stdout, after the line that said that it was ready.
    pub printed: String,
}

impl Server {
    /// Starts it with the models of a folder, and waits until it is ready.
    pub fn start(place: &Place, arguments: &[&str]) -> Server {
        serve(place, &[], arguments)
    }

    /// Starts it by a command that prints JSON, and waits until it is ready.
    pub fn with(command: &mut Command) -> Server {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = collect(child.stderr.take().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut announced = Value::Null;
        for line in &mut lines {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            match line["event"].as_str() {
                Some("listening") => announced = line,
                Some("ready") => break,
                other => panic!("the server said {other:?}"),
            }
        }
        // What it prints from now on is read, so that it never waits for a reader.
        let printed = std::thread::spawn(move || lines.map_while(Result::ok).collect());
        let server = Server {
            child,
            announced,
            log: Some(log),
            printed: Some(printed),
        };
        if server.announced.is_null() {
            panic!("the server did not start: {}", server.stop().log);
        }
        server
    }

    pub fn url(&self) -> String {
        self.announced["grpc"].as_str().unwrap().to_owned()
    }

    pub fn admin(&self) -> String {
        self.announced["admin"].as_str().unwrap().to_owned()
    }

    /// The HTTP/JSON address.
    pub fn http(&self) -> String {
        self.announced["http"].as_str().unwrap().to_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn channel(&self) -> Channel {
        Channel::from_shared(self.url()).unwrap().connect_lazy()
    }

    /// A client with a connection of its own.
    pub fn client(&self) -> QualityControlClient<Channel> {
        QualityControlClient::new(self.channel())
            .max_decoding_message_size(MOST)
            .max_encoding_message_size(MOST)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.pid().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(self) -> Stopped {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for the end.
    pub fn ended(mut self) -> Stopped {
        let code = wait(&mut self.child);
        let text =
            |reader: Option<JoinHandle<String>>| reader.map_or_else(String::new, |it| it.join().unwrap());
        Stopped {
            code,
            log: text(self.log.take()),
            printed: text(self.printed.take()),
        }
    }

    /// The value of a metric by its name and labels as they are printed, 0 where it is not there.
    pub fn metric(&self, series: &str) -> f64 {
        let metrics = self.get("/metrics").1;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// `GET` from the admin port: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        use std::io::Write;
        let address = self.admin();
        let address = address.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

impl Stopped {
    /// Nothing panicked or crashed: each line on stderr is a log line, a JSON object, or an error of one line.
    #[track_caller]
    pub fn assert_calm(&self) {
        assert!(!self.log.contains("panicked"), "{self:?}");
        let others = self.log.lines().filter(|line| !line.starts_with("error: "));
        others.for_each(|line| assert!(line.starts_with('{'), "`{line}` in {self:?}"));
    }
}

/// Starts a server with some settings, like `("ENGINE__MAX_BATCH", "1")`, and waits until it is ready.
pub fn serve(place: &Place, settings: &[(&str, &str)], arguments: &[&str]) -> Server {
    let mut command = serving(place, arguments);
    for (name, value) in settings {
        command.env(format!("SAGATE__{name}"), value);
    }
    Server::with(&mut command)
}

/// Starts one on ports that are free, and prints JSON.
pub const SERVE: [&str; 6] = [
    "serve",
    "--listen",
    "127.0.0.1:0",
    "--admin",
    "127.0.0.1:0",
    "--json",
];

/// The command that starts one, on ports that are free.
pub fn serving(place: &Place, arguments: &[&str]) -> Command {
    place.command(&[&SERVE[..], arguments].concat())
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended, or to be ended now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut log: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = log.read_to_string(&mut text);
        text
    })
}

/// An image as a FLOAT32 tensor.
pub fn tensor(image: &Image) -> v1::Image {
    let (channels, height, width) = image.pixels.dim();
    let data: Vec<u8> = image.pixels.iter().flat_map(|it| it.to_le_bytes()).collect();
    v1::Image {
        source: Some(v1::image::Source::Tensor(v1::Tensor {
            data_type: v1::DataType::Float32.into(),
            shape: vec![channels as u32, height as u32, width as u32],
            data: data.into(),
            spacing: image.spacing.to_vec(),
        })),
    }
}

/// The bytes of a file, its format to be found out.
pub fn file(data: Vec<u8>) -> v1::Image {
    v1::Image {
        source: Some(v1::image::Source::File(v1::EncodedFile {
            format: v1::FileFormat::Unspecified.into(),
            data: data.into(),
            slice: None,
        })),
    }
}

/// A request for the default model.
pub fn request(id: &str, image: v1::Image) -> v1::SegmentRequest {
    v1::SegmentRequest {
        request_id: id.into(),
        image: Some(image),
        options: Some(v1::SegmentationOptions {
            mask_format: v1::MaskFormat::Bits.into(),
            ..Default::default()
        }),
    }
}
