//! The steps of one image's call: [`validate`], [`image_input`], [`admit`], [`respond`].

pub(crate) mod admit;
pub(crate) mod caller;
pub(crate) mod grid;
pub(crate) mod image_input;
pub(crate) mod messages;
pub(crate) mod respond;
pub(crate) mod validate;
