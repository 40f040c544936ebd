//! Arguments as policies see them: sorted by type, keyed by path.
//!
//! JSON says little about types, so a policy that compares an argument would have to check its type first and would
//! fail where it forgets. Here a value of another type is simply not in the bag that the policy looks into.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Number, Value};

/// What policies can see of a call's arguments. Whatever is in a bag is exactly what the server gets; `complete` is
/// false when the server gets anything else besides.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) string: BTreeMap<String, String>,
    pub(crate) long: BTreeMap<String, i64>,
    /// As Cedar writes a decimal.
    pub(crate) decimal: BTreeMap<String, String>,
    pub(crate) bool: BTreeMap<String, bool>,
    pub(crate) strings: BTreeMap<String, BTreeSet<String>>,
    pub(crate) complete: bool,
}

/// Objects within objects, the arguments themselves counted.
const MAX_DEPTH: usize = 8;
/// Values in all bags together.
const MAX_VALUES: usize = 256;
/// Strings in all arrays together.
const MAX_ELEMENTS: usize = 1024;
const MAX_PATH_BYTES: usize = 256;
/// Of one string: `like` takes time with the length.
const MAX_STRING_BYTES: usize = 16_384;

/// Cedar's decimals are 64-bit integers of ten-thousandths.
const DECIMAL_LIMIT: f64 = 922_337_203_685_477.0;
/// Doubles up to here are exact integers (RFC 7493 section 2.2). JavaScript has no other numbers: what is larger, its
/// servers round to a neighbour.
const EXACT_LIMIT: i64 = 9_007_199_254_740_991;

// === impl Arguments ===

impl Arguments {
    /// No arguments at all.
    pub(crate) fn none() -> Self {
        Self {
            string: BTreeMap::new(),
            long: BTreeMap::new(),
            decimal: BTreeMap::new(),
            bool: BTreeMap::new(),
            strings: BTreeMap::new(),
            complete: true,
        }
    }

    pub(crate) fn read(arguments: &Map<String, Value>) -> Self {
        let mut reader = Reader { out: Self::none(), values: 0, elements: 0 };
        reader.object(arguments, None, 1);
        reader.out
    }
}

/// Fills the bags, and counts.
struct Reader {
    out: Arguments,
    values: usize,
    elements: usize,
}

// === impl Reader ===

impl Reader {
    fn object(&mut self, members: &Map<String, Value>, above: Option<&str>, depth: usize) {
        if depth > MAX_DEPTH {
            return self.cut();
        }
        let ambiguous = ambiguous_names(members);
        for (name, value) in members {
            let path = path(above, name);
            match value {
                _ if ambiguous.contains(name.as_str()) || path.len() > MAX_PATH_BYTES => self.cut(),
                // An empty one is not to be seen from within.
                Value::Object(members) if !members.is_empty() => {
                    self.object(members, Some(&path), depth.saturating_add(1));
                }
                value => self.value(path, value),
            }
        }
    }

    fn value(&mut self, path: String, value: &Value) {
        if self.values >= MAX_VALUES {
            return self.cut();
        }
        self.values = self.values.saturating_add(1);
        match value {
            Value::String(text) if text.len() <= MAX_STRING_BYTES => {
                self.out.string.insert(path, text.clone());
            }
            Value::Bool(value) => {
                self.out.bool.insert(path, *value);
            }
            Value::Number(number) => self.number(path, number),
            Value::Array(elements) => self.array(path, elements),
            Value::String(_) | Value::Null | Value::Object(_) => self.cut(),
        }
    }

    /// The bag depends on the value, not on its spelling: `5.0` and `5e0` are the integer 5.
    fn number(&mut self, path: String, number: &Number) {
        if let Some(integer) = exact_integer(number) {
            self.out.long.insert(path, integer);
        } else if let Some(text) = decimal(number) {
            self.out.decimal.insert(path, text);
        } else {
            self.cut();
        }
    }

