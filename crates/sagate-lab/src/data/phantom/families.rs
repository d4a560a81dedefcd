//! The profile of each family.

use super::family::Family;
use super::profile::Profile;
use super::{brats, covid, isic, pancreas, prostate};

impl Family {
    pub(super) fn profile(self) -> &'static Profile {
        match self {
            Self::BratsLike => &brats::PROFILE,
            Self::IsicLike => &isic::PROFILE,
            Self::CovidLike => &covid::PROFILE,
            Self::ProstateLike => &prostate::PROFILE,
            Self::PancreasLike => &pancreas::PROFILE,
        }
    }
}
