//! A tensor's elements as JSON and as bytes.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use half::f16;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

use crate::grpc::oip::datatype::Datatype;

/// Elements as JSON has them: flat, or nested as the shape says.
#[derive(Debug, Default)]
pub(super) struct Elements {
    numbers: Vec<f64>,
    texts: Vec<String>,
}

impl Elements {
    /// As bytes of a datatype, little-endian. Text is base64 of the bytes that are meant, as JSON has no bytes.
    ///
    /// # Errors
    /// The place and value of an element that is not of the datatype.
    pub fn bytes(self, datatype: Datatype) -> Result<Bytes, String> {
        match datatype {
            Datatype::Bytes => self.elements(),
            Datatype::Uint8 => self.values(datatype, |it| {
                whole(it, 0.0, u8::MAX.into()).map(|it| (it as u8).to_le_bytes())
            }),
            Datatype::Uint16 => self.values(datatype, |it| {
                whole(it, 0.0, u16::MAX.into()).map(|it| (it as u16).to_le_bytes())
            }),
            Datatype::Int16 => self.values(datatype, |it| {
                whole(it, i16::MIN.into(), i16::MAX.into()).map(|it| (it as i16).to_le_bytes())
            }),
            Datatype::Fp16 => self.values(datatype, |it| {
                let value = f16::from_f64(it);
                value.is_finite().then(|| value.to_le_bytes())
            }),
            Datatype::Fp32 => self.values(datatype, |it| {
                let value = it as f32;
                value.is_finite().then(|| value.to_le_bytes())
            }),
            Datatype::Fp64 => self.values(datatype, |it| Some(it.to_le_bytes())),
        }
    }

    fn values<const SIZE: usize>(
        self,
        datatype: Datatype,
        bytes: impl Fn(f64) -> Option<[u8; SIZE]>,
    ) -> Result<Bytes, String> {
        if !self.texts.is_empty() {
            return Err(format!(
                "it holds text; it should hold numbers of {}",
                datatype.name()
            ));
        }
        let mut data = Vec::with_capacity(self.numbers.len() * SIZE);
        for (index, &number) in self.numbers.iter().enumerate() {
            let wrong = || {
                format!(
                    "element {index} is {number}; it should be a value of {}",
                    datatype.name()
                )
            };
            data.extend(bytes(number).ok_or_else(wrong)?);
        }
        Ok(data.into())
    }

    fn elements(self) -> Result<Bytes, String> {
        if !self.numbers.is_empty() {
            return Err("it holds numbers; it should hold text: each element as base64".into());
        }
        let mut data = Vec::new();
        for (index, text) in self.texts.iter().enumerate() {
            let decoded = STANDARD.decode(text);
            let element =
                decoded.map_err(|error| format!("element {index} is no base64, as it should be: {error}"))?;
            // A body is never as long as that.
            let length = u32::try_from(element.len()).map_err(|error| error.to_string())?;
            data.extend(length.to_le_bytes());
            data.extend(element);
        }
        Ok(data.into())
    }
}

fn whole(number: f64, least: f64, most: f64) -> Option<f64> {
    (number.fract() == 0.0 && (least..=most).contains(&number)).then_some(number)
}

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut elements = Elements::default();
        deserializer.deserialize_seq(Gather(&mut elements))?;
        Ok(elements)
    }
}

/// Adds whatever comes, however deep, to the elements.
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
        self.0.numbers.push(number);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.texts.push(text.to_owned());
        Ok(())
    }
}

/// The bytes of an output, written as JSON: flat.
pub(super) struct Written<'a> {
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

    /// What sagate says as BYTES is plain text.
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

/// A number, or what JSON has no number for as the words that protobuf's JSON has: "NaN", "Infinity", "-Infinity".
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
