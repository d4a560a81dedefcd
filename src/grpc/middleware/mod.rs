//! Middleware of every call.

pub(crate) mod access;
pub(crate) mod auth;
pub(crate) mod call_start;
pub(crate) mod cors;
pub(crate) mod deadline;
