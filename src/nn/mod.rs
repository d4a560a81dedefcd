//! Networks that give an output and its feature maps.
