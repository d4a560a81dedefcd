//! Members of a JSON request: bounded in size; `null` counts as absent.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A parameter's value. The content of lists and objects, which are never valid, is dropped.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Null,
    List,
    Object,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(it) => it.fmt(f),
            Value::Int(it) => it.fmt(f),
            Value::Uint(it) => it.fmt(f),
            Value::Double(it) => it.fmt(f),
            Value::Text(it) => write!(f, "{it:?}"),
            Value::Null => f.write_str("null"),
            Value::List => f.write_str("a list"),
            Value::Object => f.write_str("an object"),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, text, true or false")
            }

            fn visit_bool<E: Error>(self, it: bool) -> Result<Value, E> {
                Ok(Value::Bool(it))
            }

            fn visit_i64<E: Error>(self, it: i64) -> Result<Value, E> {
                Ok(Value::Int(it))
            }

            fn visit_u64<E: Error>(self, it: u64) -> Result<Value, E> {
                Ok(i64::try_from(it).map_or(Value::Uint(it), Value::Int))
            }

            fn visit_f64<E: Error>(self, it: f64) -> Result<Value, E> {
                Ok(Value::Double(it))
            }

            fn visit_str<E: Error>(self, it: &str) -> Result<Value, E> {
                Ok(Value::Text(it.to_owned()))
            }

            fn visit_unit<E: Error>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
                while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Object)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Most parameters of a request, of an input or of an output.
const PARAMETERS: usize = 64;

/// Parameters by name, without those that are `null`.
#[derive(Debug, Default)]
pub(crate) struct Parameters(pub BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parameters, D::Error> {
        struct Named;
        impl<'de> Visitor<'de> for Named {
            type Value = Parameters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Parameters, A::Error> {
                let mut parameters = BTreeMap::new();
                while let Some((name, value)) = object.next_entry::<String, Value>()? {
                    if parameters.len() == PARAMETERS {
                        return Err(A::Error::custom(format!("more than {PARAMETERS} parameters")));
                    }
                    if !matches!(value, Value::Null) {
                        parameters.insert(name, value);
                    }
                }
                Ok(Parameters(parameters))
            }
        }
        deserializer.deserialize_map(Named)
    }
}

/// An optional member; `null` counts as absent.
pub(crate) fn optional<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A list with a maximum length.
#[derive(Debug)]
pub(crate) struct AtMost<T, const MOST: usize>(pub Vec<T>);

impl<T, const MOST: usize> Default for AtMost<T, MOST> {
    fn default() -> Self {
        AtMost(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
            type Value = AtMost<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    if all.len() == MOST {
                        return Err(A::Error::invalid_length(MOST + 1, &self));
                    }
                    all.push(one);
                }
                Ok(AtMost(all))
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}
