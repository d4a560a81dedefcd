//! Channels-last memory layout, for which libtorch has faster convolutions. tch has no argument for it, so it is set through strides.

use tch::{TchError, Tensor, nn};

/// The same `[B, C, H, W]` tensor with its channels next to each other in memory: strides `[HWC, 1, WC, C]`. A copy,
/// unless the values lie that way already.
///
/// # Errors
/// When the tensor has not four dimensions, or libtorch cannot allocate.
pub fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    let (batch, channels, height, width) = tensor.size4()?;
    let rows = tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    // `contiguous` keeps the stride of a side of length 1, and libtorch would not recognise the layout.
    let strides = [height * width * channels, width * channels, channels, 1];
    rows.f_as_strided([batch, height, width, channels], strides, None)?
        .f_permute([0, 3, 1, 2])
}

/// Converts every kernel of a store to channels-last; values and names stay.
///
/// # Errors
/// When libtorch cannot allocate.
pub fn kernels_channels_last(store: &nn::VarStore) -> Result<(), TchError> {
    tch::no_grad(|| {
        for (_, mut variable) in store.variables() {
            if variable.dim() == 4 {
                let data = channels_last(&variable.f_detach()?)?;
                variable.f_set_data(&data)?;
            }
        }
        Ok(())
    })
}
