//! Data sets and damage.
