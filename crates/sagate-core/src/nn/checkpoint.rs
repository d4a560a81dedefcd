//! A network's weights as safetensors, with every name and shape checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use tch::{Device, Kind, TchError, Tensor, nn};
use thiserror::Error;

use super::unet::UNetConfig;
use crate::atomic;

/// Kernels with at least this many values may be stored in half precision. The large kernels of the deep layers are most of a network's
/// size and affect its scores little; the small ones near input and output affect them most.
pub const HALF_FROM: usize = 1 << 16;

/// The state of a network: each tensor under its standard name, float32, on the CPU, contiguous and without gradients.
#[derive(Debug)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
}

/// A difference between a checkpoint and the architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The architecture has this tensor, the checkpoint has not.
    Missing {
        /// Its name.
        name: String,
        /// The shape it would have.
        shape: Vec<i64>,
    },
    /// The checkpoint has this tensor, the architecture has not.
    Unexpected {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<i64>,
    },
    /// Both have the tensor, in different shapes.
    Shape {
        /// Its name.
        name: String,
        /// The shape that the architecture has.
        expected: Vec<i64>,
        /// The shape that the checkpoint has.
        found: Vec<i64>,
    },
    /// The values are stored in a type other than F32 and F16.
    Type {
        /// The tensor's name.
        name: String,
        /// The type that the file names.
        found: String,
    },
    /// Some of the values are NaN or infinite.
    NotFinite {
        /// The tensor's name.
        name: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing { name, shape } => write!(f, "{name}: missing, should be {shape:?}"),
            Difference::Unexpected { name, shape } => {
                write!(
                    f,
                    "{name}: unexpected, of shape {shape:?}; the network has no such tensor"
                )
            }
            Difference::Shape {
                name,
                expected,
                found,
            } => {
                write!(f, "{name}: has the shape {found:?}, should have {expected:?}")
            }
            Difference::Type { name, found } => {
                write!(f, "{name}: is stored as {found}, should be F32 or F16")
            }
            Difference::NotFinite { name } => write!(f, "{name}: holds NaN or infinity, should be finite"),
        }
    }
}

/// Why weights could not be read, written or put to use.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file is no safetensors file, or is cut short.
    #[error("{}: is not a whole safetensors file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The tensors are not those of the network.
    #[error(
        "{origin}: does not fit the network ({}):{}",
        count(differences),
        listed(differences)
    )]
    Mismatch {
        /// The file, or where else the weights came from.
        origin: String,
        /// Every difference, by tensor name.
        differences: Vec<Difference>,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] atomic::WriteError),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

fn count(differences: &[Difference]) -> String {
    match differences.len() {
        1 => "1 difference".to_owned(),
        n => format!("{n} differences"),
    }
}

fn listed(differences: &[Difference]) -> String {
    differences
        .iter()
        .map(|difference| format!("\n  {difference}"))
        .collect()
}

impl Weights {
    /// Reads weights and checks them against the architecture: every name, every shape, every value finite. Kernels
    /// stored in half precision are widened.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or differs from the architecture; then all differences are listed.
    pub fn read(path: &Path, config: &UNetConfig) -> Result<Weights, CheckpointError> {
        let bytes = std::fs::read(path).map_err(|source| CheckpointError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        Weights::parse(&bytes, path, config)
    }

    /// [`Weights::read`] on a file's bytes; `path` is what messages call it.
    ///
    /// # Errors
    /// As there, but for those of reading.
    pub fn parse(bytes: &[u8], path: &Path, config: &UNetConfig) -> Result<Weights, CheckpointError> {
        let malformed = |reason: String| CheckpointError::Malformed {
            path: path.to_path_buf(),
            reason,
        };
        let file = SafeTensors::deserialize(bytes).map_err(|error| malformed(error.to_string()))?;
        let mut tensors = BTreeMap::new();
        let mut differences = Vec::new();
        for (name, view) in file.iter() {
            let kind = match view.dtype() {
                Dtype::F32 => Kind::Float,
                Dtype::F16 => Kind::Half,
                other => {
                    differences.push(Difference::Type {
                        name: name.to_owned(),
                        found: format!("{other:?}"),
                    });
                    continue;
                }
            };
            let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
            let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)?.f_to_kind(Kind::Float)?;
            tensors.insert(name.to_owned(), tensor);
        }
        let wrong_type: BTreeSet<String> = differences.iter().map(|d| d.name().to_owned()).collect();
        let weights = Weights { tensors };
        differences.extend(
            weights
                .differences(config)?
                .into_iter()
                .filter(|d| !wrong_type.contains(d.name())),
        );
        differences.sort_by(|a, b| a.name().cmp(b.name()));
        if differences.is_empty() {
            Ok(weights)
        } else {
            Err(CheckpointError::Mismatch {
                origin: path.display().to_string(),
                differences,
            })
        }
    }

