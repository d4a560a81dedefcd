//! `SHA256SUMS`: the sum of every file of a model, in the format that `sha256sum` writes and `sha256sum -c` checks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::Finding;
use super::files;

/// File name to sum, 64 small hexadecimal digits.
pub(super) type Sums = BTreeMap<String, String>;

/// What tells a model's content from any other, given the bytes of its `SHA256SUMS`: their SHA-256 as hexadecimal digits.
pub fn content_hash(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The sum of a file, read piece by piece.
pub(super) fn of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            count => hasher.update(&piece[..count]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file's text.
pub(super) fn render(sums: &Sums) -> String {
    sums.iter()
        .map(|(name, sum)| format!("{sum}  {name}\n"))
        .collect()
}

/// Reads the file's text.
pub(super) fn parse(text: &str, file: &Path) -> Result<Sums, Vec<Finding>> {
    let mut sums = Sums::new();
    let mut findings = Vec::new();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let mut refuse = |message: &str| {
            findings.push(Finding::error(
                file,
                Some(&format!("line {}", index + 1)),
                message,
            ));
        };
        // Two spaces, or a space and the asterisk of binary mode.
        let Some((sum, name)) = line
            .split_once(' ')
            .map(|(sum, rest)| (sum, rest.get(1..).unwrap_or_default()))
        else {
            refuse("it must be a sum, two spaces and a file name, as sha256sum writes it");
            continue;
        };
        if sum.len() != 64 || !sum.bytes().all(|it| it.is_ascii_hexdigit()) {
            refuse("the sum must be 64 hexadecimal digits");
        } else if name.is_empty() || name.contains(['/', '\\']) || name == ".." || name == "." {
            refuse("the name must be that of a file in the model's own folder");
        } else if sums.insert(name.to_string(), sum.to_lowercase()).is_some() {
            refuse("the file is listed twice");
        }
    }
    if findings.is_empty() {
        Ok(sums)
    } else {
        Err(findings)
    }
}

/// Compares what the folder holds with its sums.
pub(super) fn compare(folder: &Path, sums: &Sums, present: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, stated) in sums {
        let path = folder.join(name);
        match of_file(&path) {
            Ok(actual) if actual == *stated => {}
            Ok(actual) => {
                let message = format!(
                    "its SHA-256 is {actual}, but {} says {stated}: the file was changed or cut short; restore it from \
                     where it came from",
                    files::SUMS
                );
                findings.push(Finding::error(&path, None, message));
            }
            Err(error) => findings.push(Finding::error(
                &path,
                None,
                format!("{} lists it, but it cannot be read: {error}", files::SUMS),
            )),
        }
    }
    for name in present
        .iter()
        .filter(|name| name.as_str() != files::SUMS && !sums.contains_key(*name))
    {
        let path = folder.join(name);
        let message = format!("{} does not list it, so nothing vouches for it", files::SUMS);
        findings.push(if files::ALL.contains(&name.as_str()) {
            Finding::error(&path, None, message)
        } else {
            Finding::warning(&path, message)
        });
    }
    findings
}