    fn array(&mut self, path: String, elements: &[Value]) {
        self.elements = self.elements.saturating_add(elements.len());
        let short = |text: &&str| text.len() <= MAX_STRING_BYTES;
        let strings = elements.iter().map(|element| element.as_str().filter(short).map(str::to_owned));
        match strings.collect() {
            Some(strings) if self.elements <= MAX_ELEMENTS => {
                self.out.strings.insert(path, strings);
            }
            _ => self.cut(),
        }
    }

    fn cut(&mut self) {
        self.out.complete = false;
    }
}

/// Steps are separated by dots; a dot that is part of a name has a backslash before it, as has a backslash. So no two
/// values have one path, whatever a caller calls them.
fn path(above: Option<&str>, name: &str) -> String {
    let name = name.replace('\\', "\\\\").replace('.', "\\.");
    match above {
        Some(above) => format!("{above}.{name}"),
        None => name,
    }
}

/// Names that differ in case only: some servers (Go's `encoding/json`) take them for the same, and the last one wins.
fn ambiguous_names(members: &Map<String, Value>) -> BTreeSet<&str> {
    let mut by_fold: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in members.keys() {
        by_fold.entry(fold(name)).or_default().push(name);
    }
    by_fold.into_values().filter(|names| names.len() > 1).flatten().collect()
}

/// Upper case first: `ſ` and `K` have one that is an ordinary letter's.
fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// A number that every parser takes for this very integer.
fn exact_integer(number: &Number) -> Option<i64> {
    let whole = |value: &f64| value.fract() == 0.0;
    let integer = match number.as_i64() {
        Some(integer) => integer,
        None => format!("{:.0}", number.as_f64().filter(whole)?).parse().ok()?,
    };
    (integer.unsigned_abs() <= EXACT_LIMIT.unsigned_abs()).then_some(integer)
}