    /// Writes the weights, whole or not at all. With `half`, kernels of at least [`HALF_FROM`] values are stored in half
    /// precision (rounded to nearest); smaller ones and vectors (batch norm, biases) stay in float32.
    ///
    /// # Errors
    /// When the file cannot be written, or a value is not finite in the type that it is stored in.
    pub fn write(&self, path: &Path, half: bool) -> Result<(), CheckpointError> {
        let mut stored = Vec::with_capacity(self.tensors.len());
        let mut differences = Vec::new();
        for (name, tensor) in &self.tensors {
            let (kind, dtype) = if half && tensor.numel() >= HALF_FROM {
                (Kind::Half, Dtype::F16)
            } else {
                (Kind::Float, Dtype::F32)
            };
            let tensor = tensor.f_to_kind(kind)?;
            if !finite(&tensor)? {
                differences.push(Difference::NotFinite { name: name.clone() });
            }
            let shape: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
            stored.push((name, dtype, shape, bytes_of(&tensor)?));
        }
        if !differences.is_empty() {
            return Err(CheckpointError::Mismatch {
                origin: path.display().to_string(),
                differences,
            });
        }
        atomic::write_with(path, |file| {
            let views = stored
                .iter()
                .map(|(name, dtype, shape, bytes)| {
                    Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?))
                })
                .collect::<Result<Vec<_>, SafeTensorError>>()
                .map_err(std::io::Error::other)?;
            file.write_all(&safetensors::serialize(views, None).map_err(std::io::Error::other)?)
        })?;
        Ok(())
    }

    /// Weights of tensors that are float32, on the CPU, contiguous and without gradients.
    pub fn from_tensors(tensors: BTreeMap<String, Tensor>) -> Weights {
        Weights { tensors }
    }

    /// Takes a copy of every variable of a store.
    ///
    /// # Errors
    /// When libtorch cannot allocate.
    pub fn from_store(store: &nn::VarStore) -> Result<Weights, CheckpointError> {
        let mut tensors = BTreeMap::new();
        for (name, variable) in store.variables() {
            let mut copy = Tensor::f_empty(variable.size(), (Kind::Float, Device::Cpu))?;
            copy.f_copy_(&variable.f_detach()?)?;
            tensors.insert(name, copy);
        }
        Ok(Weights { tensors })
    }

    /// Copies the weights into the variables of a store, which keep their device and memory layout.
    ///
    /// # Errors
    /// When names or shapes differ; then all differences are listed and no variable is touched.
    pub fn copy_into(&self, store: &nn::VarStore) -> Result<(), CheckpointError> {
        let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
        let expected = variables
            .iter()
            .map(|(name, variable)| (name.clone(), variable.size()));
        let differences = self.shape_differences(expected);
        if !differences.is_empty() {
            return Err(CheckpointError::Mismatch {
                origin: "weights in memory".to_owned(),
                differences,
            });
        }
        tch::no_grad(|| {
            for (name, mut variable) in variables {
                if let Some(tensor) = self.tensors.get(&name) {
                    variable.f_copy_(tensor)?;
                }
            }
            Ok(())
        })
    }

    /// The tensor of a name such as `encoder1.conv1.weight`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Every name with its tensor, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// How the weights differ from what the architecture has; empty when they fit.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn differences(&self, config: &UNetConfig) -> Result<Vec<Difference>, CheckpointError> {
        let expected = config
            .parameters()
            .into_iter()
            .map(|parameter| (parameter.name, parameter.shape));
        let mut differences = self.shape_differences(expected);
        for (name, tensor) in &self.tensors {
            if !finite(tensor)? {
                differences.push(Difference::NotFinite { name: name.clone() });
            }
        }
        Ok(differences)
    }

    fn shape_differences(&self, expected: impl Iterator<Item = (String, Vec<i64>)>) -> Vec<Difference> {
        let expected: BTreeMap<String, Vec<i64>> = expected.collect();
        let mut differences = Vec::new();
        for (name, shape) in &expected {
            match self.tensors.get(name).map(Tensor::size) {
                None => differences.push(Difference::Missing {
                    name: name.clone(),
                    shape: shape.clone(),
                }),
                Some(found) if found != *shape => differences.push(Difference::Shape {
                    name: name.clone(),
                    expected: shape.clone(),
                    found,
                }),
                Some(_) => {}
            }
        }
        for (name, tensor) in &self.tensors {
            if !expected.contains_key(name) {
                differences.push(Difference::Unexpected {
                    name: name.clone(),
                    shape: tensor.size(),
                });
            }
        }
        differences
    }
}

impl Difference {
    /// The name of the tensor that differs.
    pub fn name(&self) -> &str {
        match self {
            Difference::Missing { name, .. }
            | Difference::Unexpected { name, .. }
            | Difference::Shape { name, .. }
            | Difference::Type { name, .. }
            | Difference::NotFinite { name } => name,
        }
    }
}

/// Whether no value is NaN or infinite.
pub fn finite(tensor: &Tensor) -> Result<bool, TchError> {
    Ok(tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? != 0)
}

/// The values of a tensor, row-major, in this machine's byte order (safetensors is little-endian, as are all machines
/// that libtorch is built for).
pub fn bytes_of(tensor: &Tensor) -> Result<Vec<u8>, TchError> {
    let tensor = tensor.f_contiguous()?;
    let count = tensor.numel();
    let mut bytes = vec![0; count * tensor.f_kind()?.elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, count)?;
    Ok(bytes)
}
