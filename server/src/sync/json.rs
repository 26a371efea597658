//! CBOR values as JSON and back, for the office's API.
//!
//! Byte strings are hexadecimal text. On the way in the field's type decides; a number with a fraction is refused.

use serde_json::{Map, Value};
use sync_protocol::cbor::Raw;
use sync_protocol::field::{self, FieldType};
use sync_protocol::prepass;

/// A CBOR value as JSON.
pub fn from_raw(raw: &Raw) -> Value {
    from_item(raw.as_bytes())
}

fn from_item(item: &[u8]) -> Value {
    if let Some(number) = prepass::integer(item) {
        return i64::try_from(number).map_or_else(|_source| Value::from(number.to_string()), Value::from);
    }
    if let Some(text) = prepass::text(item) {
        return text.into();
    }
    if let Some(bytes) = prepass::byte_string(item) {
        return hex::encode(bytes).into();
    }
    if let Some(truth) = prepass::boolean(item) {
        return truth.into();
    }
    if let Some(elements) = prepass::elements(item) {
        return elements.into_iter().map(from_item).collect();
    }
    match prepass::entries(item) {
        Some(entries) => Value::Object(
            entries.into_iter().map(|(key, value)| (key.to_owned(), from_item(value))).collect::<Map<_, _>>(),
        ),
        None => Value::Null,
    }
}

/// A JSON value as the CBOR value of a field. None where it cannot be one.
pub fn to_raw(name: &str, value: &Value) -> Option<Raw> {
    let is_bytes = field::find(name)
        .is_some_and(|field| matches!(field.value, FieldType::Id | FieldType::Hash | FieldType::Head));
    if is_bytes && let Some(text) = value.as_str() {
        let bytes = hex::decode(text.replace('-', "")).ok()?;
        return Some(Raw::of(&serde_bytes::ByteBuf::from(bytes)));
    }
    Some(Raw::from_checked(&to_item(value)?))
}

/// A field with the JSON that it takes, for whoever sent something else.
pub fn wanted(name: &str) -> String {
    let Some(known) = field::find(name) else { return name.to_owned() };
    let shape = match known.value {
        FieldType::Text | FieldType::Term(_) => "文本 (text)".to_owned(),
        FieldType::Integer(least, most) => format!("{least} 到 {most} 的整数 (an integer)"),
        FieldType::Bool => "true 或 false (true or false)".to_owned(),
        FieldType::Id => "编号，UUID (an id: a UUID)".to_owned(),
        FieldType::Hash => "64 个十六进制数字 (64 hexadecimal digits)".to_owned(),
        FieldType::Head => "32 个十六进制数字 (32 hexadecimal digits)".to_owned(),
        FieldType::Position => {
            "{\"lat_e7\", \"lon_e7\", \"accuracy_dm\"}，整数，度 × 10⁷ (integers, degrees × 10⁷)".to_owned()
        }
        FieldType::Track | FieldType::Path | FieldType::Any => {
            "整数，不带小数 (integers, no fractions)".to_owned()
        }
    };
    format!("{name}: {}取{shape}", known.zh)
}

fn to_item(value: &Value) -> Option<Vec<u8>> {
    use sync_protocol::cbor;
    Some(match value {
        Value::Null => cbor::encode(&()),
        Value::Bool(truth) => cbor::encode(truth),
        Value::Number(number) => cbor::encode(&number.as_i64()?),
        Value::String(text) => cbor::encode(text),
        Value::Array(items) => cbor::array(&items.iter().map(to_item).collect::<Option<Vec<_>>>()?),
        Value::Object(entries) => {
            let mut map = cbor::MapWriter::new();
            for (key, value) in entries {
                map.raw(key, &to_item(value)?);
            }
            map.finish()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_goes_to_json_and_back_to_the_same_bytes() {
        let value = serde_json::json!({"lat_e7": 300_000_000, "lon_e7": 1_030_000_000, "accuracy_dm": 50});
        let raw = to_raw("position", &value).unwrap();
        assert_eq!(from_raw(&raw), value);
        let id = serde_json::json!("0192f0c1-0000-7000-8000-000000000001");
        assert_eq!(to_raw("duplicate_of", &id).unwrap().as_byte_string().map(<[u8]>::len), Some(16));
        assert_eq!(to_raw("count", &serde_json::json!(1.5)), None);
    }
}
