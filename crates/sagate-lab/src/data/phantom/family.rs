//! The five families by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data::DataError;

/// A family of phantoms, named after the data set that it stands in for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Brain MR in four modalities with a bright lesion.
    BratsLike,
    /// Photographs of the skin with one large lesion.
    IsicLike,
    /// CT of the chest with diffuse lesions in both lungs.
    CovidLike,
    /// MR of the pelvis in two modalities with one round organ among look-alikes.
    ProstateLike,
    /// CT of the abdomen with a small organ as bright as its neighbours.
    PancreasLike,
}

impl Family {
    /// All families, in the order of the paper's tables.
    pub const ALL: [Self; 5] = [
        Self::BratsLike,
        Self::IsicLike,
        Self::CovidLike,
        Self::ProstateLike,
        Self::PancreasLike,
    ];

    /// The name used in files, flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::BratsLike => "brats-like",
            Self::IsicLike => "isic-like",
            Self::CovidLike => "covid-like",
            Self::ProstateLike => "prostate-like",
            Self::PancreasLike => "pancreas-like",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Family {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let found = Self::ALL.into_iter().find(|family| family.name() == text);
        found.ok_or_else(|| DataError::Plan {
            field: "family",
            was: format!("'{text}'"),
            want: Self::ALL.map(Self::name).join(", "),
        })
    }
}
