//! Runs the program in a temporary folder with the tiny model and a timeout.

#![allow(dead_code, reason = "every test file uses a part")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use image::{ImageBuffer, Luma};
use ndarray::{Array2, Array3};
use sagate_core::executor::{ModelExecutor, Segmentation};
use sagate_core::imaging::preprocess::Step;
use sagate_core::imaging::{self, Image, Limits, Picture};
use sagate_core::model::Model;
use serde_json::Value;
use tempfile::TempDir;

use super::tiny_model;

/// Timeout of a run: far above any normal duration, even on a busy machine.
const RUN_TIMEOUT: Duration = Duration::from_secs(240);

/// A folder with `models/tiny/1` in it, in which the program runs.
pub struct Place {
    folder: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// With a model of some classes, calibrated on these scores where there are any.
    pub fn new(classes: i64, calibration: &[f64]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        tiny_model::write(
            &folder.path().join("models"),
            classes,
            vec![Step::ZScore],
            calibration,
        );
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        name.to_owned()
    }

    /// Blobs and waves as a 16-bit PNG, different for each seed.
    pub fn picture(&self, name: &str, seed: usize, height: usize, width: usize) -> String {
        let waves = waves(seed, height, width);
        let pixel = |x: u32, y: u32| Luma([waves[[y as usize, x as usize]].round() as u16]);
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        ImageBuffer::from_fn(width as u32, height as u32, pixel)
            .save(path)
            .unwrap();
        name.to_owned()
    }

    /// The names in a folder, sorted; empty where it is not there.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// `sagate ARGUMENTS` with the tiny model, one thread, no settings from outside.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let model = [
            "--models",
            "models",
            "--model",
            tiny_model::NAME,
            "--threads",
            "1",
        ];
        let mut command = self.bare(arguments);
        command.args(model);
        command
    }

    /// `sagate ARGUMENTS` and nothing else, no settings from outside.
    pub fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sagate"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, _) in std::env::vars().filter(|(name, _)| name.to_uppercase().starts_with("SAGATE__")) {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        finish(&mut self.command(arguments))
    }

    /// Runs with `--json`; the object that it prints, and the exit code.
    pub fn json(&self, arguments: &[&str]) -> (Value, i32) {
        let ended = self.run(&[arguments, &["--json"]].concat());
        let value = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}) of {arguments:?}: {ended:?}"));
        (value, ended.code)
    }

    /// The library's result for an image file, with the same model and number of threads as the program.
    pub fn expected(&self, name: &str) -> Segmentation {
        let Picture::Image(image) = imaging::read(&self.path(name), &Limits::default()).unwrap() else {
            panic!("{name} is a volume");
        };
        segment(&self.pass(), &image)
    }

    /// The model, loaded here.
    pub fn pass(&self) -> ModelExecutor {
        tch::set_num_threads(1);
        let model = Model::open(&self.path("models/tiny/1")).unwrap();
        ModelExecutor::load(&model, tch::Device::Cpu).unwrap()
    }
}

/// One image through a model.
pub fn segment(pass: &ModelExecutor, image: &Image) -> Segmentation {
    let ready = pass.prepare(image).unwrap();
    pass.segment(&[&ready]).unwrap().remove(0)
}

/// The images of what `sagate segment --json` prints.
pub fn rows(json: &Value) -> &[Value] {
    json["images"].as_array().unwrap()
}

/// Waits for a command to end, and stops it where it hangs.
pub fn finish(command: &mut Command) -> Ended {
    let mut child = command.spawn().unwrap();
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let code = wait(&mut child);
    Ended {
        code,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// The exit code of a child that ends in time; -1 where a signal ended it.
pub fn wait(child: &mut Child) -> i32 {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        if begin.elapsed() > RUN_TIMEOUT {
            child.kill().unwrap();
            panic!("it hangs: nothing after {RUN_TIMEOUT:?}");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn collect<R: Read + Send + 'static>(stream: Option<R>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut bytes).unwrap();
        }
        String::from_utf8(bytes).expect("what is printed is text")
    })
}

impl Ended {
    /// The reported errors, one per line, without `error: `.
    pub fn errors(&self) -> Vec<&str> {
        self.stderr
            .lines()
            .filter_map(|line| line.strip_prefix("error: "))
            .collect()
    }

    /// Ended with this code, without a panic, with one error in one line that has all these words.
    #[track_caller]
    pub fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        self.assert_calm();
        let errors = self.errors();
        assert_eq!(errors.len(), 1, "one error: {self:?}");
        assert_sentence(errors[0], words);
    }

    /// Nothing panicked, and what is no error is a log line, a JSON object each: no error has a second line.
    #[track_caller]
    pub fn assert_calm(&self) {
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        let others = self.stderr.lines().filter(|line| !line.starts_with("error: "));
        others.for_each(|line| assert!(line.starts_with('{'), "{}", self.stderr));
    }
}

/// One sentence that has all these words.
#[track_caller]
pub fn assert_sentence(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{message}` lacks `{word}`");
    }
    assert!(!message.trim().ends_with(':'), "`{message}` breaks off");
}

/// `[height, width]` of whole numbers within 0..=400.
pub fn waves(seed: usize, height: usize, width: usize) -> Array2<f32> {
    Array2::from_shape_fn((height, width), |(row, column)| {
        let (y, x) = (row as f32 / 9.0 + seed as f32, column as f32 / 7.0);
        (100.0 * (y.sin() * x.cos() + (x * y / 3.0).sin()) + 200.0).round()
    })
}

/// The same as an image.
pub fn waves_image(seed: usize, height: usize, width: usize) -> Image {
    let pixels: Array3<f32> = waves(seed, height, width).insert_axis(ndarray::Axis(0));
    Image::new(pixels, [1.0, 1.0])
}

/// Reads a label mask file.
pub fn mask(path: &Path) -> Array2<u8> {
    imaging::mask::read(path, &Limits::default()).unwrap()
}

/// An `.npy` file.
pub fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A safetensors file with the header as it is given.
pub fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// float32 values as a file has them.
pub fn floats(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
