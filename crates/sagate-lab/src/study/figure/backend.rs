//! The SVG backend of plotters.

use std::convert::Infallible;
use std::fmt::Write;

use plotters_backend::{BackendColor, BackendCoord, BackendStyle, DrawingBackend, DrawingErrorKind};

use super::sheet::{Sheet, UNITS};

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Sheet {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        ((self.width * UNITS) as u32, (self.height * UNITS) as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect(point, (point.0 + 1, point.1 + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let [x, y] = [upper_left.0.min(bottom_right.0), upper_left.1.min(bottom_right.1)].map(pixels);
        let [width, height] = [
            upper_left.0.abs_diff(bottom_right.0),
            upper_left.1.abs_diff(bottom_right.1),
        ]
        .map(|units| f64::from(units) / UNITS);
        let geometry = format!(r#"x="{x}" y="{y}" width="{width}" height="{height}""#);
        shape(self, "rect", &geometry, style, fill);
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        shape(self, "polyline", &points(path), style, false);
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let geometry = format!(
            r#"cx="{}" cy="{}" r="{}""#,
            pixels(center.0),
            pixels(center.1),
            f64::from(radius) / UNITS
        );
        shape(self, "circle", &geometry, style, fill);
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> Drawn {
        shape(self, "polygon", &points(vert), style, true);
        Ok(())
    }
}

fn pixels(units: i32) -> f64 {
    f64::from(units) / UNITS
}

fn points(path: impl IntoIterator<Item = BackendCoord>) -> String {
    let mut list = String::from(r#"points=""#);
    for (index, (x, y)) in path.into_iter().enumerate() {
        let gap = if index == 0 { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(list, "{gap}{},{}", pixels(x), pixels(y));
    }
    list.push('"');
    list
}

/// Adds an element, filled or drawn as a line.
fn shape(sheet: &Sheet, name: &str, geometry: &str, style: &impl BackendStyle, fill: bool) {
    let color = style.color();
    let (r, g, b) = color.rgb;
    let paint = format!("#{r:02x}{g:02x}{b:02x}");
    let opacity = |of: &str| {
        if color.alpha < 1.0 {
            format!(r#" {of}-opacity="{:.2}""#, color.alpha)
        } else {
            String::new()
        }
    };
    let painted = if fill {
        format!(r#"fill="{paint}"{}"#, opacity("fill"))
    } else {
        format!(
            r#"fill="none" stroke="{paint}" stroke-width="{}" stroke-linejoin="round"{}"#,
            f64::from(style.stroke_width()) / UNITS,
            opacity("stroke")
        )
    };
    sheet.write(format_args!("<{name} {geometry} {painted}/>"));
}
