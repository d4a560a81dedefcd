//! JPEG, by libjpeg (mozjpeg's, which decodes as libjpeg-turbo does). libjpeg only warns of missing or damaged data and fills the picture
//! with grey, which a network could take for tissue; here its warnings are errors.

mod libjpeg;
mod segments;

use ndarray::Array3;
use segments::{Frame, Segments};

use super::{Image, ImagingError, Limits};

const FORMAT: &str = "JPEG";

/// Reads a JPEG: grey becomes one channel, colour three, 0..=255.
pub(super) fn decode(bytes: &[u8], name: &str, limits: &Limits) -> Result<Image, ImagingError> {
    let segments = Segments::read(bytes, name)?;
    let frame = &segments.frame;
    let channels = if frame.components.len() == 1 { 1 } else { 3 };
    let (height, width) = (usize::from(frame.height), usize::from(frame.width));
    let values = limits.check(
        name,
        "JPEG width x height x channels",
        &[frame.width.into(), frame.height.into(), channels],
        1,
    )?;
    if segments.scans > 1 {
        limits.check_bytes(name, "size of the JPEG's coefficients", coefficient_bytes(frame))?;
    }
    segments.require_complete(name)?;
    let samples = match frame.components.len() {
        1 => libjpeg::grey(bytes),
        3 => libjpeg::rgb(bytes),
        _ => libjpeg::cmyk(bytes).map(|inks| rgb_of_inks(&inks)),
    };
    let samples = samples.map_err(|reason| ImagingError::damaged(name, FORMAT, reason))?;
    if samples.len() != values {
        let reason = format!("it holds {} values; its header says {values}", samples.len());
        return Err(ImagingError::damaged(name, FORMAT, reason));
    }
    let samples: Vec<f32> = samples.into_iter().map(f32::from).collect();
    let interleaved = Array3::from_shape_vec((height, width, channels as usize), samples)
        .map_err(|error| ImagingError::damaged(name, FORMAT, error))?;
    let pixels = interleaved
        .permuted_axes([2, 0, 1])
        .as_standard_layout()
        .into_owned();
    Ok(Image::new(pixels, [1.0; 2]).with_orientation(segments.orientation))
}

/// What libjpeg keeps of a picture of several scans: two bytes a sample, whole blocks of 8 x 8 throughout.
fn coefficient_bytes(frame: &Frame) -> u64 {
    let most = |of: fn(&segments::Component) -> u8| frame.components.iter().map(of).max().unwrap_or(1);
    let (across, down) = (most(|it| it.across), most(|it| it.down));
    let units = |side: u16, most: u8| u64::from(side).div_ceil(8 * u64::from(most));
    let units = units(frame.width, across) * units(frame.height, down);
    let blocks = |it: &segments::Component| u64::from(it.across) * u64::from(it.down);
    units * frame.components.iter().map(blocks).sum::<u64>() * 128
}

/// Cyan, magenta, yellow and black, inverted as Adobe stores them, as red, green and blue: by the ink alone, without a colour
/// profile, rounded as Pillow rounds it.
fn rgb_of_inks(inks: &[u8]) -> Vec<u8> {
    let (pixels, _) = inks.as_chunks::<4>();
    let share = |ink: u8, light: u8| {
        let product = u32::from(255 - ink) * u32::from(light) + 128;
        let absorbed = ((product >> 8) + product) >> 8;
        light.saturating_sub(absorbed as u8)
    };
    pixels
        .iter()
        .flat_map(|&[cyan, magenta, yellow, light]| [cyan, magenta, yellow].map(|ink| share(ink, light)))
        .collect()
}
