//! An uninitialised tensor that kernels write in place.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use tch::kind::Element;
use tch::{Device, TchError, Tensor};

/// A dense uninitialised CPU tensor.
pub struct UninitTensor<T> {
    tensor: Tensor,
    values: PhantomData<T>,
}

impl<T: Element> UninitTensor<T> {
    /// A tensor of this shape.
    ///
    /// # Errors
    /// libtorch has no memory for it.
    pub fn new(size: &[i64]) -> Result<UninitTensor<T>, TchError> {
        Ok(UninitTensor {
            tensor: Tensor::f_empty(size, (T::KIND, Device::Cpu))?,
            values: PhantomData,
        })
    }

    /// All values, in the order of a contiguous tensor.
    pub fn values(&mut self) -> &mut [MaybeUninit<T>] {
        // SAFETY: a dense CPU tensor of `numel` values of `T` (made so in `new`) that nobody else has, kept alive and not to
        // be touched otherwise by the borrow of `self`.
        unsafe { std::slice::from_raw_parts_mut(self.tensor.data_ptr().cast(), self.tensor.numel()) }
    }

    /// The tensor, once every value is written.
    pub fn into_tensor(self) -> Tensor {
        self.tensor
    }
}
