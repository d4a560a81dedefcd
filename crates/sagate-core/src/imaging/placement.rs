//! Where an image or a volume lies in the patient, and whether a mask lies where its image does.

use super::{Image, ImagingError, Picture, Volume};

/// How far a corner of a mask may lie from where its image has it, in voxels of the image. Headers written by different
/// programs differ by rounding, far below this; a shift by a voxel is far above.
const TOLERANCE: f64 = 0.1;

/// Where a NIfTI file says that an image or a volume lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    oriented: bool,
    /// Elements along each axis.
    extent: Vec<usize>,
    /// Millimetres along x, y and z per step along each axis.
    steps: Vec<[f64; 3]>,
    /// The place of the first element.
    origin: [f64; 3],
}

impl Image {
    /// Where the image lies; none where it comes from no NIfTI file, which could have said so.
    pub fn placement(&self) -> Option<Placement> {
        let geometry = self.geometry.as_ref()?;
        let affine = geometry.affine();
        let (_, height, width) = self.pixels.dim();
        Some(Placement {
            oriented: geometry.is_oriented(),
            extent: vec![height, width],
            steps: (0..2).map(|axis| affine.map(|row| row[axis])).collect(),
            origin: affine.map(|row| row[2]),
        })
    }
}

impl Volume {
    /// Where the volume lies; none where it comes from no NIfTI file, which could have said so.
    pub fn placement(&self) -> Option<Placement> {
        let oriented = self.geometry.oriented()?;
        let affine = self.affine();
        let (_, x, y, z) = self.voxels.dim();
        Some(Placement {
            oriented,
            extent: vec![x, y, z],
            steps: (0..3).map(|axis| affine.map(|row| row[axis])).collect(),
            origin: affine.map(|row| row[3]),
        })
    }
}

impl Picture {
    /// Where the picture lies; none where it comes from no NIfTI file, which could have said so.
    pub fn placement(&self) -> Option<Placement> {
        match self {
            Self::Image(image) => image.placement(),
            Self::Volume(volume) => volume.placement(),
        }
    }
}

impl Placement {
    /// Whether the file says how its axes lie. Where it does not (`sform_code` and `qform_code` 0), they are taken to run to
    /// the left, to the front and to the head.
    pub fn is_oriented(&self) -> bool {
        self.oriented
    }

    /// The greatest distance between the same corner of two grids of one extent.
    fn farthest(&self, other: &Placement) -> f64 {
        let corners = 0..1usize << self.extent.len();
        let distance = |corner: usize| {
            let (a, b) = (self.corner(corner), other.corner(corner));
            (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum::<f64>().sqrt()
        };
        // NaN from overflow counts as infinitely far.
        let farther = |most: f64, far: f64| {
            if far.is_nan() {
                f64::INFINITY
            } else {
                most.max(far)
            }
        };
        corners.map(distance).fold(0.0, farther)
    }

    /// Each bit of `corner` says whether it is the last along that axis.
    fn corner(&self, corner: usize) -> [f64; 3] {
        let mut place = self.origin;
        for (axis, step) in self.steps.iter().enumerate() {
            if corner >> axis & 1 == 1 {
                let last = (self.extent[axis] - 1) as f64;
                (0..3).for_each(|world| place[world] += step[world] * last);
            }
        }
        place
    }

    /// The shortest step.
    fn finest(&self) -> f64 {
        let length = |step: &[f64; 3]| step.iter().map(|value| value * value).sum::<f64>().sqrt();
        self.steps.iter().map(length).fold(f64::INFINITY, f64::min)
    }
}

/// Refuses a mask whose file says that it lies elsewhere than its image: volumes are compared in RAS+ order, so that files
/// whose axes are permuted or flipped against each other fit where they lie at one place. Of two NIfTI files both or
/// neither must say how they lie. Where one of them is of another format, or the shapes differ, there is nothing to compare.
///
/// # Errors
/// [`ImagingError::Misplaced`] beyond a tenth of a voxel; [`ImagingError::Field`] where only one file has an orientation.
pub fn require_aligned(
    mask: Option<&Placement>,
    mask_name: &str,
    image: Option<&Placement>,
    image_name: &str,
) -> Result<(), ImagingError> {
    let (Some(mask), Some(image)) = (mask, image) else {
        return Ok(());
    };
    if mask.oriented != image.oriented {
        let (without, other) = if mask.oriented {
            (image_name, mask_name)
        } else {
            (mask_name, image_name)
        };
        return Err(ImagingError::field(
            without,
            "orientation",
            "missing (sform_code and qform_code are 0)",
            format!("set, as that of {other} is: otherwise nobody knows whether the two lie at one place"),
        ));
    }
    if mask.extent != image.extent {
        return Ok(());
    }
    let (millimetres, allowed) = (mask.farthest(image), TOLERANCE * image.finest());
    if millimetres <= allowed {
        return Ok(());
    }
    Err(ImagingError::Misplaced {
        file: mask_name.to_owned(),
        image: image_name.to_owned(),
        millimetres,
        allowed,
    })
}
