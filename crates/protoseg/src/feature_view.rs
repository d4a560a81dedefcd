//! Access to a feature tensor's memory.

use tch::{Device, Kind, Tensor};

use crate::error::ProtosegError;

/// Memory layout of a feature map `[B, C, *s]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Plane after plane (contiguous).
    Nchw,
    /// All channels of a grid position together (channels-last).
    Nhwc,
}

/// A dense float32 tensor in one of the two layouts: the caller's, or a copy where it has neither.
pub(crate) struct Features {
    tensor: Tensor,
    layout: Layout,
}

/// The values of [`Features`] with their sizes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeatureView<'a> {
    values: &'a [f32],
    pub batch: usize,
    pub channels: usize,
    pub positions: usize,
    pub layout: Layout,
}

impl Features {
    /// Without a copy for float32 tensors that are contiguous or channels-last.
    pub fn new(feature: &Tensor) -> Result<Features, ProtosegError> {
        if feature.device() != Device::Cpu {
            return Err(ProtosegError::Device {
                tensor: "feature",
                device: feature.device(),
            });
        }
        let mut tensor = feature.f_detach()?.f_to_kind(Kind::Float)?;
        let last: Vec<i64> = std::iter::once(0)
            .chain(2..tensor.dim() as i64)
            .chain([1])
            .collect();
        let layout = if tensor.is_contiguous() {
            Layout::Nchw
        } else if tensor.f_permute(last.as_slice())?.is_contiguous() {
            Layout::Nhwc
        } else {
            tensor = tensor.f_contiguous()?;
            Layout::Nchw
        };
        Ok(Features { tensor, layout })
    }

    /// The size `*s`.
    pub fn size(&self) -> Vec<i64> {
        self.tensor.size()[2..].to_vec()
    }

    pub fn view(&self) -> FeatureView<'_> {
        let size = self.tensor.size();
        // SAFETY: a dense CPU float32 tensor (made so in `new`), kept alive by `self`; nothing writes to it while it is
        // borrowed, since the thread that owns it is in this call.
        let values =
            unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast::<f32>(), self.tensor.numel()) };
        let (batch, channels) = (size[0] as usize, size[1] as usize);
        let positions = size[2..].iter().product::<i64>() as usize;
        FeatureView {
            values,
            batch,
            channels,
            positions,
            layout: self.layout,
        }
    }
}

impl<'a> FeatureView<'a> {
    /// All values of one image: `[C, positions]` or `[positions, C]` as [`Layout`] says.
    pub fn image(&self, image: usize) -> &'a [f32] {
        let length = self.channels * self.positions;
        &self.values[image * length..(image + 1) * length]
    }

    /// The values of plane `image * C + channel`, for the NCHW layout.
    pub fn plane(&self, plane: usize) -> &'a [f32] {
        &self.values[plane * self.positions..(plane + 1) * self.positions]
    }
}

/// Which images `[B, ..]` of a float32 tensor on the CPU hold no NaN and no infinity.
pub(crate) fn finite_images(values: &Tensor) -> Result<Vec<bool>, ProtosegError> {
    const EXPONENT: u32 = 0x7f80_0000;
    let features = Features::new(values)?;
    let view = features.view();
    // Without a branch, so that it vectorises: all bits of the exponent are set in NaN and infinity only.
    let finite = |image| {
        let strange = |found, value: &f32| found | u32::from(value.to_bits() & EXPONENT == EXPONENT);
        view.image(image).iter().fold(0, strange) == 0
    };
    Ok((0..view.batch).map(finite).collect())
}
