//! The 18 feature maps of the U-Net of Fig. 4, as data.

use serde::{Deserialize, Serialize};

/// How many feature maps the network gives: two in each of its nine blocks.
pub const LAYER_COUNT: usize = 18;

/// The three groups in which the paper discusses the layers (Fig. 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Layers 1 to 4: they still look like the image.
    Early,
    /// Layers 5 to 14: a half to a sixteenth of the resolution, abstract.
    DeepAbstract,
    /// Layers 15 to 18: they look like the mask.
    Late,
}

impl Group {
    /// All groups, from the image to the mask.
    pub const ALL: [Group; 3] = [Group::Early, Group::DeepAbstract, Group::Late];
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Group::Early => "early",
            Group::DeepAbstract => "deep abstract",
            Group::Late => "late",
        })
    }
}

/// One row of the table: a feature map after convolution, batch norm and ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// 1 to 18, in the order in which the network computes them.
    pub number: usize,
    /// `block.position`, as in `encoder1.2`.
    pub name: &'static str,
    /// Early, deep abstract or late.
    pub group: Group,
    /// The block, in words: `encoder 1` to `encoder 4`, `bottleneck`, `decoder 4` to `decoder 1`.
    pub level: &'static str,
    /// Channels as a multiple of the base width.
    pub width: i64,
    /// The image's side over the map's side: 1, 2, 4, 8 or 16.
    pub downsampling: i64,
}

impl Layer {
    /// Channels of this map in a network of the given base width.
    pub fn channels(&self, base_width: i64) -> i64 {
        self.width * base_width
    }

    /// The layer of a number from 1 to 18.
    pub fn by_number(number: usize) -> Option<&'static Layer> {
        number.checked_sub(1).and_then(|index| LAYERS.get(index))
    }

    /// The layer of a name such as `decoder1.2`.
    pub fn by_name(name: &str) -> Option<&'static Layer> {
        LAYERS.iter().find(|layer| layer.name == name)
    }
}

/// The table of `Fig. 4`, layer 1 first.
pub const LAYERS: [Layer; LAYER_COUNT] = {
    use Group::{DeepAbstract, Early, Late};
    [
        layer(1, "encoder1.1", Early, "encoder 1", 1, 1),
        layer(2, "encoder1.2", Early, "encoder 1", 1, 1),
        layer(3, "encoder2.1", Early, "encoder 2", 2, 2),
        layer(4, "encoder2.2", Early, "encoder 2", 2, 2),
        layer(5, "encoder3.1", DeepAbstract, "encoder 3", 4, 4),
        layer(6, "encoder3.2", DeepAbstract, "encoder 3", 4, 4),
        layer(7, "encoder4.1", DeepAbstract, "encoder 4", 8, 8),
        layer(8, "encoder4.2", DeepAbstract, "encoder 4", 8, 8),
        layer(9, "bottleneck.1", DeepAbstract, "bottleneck", 16, 16),
        layer(10, "bottleneck.2", DeepAbstract, "bottleneck", 16, 16),
        layer(11, "decoder4.1", DeepAbstract, "decoder 4", 8, 8),
        layer(12, "decoder4.2", DeepAbstract, "decoder 4", 8, 8),
        layer(13, "decoder3.1", DeepAbstract, "decoder 3", 4, 4),
        layer(14, "decoder3.2", DeepAbstract, "decoder 3", 4, 4),
        layer(15, "decoder2.1", Late, "decoder 2", 2, 2),
        layer(16, "decoder2.2", Late, "decoder 2", 2, 2),
        layer(17, "decoder1.1", Late, "decoder 1", 1, 1),
        layer(18, "decoder1.2", Late, "decoder 1", 1, 1),
    ]
};

const fn layer(
    number: usize,
    name: &'static str,
    group: Group,
    level: &'static str,
    width: i64,
    downsampling: i64,
) -> Layer {
    Layer {
        number,
        name,
        group,
        level,
        width,
        downsampling,
    }
}
