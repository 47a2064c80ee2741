//! Settings from the environment: `DACAPO_STREAM__HLS__SEGMENT_MS=2000`.
//!
//! A variable is the path of a setting in capitals with `__` between the steps. Each is read by serde as a
//! [`ConfigPatch`] of this one setting, so that the types decide how a value is parsed: numbers as in the
//! file, text without quotes, `on`/`off` for switches, choices in any case, lists with commas, or in RON
//! where the items are not plain: `DACAPO_STREAMS='[(pattern: "live/*", hls: (enabled: false))]'`.

use crate::config::error::{Problem, explain, nearest};
use crate::config::patch::Renamed;
use crate::config::renamed;
use crate::config::ron::{readable, ron_options};
use crate::config::settings::ConfigPatch;
use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess, Visitor,
};

const PREFIX: &str = "DACAPO_";

/// Names the configuration file; read by the shell.
const CONFIG_VARIABLE: &str = "DACAPO_CONFIG";

/// A variable that sets something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Override {
    /// Name of the variable.
    pub variable: String,
    /// Path of the setting: `rtmp.listen`.
    pub path: String,
    /// Set if the variable has the setting's former name.
    pub renamed: Option<Renamed>,
    /// Value.
    value: String,
}

/// The variables that set something, in the order of their names.
pub(super) fn overrides(env: &[(String, String)]) -> Vec<Override> {
    let ours = env.iter().filter(|(variable, value)| {
        variable.starts_with(PREFIX) && variable != CONFIG_VARIABLE && !is_service_link(variable, value)
    });
    let renamed = renamed::all();
    let mut overrides: Vec<Override> = ours
        .map(|(variable, value)| {
            let path = variable[PREFIX.len()..].to_lowercase().replace("__", ".");
            let renamed = renamed.iter().find(|one| one.former == path).cloned();
            Override {
                variable: variable.clone(),
                path: renamed.as_ref().map_or(path, |one| one.path.clone()),
                renamed,
                value: value.trim().to_owned(),
            }
        })
        .collect();
    overrides.sort_by(|a, b| a.variable.cmp(&b.variable));
    overrides
}

/// True for variables that Kubernetes sets in every container for a service called `dacapo`:
/// `DACAPO_SERVICE_HOST`, `DACAPO_PORT=tcp://…`, `DACAPO_PORT_1935_TCP_ADDR` and so on.
fn is_service_link(variable: &str, value: &str) -> bool {
    let numbered = |(_, rest): (&str, &str)| rest.starts_with(|c: char| c.is_ascii_digit());
    variable.ends_with("_SERVICE_HOST")
        || variable.contains("_SERVICE_PORT")
        || (variable.ends_with("_PORT") && value.contains("://"))
        || variable.split_once("_PORT_").is_some_and(numbered)
}

impl Override {
    /// The patch that it means, or what is wrong. `known` are the paths of all settings, `all` the variables.
    ///
    /// # Errors
    ///
    /// If there is no such setting, or the value does not fit it.
    pub fn read(&self, known: &[String], all: &[Override]) -> Result<ConfigPatch, Problem> {
        let problem = Problem::at(&self.variable);
        if let Some(renamed) = &self.renamed
            && all.iter().any(|other| other.path == self.path && other.renamed.is_none())
        {
            return Err(problem.saying(renamed.given_twice(&self.variable)));
        }
        if !known.contains(&self.path) {
            return Err(problem.saying(self.unknown(known)));
        }
        let steps: Vec<&str> = self.path.split('.').collect();
        let source = Source { steps: &steps, value: &self.value };
        serde_path_to_error::deserialize(source).map_err(|error| {
            let (message, help) = explain(error.inner(), &readable(error.path()), known);
            // A secret must not get into a log.
            let shown = if self.path.ends_with("token") {
                String::new()
            } else {
                format!("; it is {:?}", self.value)
            };
            problem.saying((message + &shown, help))
        })
    }

