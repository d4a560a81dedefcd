//! `SHA256SUMS`: the checksum of every file of a model, in the format that `sha256sum` writes and `sha256sum -c` checks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::Finding;
use super::files;

/// File name to SHA-256, 64 lower-case hexadecimal digits.
pub(super) type Checksums = BTreeMap<String, String>;

/// The content hash of a model: the SHA-256 of the bytes of its `SHA256SUMS`, as hexadecimal digits.
pub fn content_hash(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The SHA-256 of a file, read in chunks.
pub(super) fn file_checksum(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            count => hasher.update(&chunk[..count]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file's text.
pub(super) fn render(checksums: &Checksums) -> String {
    checksums
        .iter()
        .map(|(name, checksum)| format!("{checksum}  {name}\n"))
        .collect()
}

/// Reads the file's text.
pub(super) fn parse(text: &str, file: &Path) -> Result<Checksums, Vec<Finding>> {
    let mut checksums = Checksums::new();
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
        let Some((checksum, name)) = line
            .split_once(' ')
            .map(|(checksum, rest)| (checksum, rest.get(1..).unwrap_or_default()))
        else {
            refuse("it must be a checksum, two spaces and a file name, as sha256sum writes it");
            continue;
        };
        if checksum.len() != 64 || !checksum.bytes().all(|it| it.is_ascii_hexdigit()) {
            refuse("the checksum must be 64 hexadecimal digits");
        } else if name.is_empty() || name.contains(['/', '\\']) || name == ".." || name == "." {
            refuse("the name must be that of a file in the model's own folder");
        } else if checksums
            .insert(name.to_string(), checksum.to_lowercase())
            .is_some()
        {
            refuse("the file is listed twice");
        }
    }
    if findings.is_empty() {
        Ok(checksums)
    } else {
        Err(findings)
    }
}

/// Compares the folder's files with their checksums.
pub(super) fn compare(folder: &Path, checksums: &Checksums, present: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, stated) in checksums {
        let path = folder.join(name);
        match file_checksum(&path) {
            Ok(actual) if actual == *stated => {}
            Ok(actual) => {
                let message = format!(
                    "its SHA-256 is {actual}, but {} says {stated}: the file was changed or cut short; restore it from \
                     where it came from",
                    files::CHECKSUMS
                );
                findings.push(Finding::error(&path, None, message));
            }
            Err(error) => findings.push(Finding::error(
                &path,
                None,
                format!("{} lists it, but it cannot be read: {error}", files::CHECKSUMS),
            )),
        }
    }
    for name in present
        .iter()
        .filter(|name| name.as_str() != files::CHECKSUMS && !checksums.contains_key(*name))
    {
        let path = folder.join(name);
        let message = format!("{} does not list it, so it cannot be verified", files::CHECKSUMS);
        findings.push(if files::ALL.contains(&name.as_str()) {
            Finding::error(&path, None, message)
        } else {
            Finding::warning(&path, message)
        });
    }
    findings
}
