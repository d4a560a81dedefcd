//! Scans a model repository for the versions that it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sagate_core::executor::ModelId;
use sagate_core::model::{Located, ModelError, Repository, files};

/// Result of a scan.
#[derive(Default)]
pub struct ScanResult {
    /// Versions whose checksum file is readable, with its bytes.
    pub versions: BTreeMap<ModelId, (Located, Vec<u8>)>,
    /// Versions that exist but whose checksum file is not readable, and models without any readable version.
    unreadable: BTreeSet<ModelId>,
    unreadable_names: BTreeSet<String>,
}

impl ScanResult {
    /// Whether a version exists, readable or not.
    pub fn contains(&self, id: &ModelId) -> bool {
        self.versions.contains_key(id) || self.is_unreadable(id)
    }

    pub fn is_unreadable(&self, id: &ModelId) -> bool {
        self.unreadable.contains(id) || self.unreadable_names.contains(&id.name)
    }

    pub fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.unreadable.is_empty() && self.unreadable_names.is_empty()
    }
}

/// Lists every version. One without a readable checksum file (unfinished, or temporarily unreadable) still counts as present.
pub fn scan(repository: &Repository) -> Result<ScanResult, ModelError> {
    let scan = repository.scan()?;
    let mut found = ScanResult::default();
    for it in scan.unreadable {
        tracing::debug!(model = it.name, error = %it.error, "a model's folder cannot be read");
        match it.version {
            None => {
                found.unreadable_names.insert(it.name);
            }
            Some(version) => {
                found.unreadable.insert(ModelId {
                    name: it.name,
                    version,
                });
            }
        }
    }
    for located in scan.models {
        let id = ModelId::from(&located);
        match checksums(&located.folder) {
            Some(checksums) => {
                found.versions.insert(id, (located, checksums));
            }
            None => {
                found.unreadable.insert(id);
            }
        }
    }
    Ok(found)
}

fn checksums(folder: &Path) -> Option<Vec<u8>> {
    std::fs::read(folder.join(files::CHECKSUMS)).ok()
}