/// With one to four digits after the point, as Cedar has them; nothing if the value has more or is too large.
fn decimal(number: &Number) -> Option<String> {
    let value = number.as_f64().filter(|value| number.is_f64() && value.abs() < DECIMAL_LIMIT)?;
    // The shortest text that reads back as this very double: what the server's parser makes of the caller's.
    let text = value.to_string();
    let (_, fraction) = text.split_once('.')?;
    (1..=4).contains(&fraction.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Arguments {
        Arguments::read(value.as_object().unwrap())
    }

    #[track_caller]
    fn nothing_of(value: Value) {
        assert_eq!(read(json!({"x": value})), Arguments { complete: false, ..Arguments::none() }, "{value}");
    }

    #[test]
    fn each_type_has_its_bag() {
        let all = read(json!({"s": "x", "l": -7, "d": 12.5, "b": true, "a": ["y", "x", "y"], "e": []}));
        let expected = Arguments {
            string: BTreeMap::from([("s".to_owned(), "x".to_owned())]),
            long: BTreeMap::from([("l".to_owned(), -7)]),
            decimal: BTreeMap::from([("d".to_owned(), "12.5".to_owned())]),
            bool: BTreeMap::from([("b".to_owned(), true)]),
            strings: BTreeMap::from([
                ("a".to_owned(), BTreeSet::from(["x".to_owned(), "y".to_owned()])),
                ("e".to_owned(), BTreeSet::new()),
            ]),
            complete: true,
        };
        assert_eq!(all, expected);
        assert_eq!(read(json!({})), Arguments::none());
    }

    #[test]
    fn objects_are_paths() {
        let nested = read(json!({"order": {"item": {"id": "a"}, "count": 2}}));
        assert_eq!(nested.string.get("order.item.id").map(String::as_str), Some("a"));
        assert_eq!(nested.long.get("order.count"), Some(&2));
        assert!(nested.complete);
    }

    #[test]
    fn a_name_with_a_dot_is_not_a_path() {
        let both = read(json!({"a.b": 1, "a": {"b": 2}, "a\\": {"b": 3}, "": {"": 4}}));
        let expected = [("a\\.b", 1), ("a.b", 2), ("a\\\\.b", 3)].map(|(path, value)| (path.to_owned(), value));
        for (path, value) in &expected {
            assert_eq!(both.long.get(path), Some(value), "{path}");
        }
        assert!(both.complete);
    }

    #[test]
    fn no_two_values_ever_share_a_path() {
        let names = ["", ".", "\\", "a", "a.", ".a", "\\.", "a\\"];
        let mut arguments = Map::new();
        for outer in names {
            let inner: Map<String, Value> = names.iter().map(|inner| ((*inner).to_owned(), json!(1))).collect();
            arguments.insert(outer.to_owned(), Value::Object(inner));
        }
        let seen = Arguments::read(&arguments);
        assert_eq!(seen.long.len(), names.len() * names.len());
        for name in names {
            let flat: Map<String, Value> = [(name.to_owned(), json!(1))].into_iter().collect();
            for path in Arguments::read(&flat).long.keys() {
                assert!(!seen.long.contains_key(path), "{path}");
            }
        }
    }

    #[test]
    fn names_that_differ_in_case_only_are_not_shown() {
        let go = read(json!({"employee_id": "E1001", "Employee_ID": "E2001", "x": {"K": 1, "\u{212a}": 2}, "y": 1}));
        assert_eq!(go.long, BTreeMap::from([("y".to_owned(), 1)]));
        assert!(go.string.is_empty() && !go.complete);
    }

    #[test]
    fn a_number_is_its_value_and_not_its_spelling() {
        let number = |text: &str| read(serde_json::from_str(&format!("{{\"x\":{text}}}")).unwrap());
        for (text, long) in [
            ("5", 5),
            ("5.0", 5),
            ("5e2", 500),
            ("-0.0", 0),
            ("9007199254740991", 9_007_199_254_740_991),
            ("-9007199254740991", -9_007_199_254_740_991),
            ("9007199254740991.0", 9_007_199_254_740_991),
        ] {
            assert_eq!(number(text).long.get("x"), Some(&long), "{text}");
        }
        for (text, decimal) in
            [("12.5", "12.5"), ("-0.0001", "-0.0001"), ("1.25e1", "12.5"), ("922337203685476.9", "922337203685476.9")]
        {
            assert_eq!(number(text).decimal.get("x").map(String::as_str), Some(decimal), "{text}");
        }
        for text in ["9223372036854775808", "0.00001", "1e-7", "1e300", "9007199254740992.0", "-1e16"]
            .into_iter()
            .chain(["9007199254740992", "9007199254740993", "-9007199254740992", "9223372036854775807"])
        {
            assert_eq!(number(text), Arguments { complete: false, ..Arguments::none() }, "{text}");
        }
    }

    #[test]
    fn what_has_no_bag_is_missing_and_missed() {
        for odd in
            [json!(null), json!({}), json!([1]), json!(["a", 1]), json!([["a"]]), json!([{"a": 1}]), json!([null])]
        {
            nothing_of(odd);
        }
    }

    #[test]
    fn everything_is_bounded() {
        nothing_of(json!("x".repeat(MAX_STRING_BYTES + 1)));
        nothing_of(json!(["x".repeat(MAX_STRING_BYTES + 1)]));
        nothing_of(json!(vec!["x"; MAX_ELEMENTS + 1]));
        let deep = (1..MAX_DEPTH).fold(json!({"x": 1}), |inner, _| json!({"x": inner}));
        assert!(read(deep.clone()).complete);
        nothing_of(deep);
        let long_name: Map<String, Value> = [("x".repeat(MAX_PATH_BYTES + 1), json!(1))].into_iter().collect();
        assert_eq!(Arguments::read(&long_name), Arguments { complete: false, ..Arguments::none() });
        let many: Map<String, Value> = (0..=MAX_VALUES).map(|n| (n.to_string(), json!(1))).collect();
        assert_eq!(Arguments::read(&many).long.len(), MAX_VALUES);
        // Sets forget what repeats; the work does not.
        let arrays: Map<String, Value> = (0..3).map(|n| (n.to_string(), json!(vec!["x"; 400]))).collect();
        assert_eq!((Arguments::read(&arrays).strings.len(), Arguments::read(&arrays).complete), (2, false));
    }
}
