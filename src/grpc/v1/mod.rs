//! The methods of `sagate.v1`.

pub(crate) mod admin;
pub(crate) mod interpret;
pub(crate) mod models;
pub(crate) mod quality_control;
pub(crate) mod segment;
pub(crate) mod status;
pub(crate) mod stream;
