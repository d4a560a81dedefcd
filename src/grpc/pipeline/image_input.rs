//! From the image of a request to pixels.

use bytes::Bytes;
use sagate_core::imaging::{self, Dtype, Format, Image, ImagingError, Limits, Picture};
use sagate_core::model::Manifest;
use sha2::{Digest, Sha256};

use super::validate::known;
use crate::config::ImagingSettings;
use crate::grpc::error::ServiceError;
use crate::proto::v1;

/// What messages call the image: its file's name is not known here, and is none of the server's business.
const NAME: &str = "image";

/// The bytes of an image as they were sent, with how they are to be read.
#[derive(Clone)]
pub(crate) struct Sent {
    data: Bytes,
    reading: Reading,
}

#[derive(Clone)]
enum Reading {
    Tensor {
        dtype: Dtype,
        shape: Vec<usize>,
        spacing: Option<[f64; 2]>,
    },
    File {
        format: Option<Format>,
        slice: Option<usize>,
    },
}

impl Sent {
    /// Checks everything but the content.
    ///
    /// # Errors
    /// The first field that is missing or wrong.
    pub fn new(image: Option<v1::Image>) -> Result<Sent, ServiceError> {
        match image.and_then(|image| image.source) {
            None => Err(ServiceError::field("image", "missing", "a tensor or a file")),
            Some(v1::image::Source::Tensor(tensor)) => Sent::tensor(tensor),
            Some(v1::image::Source::File(file)) => {
                if file.data.is_empty() {
                    return Err(ServiceError::field(
                        "image.file.data",
                        "empty",
                        "the bytes of a file",
                    ));
                }
                let format = match known("image.file.format", file.format)? {
                    v1::FileFormat::Unspecified => None,
                    v1::FileFormat::Nifti => Some(Format::Nifti),
                    v1::FileFormat::Png => Some(Format::Png),
                    v1::FileFormat::Jpeg => Some(Format::Jpeg),
                    v1::FileFormat::Npy => Some(Format::Npy),
                    v1::FileFormat::Safetensors => Some(Format::Safetensors),
                };
                let reading = Reading::File {
                    format,
                    slice: file.slice.map(|slice| slice as usize),
                };
                Ok(Sent {
                    data: file.data,
                    reading,
                })
            }
        }
    }

    fn tensor(tensor: v1::Tensor) -> Result<Sent, ServiceError> {
        let dtype = match known("image.tensor.data_type", tensor.data_type)? {
            v1::DataType::Unspecified => {
                let right = "UINT8, INT16, UINT16, FLOAT16 or FLOAT32";
                return Err(ServiceError::field("image.tensor.data_type", "not said", right));
            }
            v1::DataType::Uint8 => Dtype::U8,
            v1::DataType::Int16 => Dtype::I16,
            v1::DataType::Uint16 => Dtype::U16,
            v1::DataType::Float16 => Dtype::F16,
            v1::DataType::Float32 => Dtype::F32,
        };
        let spacing = match tensor.spacing[..] {
            [] => None,
            [row, column] if row.is_finite() && column.is_finite() && row > 0.0 && column > 0.0 => {
                Some([row, column])
            }
            _ => {
                let is = format!("{:?}", tensor.spacing);
                let right = "empty, or two positive numbers: millimetres per row step and per column step";
                return Err(ServiceError::field("image.tensor.spacing", is, right));
            }
        };
        let reading = Reading::Tensor {
            dtype,
            shape: tensor.shape.iter().map(|&side| side as usize).collect(),
            spacing,
        };
        Ok(Sent {
            data: tensor.data,
            reading,
        })
    }

    /// Bytes as they were sent.
    pub fn bytes(&self) -> u64 {
        self.data.len() as u64
    }

    /// How many values it holds, where that is known before it is decoded.
    pub fn values(&self) -> Option<usize> {
        match &self.reading {
            Reading::Tensor { dtype, .. } => Some(self.data.len() / dtype.size()),
            Reading::File { .. } => None,
        }
    }

    /// SHA-256 of the bytes as they were sent.
    pub fn hash(&self) -> String {
        Sha256::digest(&self.data)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Reads the pixels. Takes as long as it takes: not for a thread that others wait for.
    ///
    /// # Errors
    /// Bytes that do not hold what they should, or a volume of which no slice is named.
    pub fn decode(
        self,
        manifest: &Manifest,
        limits: &Limits,
        settings: ImagingSettings,
    ) -> Result<Image, ServiceError> {
        match self.reading {
            Reading::Tensor {
                dtype,
                shape,
                spacing,
            } => {
                let field = "image.tensor";
                let picture = read(&self.data, Format::Raw { dtype, shape }, field, limits)?;
                let Picture::Image(mut image) = picture else {
                    return Err(ServiceError::Internal);
                };
                image.spacing = spacing.unwrap_or(image.spacing);
                Ok(image)
            }
            Reading::File { format, slice } => {
                let field = "image.file";
                let format = format.map_or_else(|| imaging::recognise(&self.data, NAME), Ok);
                let format = format.map_err(|source| ServiceError::Image { field, source })?;
                let image = one_slice(read(&self.data, format, field, limits)?, slice, manifest)?;
                Ok(match (settings.grey_from_rgb, manifest.input.channels.len()) {
                    (true, 1) => image.grey_if_equal(),
                    _ => image,
                })
            }
        }
    }
}

fn read(bytes: &[u8], format: Format, field: &'static str, limits: &Limits) -> Result<Picture, ServiceError> {
    imaging::decode(bytes, format, NAME, limits)
        .map_err(|source: ImagingError| ServiceError::Image { field, source })
}

fn one_slice(picture: Picture, slice: Option<usize>, manifest: &Manifest) -> Result<Image, ServiceError> {
    let volume = match picture {
        Picture::Image(image) => {
            return match slice {
                None | Some(0) => Ok(image),
                Some(slice) => Err(ServiceError::field(
                    "image.file.slice",
                    slice,
                    "absent or 0: the file holds one image",
                )),
            };
        }
        Picture::Volume(volume) => volume,
    };
    let plane = volume.single_plane().or(manifest.input.plane).ok_or_else(|| {
        let (_, x, y, z) = volume.voxels.dim();
        let is = format!("a volume of {x} x {y} x {z} voxels");
        let right = "a single slice: the model does not say in which plane it sees volumes";
        ServiceError::field("image.file.data", is, right)
    })?;
    let count = volume.extent(plane);
    let right = format!("a slice of the volume, 0 to {}", count - 1);
    match slice {
        Some(slice) if slice < count => Ok(volume.slice(plane, slice)),
        Some(slice) => Err(ServiceError::field("image.file.slice", slice, right)),
        None if count == 1 => Ok(volume.slice(plane, 0)),
        None => Err(ServiceError::field("image.file.slice", "missing", right)),
    }
}
