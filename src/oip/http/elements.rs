//! Conversion of tensor elements between JSON and bytes.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use half::f16;
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};
use serde_json::value::RawValue;

use crate::oip::datatype::Datatype;

/// Minimum bytes of an element in JSON: a digit, and a comma or a bracket.
const SHORTEST: usize = 2;

/// Parses elements, flat or nested like the shape, to little-endian bytes of a datatype, up to a limit. Text is base64, since JSON has no
/// bytes. Streams: nothing but the bytes is kept.
///
/// # Errors
/// Not a list, or the index and value of an element that does not fit the datatype.
pub(crate) fn read(data: &RawValue, datatype: Datatype, most: usize) -> Result<Bytes, String> {
    let text = data.get();
    if !text.starts_with('[') {
        let is = match text.as_bytes().first() {
            Some(b'"') => "text",
            Some(b'{') => "an object",
            Some(b't' | b'f') => "true or false",
            _ => "a number",
        };
        return Err(format!("it is {is}; it should be a list of elements"));
    }
    let mut elements = Elements {
        data: Vec::with_capacity(most.min(text.len() / SHORTEST) * datatype.size().unwrap_or(0)),
        datatype,
        count: 0,
        most,
        wrong: None,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Gather(&mut elements).deserialize(&mut reader);
    match (elements.wrong, read) {
        (Some(wrong), _) => Err(wrong),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(())) => Ok(elements.data.into()),
    }
}

/// Parsed elements.
struct Elements {
    data: Vec<u8>,
    datatype: Datatype,
    count: usize,
    most: usize,
    /// The first error.
    wrong: Option<String>,
}

impl Elements {
    /// Adds an element; `None` if it is invalid.
    fn number(&mut self, number: f64) -> Option<()> {
        self.one_more()?;
        let data = &mut self.data;
        let added = match self.datatype {
            Datatype::Bytes => {
                self.wrong = Some("it holds numbers; it should hold text: each element as base64".into());
                return None;
            }
            Datatype::Uint8 => whole(number, 0.0, u8::MAX.into()).map(|it| data.push(it as u8)),
            Datatype::Uint16 => {
                whole(number, 0.0, u16::MAX.into()).map(|it| data.extend((it as u16).to_le_bytes()))
            }
            Datatype::Int16 => whole(number, i16::MIN.into(), i16::MAX.into())
                .map(|it| data.extend((it as i16).to_le_bytes())),
            Datatype::Fp16 => {
                let value = f16::from_f64(number);
                value.is_finite().then(|| data.extend(value.to_le_bytes()))
            }
            Datatype::Fp32 => {
                let value = number as f32;
                value.is_finite().then(|| data.extend(value.to_le_bytes()))
            }
            Datatype::Fp64 => {
                data.extend(number.to_le_bytes());
                Some(())
            }
        };
        if added.is_none() {
            let (index, datatype) = (self.count - 1, self.datatype.name());
            self.wrong = Some(format!(
                "element {index} is {number}; it should be a value of {datatype}"
            ));
        }
        added
    }

    /// Adds an element; `None` if it is invalid.
    fn text(&mut self, text: &str) -> Option<()> {
        self.one_more()?;
        if self.datatype != Datatype::Bytes {
            let datatype = self.datatype.name();
            self.wrong = Some(format!("it holds text; it should hold numbers of {datatype}"));
            return None;
        }
        // Each element has its length in 4 bytes before it; a body is always shorter than 4 GiB.
        let begin = self.data.len();
        self.data.extend([0; 4]);
        if let Err(error) = STANDARD.decode_vec(text, &mut self.data) {
            let index = self.count - 1;
            self.wrong = Some(format!("element {index} is no base64, as it should be: {error}"));
            return None;
        }
        let length = (self.data.len() - begin - 4) as u32;
        self.data[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
        Some(())
    }

    fn one_more(&mut self) -> Option<()> {
        if self.count == self.most {
            self.wrong = Some(format!(
                "it holds more elements than the {} that the shape says",
                self.most
            ));
            return None;
        }
        self.count += 1;
        Some(())
    }
}

fn whole(number: f64, least: f64, most: f64) -> Option<f64> {
    (number.fract() == 0.0 && (least..=most).contains(&number)).then_some(number)
}

/// Adds the values of nested lists of any depth.
struct Gather<'a>(&'a mut Elements);

impl<'de> DeserializeSeed<'de> for Gather<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Gather<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("numbers, or text, flat or nested")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(Gather(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.0.number(number).ok_or_else(|| E::custom("a wrong element"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.text(text).ok_or_else(|| E::custom("a wrong element"))
    }
}

/// The bytes of an output, serialized as a flat JSON list.
pub(crate) struct Written<'a> {
    pub datatype: Datatype,
    pub data: &'a [u8],
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.datatype {
            Datatype::Uint8 => serializer.collect_seq(self.data),
            Datatype::Int16 => self.numbers(serializer, i16::from_le_bytes),
            Datatype::Uint16 => self.numbers(serializer, u16::from_le_bytes),
            Datatype::Fp16 => self.numbers(serializer, |it| Number(f16::from_le_bytes(it).to_f32())),
            Datatype::Fp32 => self.numbers(serializer, |it| Number(f32::from_le_bytes(it))),
            Datatype::Fp64 => self.numbers(serializer, |it| Number(f64::from_le_bytes(it))),
            Datatype::Bytes => self.texts(serializer),
        }
    }
}

impl Written<'_> {
    fn numbers<S: Serializer, T: Serialize, const SIZE: usize>(
        &self,
        serializer: S,
        read: impl Fn([u8; SIZE]) -> T,
    ) -> Result<S::Ok, S::Error> {
        let (values, _) = self.data.as_chunks::<SIZE>();
        serializer.collect_seq(values.iter().map(|&value| read(value)))
    }

    /// sagate's BYTES outputs are plain text.
    fn texts<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        let mut rest = self.data;
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = (u32::from_le_bytes(*length) as usize).min(after.len());
            let (text, after) = after.split_at(length);
            sequence.serialize_element(&String::from_utf8_lossy(text))?;
            rest = after;
        }
        sequence.end()
    }
}

/// A number; non-finite values as in protobuf's JSON: "NaN", "Infinity", "-Infinity".
struct Number<T>(T);

impl<T: Copy + Into<f64> + Serialize> Serialize for Number<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: f64 = self.0.into();
        if value.is_finite() {
            self.0.serialize(serializer)
        } else if value.is_nan() {
            serializer.serialize_str("NaN")
        } else if value > 0.0 {
            serializer.serialize_str("Infinity")
        } else {
            serializer.serialize_str("-Infinity")
        }
    }
}
