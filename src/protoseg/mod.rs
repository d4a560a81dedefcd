//! The method: prototypes, SAMs, SA scores, mu.