    fn unknown(&self, known: &[String]) -> (String, Option<String>) {
        let variable = |path: &str| format!("{PREFIX}{}", path.replace('.', "__").to_uppercase());
        let inside = known.iter().find(|path| path.starts_with(&format!("{}.", self.path)));
        // The most likely mistake is one underscore instead of two.
        let flat = |path: &str| path.replace(['.', '_'], "");
        let spelled = || known.iter().find(|path| flat(path) == flat(&self.path));
        let close = || nearest(&self.path, known.iter().map(String::as_str));
        let near = inside.or_else(spelled).map(String::as_str).or_else(close);
        let help = near.map(|near| format!("did you mean `{}`?", variable(near)));
        (format!("there is no setting `{}`", self.path), help)
    }
}

/// A value at the end of a path, as serde sees it: a section with one field for each step, then the value.
#[derive(Clone, Copy)]
struct Source<'a> {
    steps: &'a [&'a str],
    value: &'a str,
}

impl<'de> Source<'de> {
    fn section<V: Visitor<'de>>(self, visitor: V) -> ron::Result<V::Value> {
        let (step, rest) = self.steps.split_first().expect("types nest no deeper than the known path");
        let inner = Source { steps: rest, ..self };
        visitor.visit_map(MapDeserializer::new(std::iter::once((*step, inner))))
    }

    /// Parses the value as RON, with nothing after it.
    fn ron<T>(self, read: impl FnOnce(&mut ron::Deserializer<'de>) -> ron::Result<T>) -> ron::Result<T> {
        let parser = ron::Deserializer::from_str_with_options(self.value, &ron_options());
        let mut parser = parser.map_err(|error| error.code)?;
        let value = read(&mut parser)?;
        parser.end()?;
        Ok(value)
    }

    fn number<T>(self, read: impl FnOnce(&mut ron::Deserializer<'de>) -> ron::Result<T>) -> ron::Result<T> {
        self.ron(read).map_err(|error| match error {
            ron::Error::IntegerOutOfBounds => error,
            _ => ron::Error::ExpectedInteger,
        })
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> ron::Result<V::Value> {
            self.number(|parser| parser.$method(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for Source<'de> {
    type Error = ron::Error;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> ron::Result<V::Value> {
        if self.value.starts_with('[') {
            return self.ron(|parser| parser.deserialize_any(visitor));
        }
        visitor.visit_str(self.value)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> ron::Result<V::Value> {
        match self.value.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => visitor.visit_bool(true),
            "false" | "off" | "no" | "0" => visitor.visit_bool(false),
            _ => Err(ron::Error::ExpectedBoolean),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> ron::Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> ron::Result<V::Value> {
        self.ron(|parser| parser.deserialize_seq(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> ron::Result<V::Value> {
        self.section(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> ron::Result<V::Value> {
        let (word, inner) = match self.value.split_once('(') {
            Some((word, rest)) => (word.trim(), Some(rest.trim_end_matches(')'))),
            None => (self.value, None),
        };
        let variant = variants.iter().find(|variant| variant.eq_ignore_ascii_case(word));
        let variant = variant.ok_or_else(|| ron::Error::unknown_variant(word, variants))?;
        visitor.visit_enum(Choice { variant, inner: inner.map(|value| Source { value, ..self }) })
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct map
        identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, ron::Error> for Source<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// One of several words, some of which have a value: `Video`, `Ms(40)`.
struct Choice<'a> {
    variant: &'static str,
    inner: Option<Source<'a>>,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = ron::Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ron::Error> {
        let variant: StrDeserializer<'_, ron::Error> = self.variant.into_deserializer();
        Ok((seed.deserialize(variant)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = ron::Error;

    fn unit_variant(self) -> ron::Result<()> {
        let surplus = || ron::Error::custom(format!("`{}` takes no value", self.variant));
        if self.inner.is_none() { Ok(()) } else { Err(surplus()) }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> ron::Result<S::Value> {
        let missing = || ron::Error::custom(format!("`{0}` needs a value: `{0}(…)`", self.variant));
        seed.deserialize(self.inner.ok_or_else(missing)?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> ron::Result<V::Value> {
        Err(ron::Error::ExpectedIdentifier)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> ron::Result<V::Value> {
        Err(ron::Error::ExpectedIdentifier)
    }
}
