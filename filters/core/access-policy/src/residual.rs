//! What a partial evaluation leaves possible.

use cedar_policy::{Effect, PartialResponse, PolicyId};
use serde_json::Value;

/// What can still come of a question that was left open in part.
pub(crate) struct Outlook {
    /// Permits that are satisfied or could be. Empty when every completion is a denial.
    pub(crate) possible: Vec<PolicyId>,
    /// Policies that apply whatever is still open.
    pub(crate) certain: Vec<PolicyId>,
    /// A policy fails whatever is still open.
    pub(crate) fails: bool,
}

// === impl Outlook ===

impl Outlook {
    pub(crate) fn of(response: &PartialResponse) -> Self {
        let fails = response.definitely_errored().next().is_some();
        let satisfied: Vec<_> = response.definitely_satisfied().collect();
        let mut forbidden = satisfied.iter().any(|policy| policy.effect() == Effect::Forbid);
        let mut certain: Vec<PolicyId> = satisfied.iter().map(|policy| policy.id().clone()).collect();
        let mut possible = certain.clone();
        for residual in response.nontrivial_residuals() {
            // A residual without a JSON form stays possible: then more is shown, and nothing more is allowed.
            let condition = residual.to_json().ok();
            let can_be = |wanted| condition.as_ref().is_none_or(|policy| can_all_be(policy, wanted));
            match residual.effect() {
                Effect::Permit if can_be(true) => possible.push(residual.id().clone()),
                Effect::Forbid if !can_be(false) => {
                    forbidden = true;
                    certain.push(residual.id().clone());
                }
                Effect::Permit | Effect::Forbid => {}
            }
        }
        if fails || forbidden {
            possible.clear();
        }
        if forbidden {
            // A permit that applies decides nothing then.
            let permit =
                |id: &PolicyId| satisfied.iter().any(|policy| policy.id() == id && policy.effect() == Effect::Permit);
            certain.retain(|id| !permit(id));
        }
        for ids in [&mut possible, &mut certain] {
            ids.sort_unstable_by(|one, other| <_ as AsRef<str>>::as_ref(one).cmp(other.as_ref()));
        }
        Self { possible, certain, fails }
    }
}

/// Whether the conditions of a policy (in Cedar's JSON format) could together come out so.
fn can_all_be(policy: &Value, wanted: bool) -> bool {
    let conditions = policy.get("conditions").and_then(Value::as_array);
    let mut bodies = conditions.into_iter().flatten().filter_map(|condition| {
        let unless = condition.get("kind").and_then(Value::as_str) == Some("unless");
        Some((condition.get("body")?, unless))
    });
    match wanted {
        true => bodies.all(|(body, unless)| can_be(body, !unless)),
        false => bodies.any(|(body, unless)| can_be(body, unless)),
    }
}

/// Whether an expression could come out so, its parts taken one by one. Cedar leaves `<unknown> && false` as it is,
/// for the unknown might fail; here a failure is a denial, so that such a permit can never be satisfied.
fn can_be(expression: &Value, wanted: bool) -> bool {
    let Some((operator, operands)) = expression.as_object().and_then(|members| members.iter().next()) else {
        return true;
    };
    let can = |operand: &str, wanted| operands.get(operand).is_none_or(|operand| can_be(operand, wanted));
    match (operator.as_str(), wanted) {
        ("Value", _) => operands.as_bool().is_none_or(|value| value == wanted),
        ("&&", true) | ("||", false) => can("left", wanted) && can("right", wanted),
        ("&&", false) | ("||", true) => can("left", wanted) || can("right", wanted),
        ("!", _) => can("arg", !wanted),
        ("if-then-else", _) => (can("if", true) && can("then", wanted)) || (can("if", false) && can("else", wanted)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::can_all_be;

    /// Both answers for a condition in which `principal.u` stands for what is unknown.
    #[track_caller]
    fn can(condition: &str, expected: (bool, bool)) {
        let policy = Policy::parse(None, format!("permit (principal, action, resource) {condition};")).unwrap();
        let json = policy.to_json().unwrap();
        assert_eq!((can_all_be(&json, true), can_all_be(&json, false)), expected, "{condition}");
    }

    #[test]
    fn a_false_part_decides_wherever_it_stands() {
        can("when { principal.u }", (true, true));
        can("when { principal.u && false }", (false, true));
        can("when { false && principal.u }", (false, true));
        can("when { true && principal.u }", (true, true));
        can("when { principal.u || true }", (true, false));
        can("when { (principal.u || false) && true }", (true, true));
        can("when { !(principal.u || true) }", (false, true));
        can("when { !(principal.u && false) }", (true, false));
        can("when { if principal.u then false else principal.u && false }", (false, true));
        can("when { if principal.u then true else false }", (true, true));
        can("when { if false then true else principal.u }", (true, true));
        can("when { principal.u } unless { true || principal.u }", (false, true));
        can("unless { principal.u && false }", (true, false));
        can("", (true, false));
    }
}
