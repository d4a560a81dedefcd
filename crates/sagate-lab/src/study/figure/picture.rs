//! Pictures within serialized figures: as PNG in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, RgbImage};
use sagate_core::imaging::figure::encode_png;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(picture: &RgbImage, serializer: S) -> Result<S::Ok, S::Error> {
    let png = encode_png(picture).map_err(S::Error::custom)?;
    serializer.serialize_str(&STANDARD.encode(png))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RgbImage, D::Error> {
    let text = String::deserialize(deserializer)?;
    let png = STANDARD.decode(text).map_err(D::Error::custom)?;
    let picture = image::load_from_memory_with_format(&png, ImageFormat::Png).map_err(D::Error::custom)?;
    Ok(picture.into_rgb8())
}
