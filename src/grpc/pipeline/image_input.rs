//! From the image of a request to pixels.

use bytes::Bytes;
use sagate_core::imaging::{self, Dtype, Format, Image, ImagingError, Limits, Picture};
use sagate_core::model::Manifest;
use sha2::{Digest, Sha256};

use super::validate::parse_enum;
use crate::config::ImagingSettings;
use crate::grpc::error::ServiceError;
use crate::proto::v1;

/// The name of the image in error messages: the server does not know its file name, which may identify a patient.
const NAME: &str = "image";

/// The bytes of an image as they were sent, with their encoding.
#[derive(Clone)]
pub(crate) struct ImagePayload {
    data: Bytes,
    kind: PayloadKind,
}

#[derive(Clone)]
enum PayloadKind {
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

impl ImagePayload {
    /// Validates everything but the content.
    ///
    /// # Errors
    /// The first field that is missing or wrong.
    pub fn new(image: Option<v1::Image>) -> Result<ImagePayload, ServiceError> {
        match image.and_then(|image| image.source) {
            None => Err(ServiceError::field("image", "missing", "a tensor or a file")),
            Some(v1::image::Source::Tensor(tensor)) => ImagePayload::tensor(tensor),
            Some(v1::image::Source::File(file)) => {
                if file.data.is_empty() {
                    return Err(ServiceError::field(
                        "image.file.data",
                        "empty",
                        "the bytes of a file",
                    ));
                }
                let format = match parse_enum("image.file.format", file.format)? {
                    v1::FileFormat::Unspecified => None,
                    v1::FileFormat::Nifti => Some(Format::Nifti),
                    v1::FileFormat::Png => Some(Format::Png),
                    v1::FileFormat::Jpeg => Some(Format::Jpeg),
                    v1::FileFormat::Npy => Some(Format::Npy),
                    v1::FileFormat::Safetensors => Some(Format::Safetensors),
                };
                let kind = PayloadKind::File {
                    format,
                    slice: file.slice.map(|slice| slice as usize),
                };
                Ok(ImagePayload {
                    data: file.data,
                    kind,
                })
            }
        }
    }

    fn tensor(tensor: v1::Tensor) -> Result<ImagePayload, ServiceError> {
        let dtype = match parse_enum("image.tensor.data_type", tensor.data_type)? {
            v1::DataType::Unspecified => {
                let right = "UINT8, INT16, UINT16, FLOAT16 or FLOAT32";
                return Err(ServiceError::field("image.tensor.data_type", "missing", right));
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
        let kind = PayloadKind::Tensor {
            dtype,
            shape: tensor.shape.iter().map(|&side| side as usize).collect(),
            spacing,
        };
        Ok(ImagePayload {
            data: tensor.data,
            kind,
        })
    }

    /// Bytes as they were sent.
    pub fn bytes(&self) -> u64 {
        self.data.len() as u64
    }

    /// Number of values, if known before decoding.
    pub fn values(&self) -> Option<usize> {
        match &self.kind {
            PayloadKind::Tensor { dtype, .. } => Some(self.data.len() / dtype.size()),
            PayloadKind::File { .. } => None,
        }
    }

    /// SHA-256 of the bytes as they were sent.
    pub fn hash(&self) -> String {
        Sha256::digest(&self.data)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Decodes the pixels. Slow for large images: not for an async thread.
    ///
    /// # Errors
    /// Invalid content, or a volume without `slice`.
    pub fn decode(
        self,
        manifest: &Manifest,
        limits: &Limits,
        settings: ImagingSettings,
    ) -> Result<Image, ServiceError> {
        match self.kind {
            PayloadKind::Tensor {
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
            PayloadKind::File { format, slice } => {
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
