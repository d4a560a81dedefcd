//! The macros that make a section of the settings from one description of each setting.

/// A section that every settings file may have: the struct, its reader, and the table of its settings.
///
/// A setting is its help (doc comments, a line each), `key: type = default, rule` and, where the command line sets it too, its flag.
/// The default is TOML that is also one Rust token tree. Parts are further structs whose settings belong to the same section.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derive:ident),+)])?
        pub struct $name:ident: $section:literal {
            $(
                $(#[doc = $help:literal])+
                $key:ident: $type:ty = $default:tt, $rule:expr $(, flag $flag:literal)?;
            )*
        }
        $(with { $($(#[doc = $part_about:literal])+ $part:ident: $part_type:ty,)+ })?
    ) => {
        $(#[doc = $about])+
        #[doc = ""]
        #[doc = concat!("Section `", $section, "`.")]
        #[derive(Debug, Clone, PartialEq)]
        $(#[derive($($derive),+)])?
        pub struct $name {
            $($(#[doc = $help])+ pub $key: $type,)*
            $($($(#[doc = $part_about])+ pub $part: $part_type,)+)?
        }

        impl $name {
            /// The settings of this struct.
            pub(in crate::config) const SETTINGS: &[$crate::config::description::Description] = &[
                $($crate::config::section::describe!(
                    concat!($section, ".", stringify!($key)), $type, $default, $rule, [$($help),+], [$($flag)?]
                ),)*
            ];

            /// The whole section.
            #[allow(dead_code, reason = "a part of a section is described by the whole")]
            pub(in crate::config) const SECTION: $crate::config::description::Section =
                $crate::config::description::Section {
                    name: $section,
                    about: &[$($about),+],
                    settings: &[Self::SETTINGS, $($(<$part_type>::SETTINGS),+)?],
                };

            pub(in crate::config) fn read(
                reader: &mut $crate::config::reader::Reader,
            ) -> Result<$name, $crate::config::ConfigError> {
                Ok($name {
                    $($key: reader.get(concat!($section, ".", stringify!($key)), $rule)?,)*
                    $($($part: <$part_type>::read(reader)?,)+)?
                })
            }
        }
    };
}
pub(super) use section;

/// The settings of one model, each of which may be left out. They have no defaults of their own: what is given as such stands in
/// the example file.
macro_rules! model_section {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident {
            $(
                $(#[doc = $help:literal])+
                $key:ident: $type:ty = $default:tt, $rule:expr;
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct $name {
            $($(#[doc = $help])+ pub $key: Option<$type>,)*
        }

        impl $name {
            pub(in crate::config) const ABOUT: &[&str] = &[$($about),+];

            pub(in crate::config) const SETTINGS: &[$crate::config::description::Description] = &[
                $($crate::config::section::describe!(
                    stringify!($key), $type, $default, $rule, [$($help),+], []
                ),)*
            ];

            fn read(
                model: &str,
                reader: &mut $crate::config::reader::Reader,
            ) -> Result<$name, $crate::config::ConfigError> {
                Ok($name {
                    $($key: reader.find(format!("serving.{model}.{}", stringify!($key)).into(), &$rule)?,)*
                })
            }
        }
    };
}
pub(super) use model_section;

/// One [`Description`](super::description::Description).
macro_rules! describe {
    ($key:expr, $type:ty, $default:tt, $rule:expr, [$($help:literal),+], [$($flag:literal)?]) => {
        $crate::config::description::Description {
            key: $key,
            default: stringify!($default),
            help: &[$($help),+],
            right: || {
                let rule: $crate::config::rule::Rule<$type> = $rule;
                rule.words
            },
            is_list: <$type as $crate::config::value::Setting>::IS_LIST,
            flag: match &[$($flag)?] as &[&'static str] {
                &[flag, ..] => Some(flag),
                &[] => None,
            },
        }
    };
}
pub(super) use describe;
