//! A model as a user keeps it: a folder.
