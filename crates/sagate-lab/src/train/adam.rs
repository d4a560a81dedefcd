//! Adam (Kingma and Ba 2015) with accessible moments, so that a training can be saved and resumed: tch's own
//! optimiser does not expose them. The arithmetic is torch's.

use std::collections::BTreeMap;

use tch::{TchError, Tensor, nn};

/// Decay of the first moment.
const BETA_1: f64 = 0.9;
/// Decay of the second moment.
const BETA_2: f64 = 0.999;
/// Added to the root of the second moment.
const EPSILON: f64 = 1e-8;

/// The optimiser over all trainable variables of a store.
#[derive(Debug)]
pub struct Adam {
    slots: BTreeMap<String, Slot>,
    step: u64,
}

/// A variable with its moments.
#[derive(Debug)]
struct Slot {
    variable: Tensor,
    moments: Moments,
}

/// Running means of a variable's gradient and of its square, each in the variable's shape.
#[derive(Debug)]
pub struct Moments {
    /// Mean of the gradient.
    pub first: Tensor,
    /// Mean of the squared gradient.
    pub second: Tensor,
}

impl Adam {
    /// An optimiser with zero moments.
    ///
    /// # Errors
    /// When libtorch cannot allocate.
    pub fn new(store: &nn::VarStore) -> Result<Adam, TchError> {
        let mut slots = BTreeMap::new();
        for (name, variable) in store.variables() {
            if variable.requires_grad() {
                let moments = tch::no_grad(|| {
                    Ok::<_, TchError>(Moments {
                        first: variable.f_zeros_like()?,
                        second: variable.f_zeros_like()?,
                    })
                })?;
                slots.insert(name, Slot { variable, moments });
            }
        }
        Ok(Adam { slots, step: 0 })
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Every trainable variable's name and moments, by name.
    pub fn moments(&self) -> impl Iterator<Item = (&str, &Moments)> {
        self.slots
            .iter()
            .map(|(name, slot)| (name.as_str(), &slot.moments))
    }

    /// Restores the number of steps and the moments of each variable.
    ///
    /// # Errors
    /// What `moments` fails with, or a shape that is not the variable's.
    pub fn restore<E: From<TchError>>(
        &mut self,
        steps: u64,
        mut moments: impl FnMut(&str) -> Result<Moments, E>,
    ) -> Result<(), E> {
        for (name, slot) in &mut self.slots {
            let saved = moments(name)?;
            slot.moments.first.f_copy_(&saved.first)?;
            slot.moments.second.f_copy_(&saved.second)?;
        }
        self.step = steps;
        Ok(())
    }

    /// Moves every variable against the loss's gradient.
    ///
    /// # Errors
    /// When the loss does not depend on some variable, or libtorch fails.
    pub fn descend(&mut self, loss: &Tensor, learning_rate: f64) -> Result<(), TchError> {
        let variables: Vec<&Tensor> = self.slots.values().map(|slot| &slot.variable).collect();
        let gradients = Tensor::f_run_backward(&[loss], &variables, false, false)?;
        self.step += 1;
        let exponent = i32::try_from(self.step).unwrap_or(i32::MAX);
        let first_correction = 1.0 - BETA_1.powi(exponent);
        let second_correction = (1.0 - BETA_2.powi(exponent)).sqrt();
        let rate = learning_rate / first_correction;
        tch::no_grad(|| {
            for (slot, gradient) in self.slots.values_mut().zip(gradients) {
                let Slot {
                    variable,
                    moments: Moments { first, second },
                } = slot;
                let _ = first.f_lerp_(&gradient, 1.0 - BETA_1)?;
                let mut square = gradient.f_mul(&gradient)?;
                let _ = square.f_mul_scalar_(1.0 - BETA_2)?;
                let _ = second.f_mul_scalar_(BETA_2)?.f_add_(&square)?;
                let mut denominator = second.f_sqrt()?;
                let _ = denominator
                    .f_div_scalar_(second_correction)?
                    .f_add_scalar_(EPSILON)?;
                let mut change = first.f_div(&denominator)?;
                let _ = change.f_mul_scalar_(rate)?;
                let _ = variable.f_sub_(&change)?;
            }
            Ok(())
        })
    }
}
