//! The SVG as a PNG, rendered with the built-in font alone.

use std::sync::{Arc, OnceLock};

use image::{Rgb, RgbImage};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, Source};
use resvg::usvg::{Options, Tree};
use sagate_core::imaging::figure::encode_png;

use super::FigureError;

/// Pixels of the PNG to one of the SVG.
const SCALE: f32 = 2.0;

pub(super) fn png(figure: &str, svg: &str) -> Result<Vec<u8>, FigureError> {
    let fails = |message: String| FigureError::Raster {
        figure: figure.to_owned(),
        message,
    };
    let options = Options {
        fontdb: fonts(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| fails(error.to_string()))?;
    let size = tree.size().to_int_size();
    let (width, height) = (size.width() * SCALE as u32, size.height() * SCALE as u32);
    let mut pixels =
        Pixmap::new(width, height).ok_or_else(|| fails(format!("no room for {width} x {height} pixels")))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    // The sheet is white all over, so that nothing is transparent.
    let opaque = RgbImage::from_fn(width, height, |x, y| {
        pixels.pixel(x, y).map_or(Rgb([255; 3]), |pixel| {
            Rgb([pixel.red(), pixel.green(), pixel.blue()])
        })
    });
    encode_png(&opaque).map_err(|error| fails(error.to_string()))
}

fn fonts() -> Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    let load = || {
        let mut fonts = Database::new();
        for font in [dejavu::sans::regular(), dejavu::sans::bold()] {
            fonts.load_font_source(Source::Binary(Arc::new(font)));
        }
        Arc::new(fonts)
    };
    Arc::clone(FONTS.get_or_init(load))
}
