//! `{product}` in paths, headers, bodies and documents: parsed once, rendered for every operation.
//!
//! A name stands in single braces; `{{` and `}}` are literal braces. In a JSON value every text is a template, at any
//! depth (names of fields are not): a text that is exactly `{name}` becomes the value with its type, inside a longer
//! text the value is inserted as text. What the names mean is the caller's: rendering asks a function for each.

use std::fmt::Write;

use serde_json::{Map, Value};
use thiserror::Error;

/// Why a text is no template, or cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A `{` without its `}`.
    #[error("`{text}`: the brace at character {at} is never closed; write {{{{ for a literal brace")]
    Unclosed {
        /// The template.
        text: String,
        /// Where the brace stands, from 1.
        at: usize,
    },
    /// A `}` without its `{`.
    #[error("`{text}`: the brace at character {at} closes nothing; write }}}} for a literal brace")]
    Unopened {
        /// The template.
        text: String,
        /// Where the brace stands, from 1.
        at: usize,
    },
    /// What stands between the braces is no name.
    #[error(
        "`{text}`: `{name}` is no variable's name (letters, digits, `_`, `-` and `.`); write {{{{ and }}}} for literal \
         braces"
    )]
    Name {
        /// The template.
        text: String,
        /// What stands between the braces.
        name: String,
    },
    /// Nobody gave the variable a value.
    #[error("no value for the variable `{0}`")]
    Unknown(String),
}

/// A text with variables.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Variable(String),
}

/// A JSON value with variables in its texts.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonTemplate {
    /// Nothing to fill in below here.
    Constant(Value),
    /// A text with at least one variable.
    Text(Template),
    /// An array.
    Array(Vec<JsonTemplate>),
    /// An object.
    Object(Vec<(String, JsonTemplate)>),
}

impl Template {
    /// Parses a text.
    ///
    /// # Errors
    /// When a brace is left open or closes nothing, or a name is none.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut characters = text.chars().enumerate().peekable();
        while let Some((index, character)) = characters.next() {
            let is_doubled = characters.peek().is_some_and(|(_, next)| *next == character);
            match character {
                '{' | '}' if is_doubled => {
                    characters.next();
                    literal.push(character);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match characters.next() {
                            Some((_, '}')) => break,
                            Some((_, next)) => name.push(next),
                            None => return Err(TemplateError::Unclosed { text: text.to_owned(), at: index + 1 }),
                        }
                    }
                    if !is_name(&name) {
                        return Err(TemplateError::Name { text: text.to_owned(), name });
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Variable(name));
                }
                '}' => return Err(TemplateError::Unopened { text: text.to_owned(), at: index + 1 }),
                _ => literal.push(character),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// The names of its variables, in the order of the text; one that occurs twice comes twice.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The variable that it is, if it is exactly one and nothing else.
    pub fn variable(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Variable(name)] => Some(name),
            _ => None,
        }
    }

    /// The text with every variable filled in: a string as it is, anything else as compact JSON.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn text<'v>(&self, value_of: impl Fn(&str) -> Option<&'v Value>) -> Result<String, TemplateError> {
        self.render(value_of, |text, rendered| rendered.push_str(text))
    }

    /// The same for a path and query: what is filled in is percent-encoded, so that a key with a slash or a space
    /// stays one segment.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn path<'v>(&self, value_of: impl Fn(&str) -> Option<&'v Value>) -> Result<String, TemplateError> {
        self.render(value_of, percent_encode)
    }

    /// As [`Self::text`], but a template that is exactly one variable keeps the value's type.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn value<'v>(&self, value_of: impl Fn(&str) -> Option<&'v Value>) -> Result<Value, TemplateError> {
        match self.parts.as_slice() {
            [Part::Variable(name)] => value_of(name).cloned().ok_or_else(|| TemplateError::Unknown(name.clone())),
            _ => self.text(value_of).map(Value::String),
        }
    }

    fn render<'v>(
        &self,
        value_of: impl Fn(&str) -> Option<&'v Value>,
        insert: impl Fn(&str, &mut String),
    ) -> Result<String, TemplateError> {
        let mut rendered = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Variable(name) => match value_of(name) {
                    Some(Value::String(text)) => insert(text, &mut rendered),
                    Some(value) => insert(&value.to_string(), &mut rendered),
                    None => return Err(TemplateError::Unknown(name.clone())),
                },
            }
        }
        Ok(rendered)
    }
}

