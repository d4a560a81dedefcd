//! Collection of feature maps during a forward pass.

use std::collections::BTreeMap;

use tch::{Device, Kind, TchError, Tensor};

use super::bucket::Extents;

/// Counts the layers of a forward pass and keeps the wanted feature maps.
pub(super) struct Taps<'a> {
    wanted: &'a [usize],
    next: usize,
    kept: BTreeMap<usize, Tensor>,
    extents: &'a Extents<'a>,
}

impl<'a> Taps<'a> {
    /// Keeps the layers of these numbers.
    pub fn new(wanted: &'a [usize], extents: &'a Extents<'a>) -> Taps<'a> {
        Taps {
            wanted,
            next: 1,
            kept: BTreeMap::new(),
            extents,
        }
    }

    /// The kept feature maps by layer number.
    pub fn into_feature_maps(self) -> BTreeMap<usize, Tensor> {
        self.kept
    }
}

impl Taps<'_> {
    /// Takes the feature map of the next layer.
    pub fn visit(&mut self, map: &Tensor) -> Result<(), TchError> {
        self.extents.clear(map)?;
        if self.wanted.contains(&self.next) {
            let kept = match map.device() {
                // The CPU kernels need single precision; a no-op where the map has it.
                Device::Cpu => map.f_to_kind(Kind::Float)?,
                _ => map.shallow_clone(),
            };
            self.kept.insert(self.next, kept);
        }
        self.next += 1;
        Ok(())
    }
}
