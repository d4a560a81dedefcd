//! One training step: a network, its optimiser and a batch.

use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::layout::kernels_channels_last;
use sagate_core::nn::unet::{UNet, UNetConfig};
use tch::{Device, nn};

use super::adam::Adam;
use super::batch::{Batch, Tensors};
use super::error::TrainError;
use super::loss::{Losses, losses};
use super::recipe::Recipe;
use super::samples::Sample;

/// A network in training.
#[derive(Debug)]
pub struct Stepper {
    pub(super) store: nn::VarStore,
    pub(super) network: UNet,
    pub(super) adam: Adam,
    device: Device,
}

/// The loss of a step, before the update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepLoss {
    /// The minimised loss.
    pub total: f64,
    /// The cross-entropy of the output.
    pub cross_entropy: f64,
    /// The mean of `1 - softDice` over the 18 feature maps; 0 for the offline loss.
    pub online: f64,
}

impl Stepper {
    /// A new network, its kernels drawn from the seed.
    ///
    /// # Errors
    /// Parameters out of range, or libtorch failing.
    pub fn new(config: &UNetConfig, seed: u64, device: Device) -> Result<Stepper, TrainError> {
        let store = nn::VarStore::new(device);
        let network = UNet::new(&store.root(), config, seed)?;
        kernels_channels_last(&store)?;
        let adam = Adam::new(&store)?;
        Ok(Stepper {
            store,
            network,
            adam,
            device,
        })
    }

    /// Puts weights in place of the network's own.
    ///
    /// # Errors
    /// Weights that are not those of the network.
    pub fn begin_from(&mut self, weights: &Weights) -> Result<(), TrainError> {
        Ok(weights.copy_into(&self.store)?)
    }

    /// The weights as they are now.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn weights(&self) -> Result<Weights, TrainError> {
        Ok(Weights::from_store(&self.store)?)
    }

    /// Makes one step on some samples of one batch, which have as many channels as the network takes, by a recipe's loss and at a
    /// learning rate. Where the loss is not finite, nothing moves.
    ///
    /// # Errors
    /// Samples that do not fit, or libtorch failing.
    pub fn step(
        &mut self,
        recipe: &Recipe,
        samples: &[Sample],
        learning_rate: f64,
    ) -> Result<StepLoss, TrainError> {
        let channels = self.network.config().in_channels as usize;
        let batch = Batch::new(samples, channels).tensors(self.device)?;
        self.step_on(recipe, &batch, learning_rate)
    }

    pub(super) fn step_on(
        &mut self,
        recipe: &Recipe,
        batch: &Tensors,
        learning_rate: f64,
    ) -> Result<StepLoss, TrainError> {
        let forward = self.network.forward_t(&batch.pixels, true)?;
        let Losses {
            root,
            total,
            cross_entropy,
            online,
        } = losses(recipe, &forward, batch)?;
        // The graph keeps the feature maps that it needs.
        drop(forward);
        if total.is_finite() {
            self.adam.descend(&root, learning_rate)?;
        }
        Ok(StepLoss {
            total,
            cross_entropy,
            online,
        })
    }
}