impl JsonTemplate {
    /// Parses every text of a JSON value.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse(value: &Value) -> Result<Self, TemplateError> {
        Ok(match value {
            Value::String(text) => {
                let template = Template::parse(text)?;
                if template.variables().next().is_some() {
                    Self::Text(template)
                } else {
                    // Rendering once here turns doubled braces into the literal ones they stand for.
                    Self::Constant(template.value(|_| None)?)
                }
            }
            Value::Array(items) => Self::Array(items.iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(fields) => Self::Object(
                fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), Self::parse(value)?)))
                    .collect::<Result<_, TemplateError>>()?,
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Constant(value.clone()),
        })
    }

    /// The names of its variables; one that occurs twice comes twice.
    pub fn variables(&self) -> Vec<&str> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Text(template) => template.variables().collect(),
            Self::Array(items) => items.iter().flat_map(Self::variables).collect(),
            Self::Object(fields) => fields.iter().flat_map(|(_, value)| value.variables()).collect(),
        }
    }

    /// The value with every variable filled in.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn value<'v>(&self, value_of: &impl Fn(&str) -> Option<&'v Value>) -> Result<Value, TemplateError> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Text(template) => template.value(value_of)?,
            Self::Array(items) => {
                Value::Array(items.iter().map(|item| item.value(value_of)).collect::<Result<_, _>>()?)
            }
            Self::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, field)| Ok((name.clone(), field.value(value_of)?)))
                    .collect::<Result<Map<_, _>, TemplateError>>()?,
            ),
        })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || "_-.".contains(character))
}

/// Everything but RFC 3986's unreserved characters.
fn percent_encode(text: &str, rendered: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            rendered.push(char::from(byte));
        } else {
            write!(rendered, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
    use serde_json::json;

    use super::*;

    fn values() -> BTreeMap<String, Value> {
        BTreeMap::from([
            ("product".to_owned(), json!("product-007")),
            ("quantity".to_owned(), json!(3)),
            ("pattern.write".to_owned(), json!("outbox")),
            ("awkward".to_owned(), json!("a/b ü")),
        ])
    }

    fn text(template: &str) -> Result<String, TemplateError> {
        let values = values();
        Template::parse(template)?.text(|name| values.get(name))
    }

    #[test]
    fn variables_are_filled_in_as_text() {
        assert_eq!(text("/products/{product}?n={quantity}").unwrap(), "/products/product-007?n=3");
        assert_eq!(text("--write={pattern.write}").unwrap(), "--write=outbox");
        assert_eq!(text("no variable").unwrap(), "no variable");
        assert_eq!(text("").unwrap(), "");
    }

    #[test]
    fn doubled_braces_are_literal_ones() {
        assert_eq!(text("{{{product}}}").unwrap(), "{product-007}");
        assert_eq!(text("{{product}}").unwrap(), "{product}");
        assert_eq!(JsonTemplate::parse(&json!("{{x}}")).unwrap(), JsonTemplate::Constant(json!("{x}")));
    }

    #[test]
    fn what_is_no_template_is_said_with_its_place_and_the_remedy() {
        let message = |template| text(template).unwrap_err().to_string();
        assert_eq!(
            message("a {product"),
            "`a {product`: the brace at character 3 is never closed; write {{ for a literal brace"
        );
        assert_eq!(
            message("product}"),
            "`product}`: the brace at character 8 closes nothing; write }} for a literal brace"
        );
        assert!(message("{\"a\": 1}").contains("is no variable's name"));
        assert!(message("{}").contains("is no variable's name"));
        assert_eq!(message("{shop}"), "no value for the variable `shop`");
    }

    #[test]
    fn a_text_that_is_one_variable_keeps_the_type_of_its_value() {
        let body =
            json!({"quantity": "{quantity}", "note": "{quantity} pieces", "lines": [{"id": "{product}"}, 1, null]});
        let template = JsonTemplate::parse(&body).unwrap();
        let values = values();
        let names: BTreeSet<&str> = template.variables().into_iter().collect();
        assert_eq!(names, BTreeSet::from(["product", "quantity"]));
        assert_eq!(
            template.value(&|name| values.get(name)).unwrap(),
            json!({"quantity": 3, "note": "3 pieces", "lines": [{"id": "product-007"}, 1, null]})
        );
    }

    #[test]
    fn what_is_filled_into_a_path_stays_one_segment() {
        let values = values();
        let path = Template::parse("/shelf/{awkward}/x").unwrap().path(|name| values.get(name));
        assert_eq!(path.unwrap(), "/shelf/a%2Fb%20%C3%BC/x");
    }

    proptest! {
        #[test]
        fn any_text_with_doubled_braces_renders_to_itself(original in any::<String>().prop_map(|text| text.replace('\0', ""))) {
            let doubled = original.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(Template::parse(&doubled).unwrap().text(|_| None).unwrap(), original);
        }
    }
}
