//! The results of each epoch: `history.csv`.

use serde::{Deserialize, Serialize};

/// One epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// From 1.
    pub epoch: u32,
    /// Steps made until its end.
    pub step: u64,
    /// Its learning rate.
    #[serde(with = "exact")]
    pub learning_rate: f64,
    /// Mean loss over the training images.
    #[serde(with = "exact")]
    pub loss: f64,
    /// The cross-entropy's part of it.
    #[serde(with = "exact")]
    pub cross_entropy: f64,
    /// The mean of `1 - softDice` over the feature maps, before `lambda`; 0 for the offline loss.
    #[serde(with = "exact")]
    pub online: f64,
    /// Mean cross-entropy over the validation images.
    #[serde(with = "exact")]
    pub validation_loss: f64,
    /// Mean Dice of the output over validation images, 0 to 1: of each, the mean over the classes that output or truth
    /// holds, 1 where neither holds any.
    #[serde(with = "exact")]
    pub validation_dice: f64,
    /// Wall-clock time of the epoch, validation included.
    #[serde(with = "exact")]
    pub seconds: f64,
}

/// The rows as CSV with a heading.
pub(super) fn csv(rows: &[Row]) -> String {
    let mut text =
        "epoch,step,learning_rate,loss,cross_entropy,online,validation_loss,validation_dice,seconds\n"
            .to_owned();
    for row in rows {
        text.push_str(&format!(
            "{},{},{:e},{:.6},{:.6},{:.6},{:.6},{:.6},{:.2}\n",
            row.epoch,
            row.step,
            row.learning_rate,
            row.loss,
            row.cross_entropy,
            row.online,
            row.validation_loss,
            row.validation_dice,
            row.seconds
        ));
    }
    text
}

/// Numbers as text with all their digits: JSON readers may lose the last bit of a number, and a resumed training must not.
pub(super) mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| D::Error::custom(format!("'{text}' is no number")))
    }
}
