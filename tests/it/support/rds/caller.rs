//! Who calls, and what IAM's simulator of policies says that it may: two other services, whose calls come to the same address.

use hyper::StatusCode;

use super::call::{Call, Outcome, bad_value, refuse_with};
use super::world::World;
use super::xml::{element, within};

/// The user of every account.
fn arn(call: &Call) -> String {
    format!("arn:aws:iam::{}:user/ops", call.place.account)
}

pub(super) fn identity(_: &mut World, call: &Call) -> Outcome {
    Ok([element("Arn", arn(call)), element("UserId", "AIDAEXAMPLE"), element("Account", &call.place.account)].concat())
}

/// One answer for each action, whatever the number of resources.
pub(super) fn simulate(world: &mut World, call: &Call) -> Outcome {
    if !world.may_simulate {
        let message =
            format!("User: {0} is not authorized to perform: iam:SimulatePrincipalPolicy on resource: {0}", arn(call));
        return refuse_with(StatusCode::FORBIDDEN, "AccessDenied", message);
    }
    if call.required("PolicySourceArn")? != arn(call) {
        return refuse_with(StatusCode::NOT_FOUND, "NoSuchEntity", "The entity does not exist.");
    }
    let resources = call.list("ResourceArns.member");
    if resources.is_empty() || !resources.iter().all(|arn| arn.starts_with("arn:aws:rds:")) {
        return bad_value(format!("the resources {resources:?}"));
    }
    let member = |action: &String| {
        let decision = if world.denied.contains(action) { "implicitDeny" } else { "allowed" };
        let told = [element("EvalActionName", action), element("EvalResourceName", &resources[0])].concat();
        within(
            "member",
            &format!("{told}{}<MatchedStatements/><MissingContextValues/>", element("EvalDecision", decision)),
        )
    };
    let members: String = call.list("ActionNames.member").iter().map(member).collect();
    Ok(format!("<IsTruncated>false</IsTruncated>{}", within("EvaluationResults", &members)))
}
