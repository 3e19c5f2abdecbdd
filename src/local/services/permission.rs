//! May an assumed role do what it asks? Every other credential is its account's root, which may do everything. What an
//! operation needs is worked out from its input in `needs`; the role's policies must allow all of it. S3 asks in
//! `s3/access.rs`, where bucket policies have their say, too.

mod needs;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::iam::{self, Decision, Question};
use super::{Call, Fault, Service, sts, tagging};

/// Refuses what the policies of the role behind the caller's access key do not allow.
pub fn check(cx: &Call, input: &Value) -> Result<(), Fault> {
    // Who one is, everybody may ask.
    if cx.service == Service::Sts && cx.operation == "GetCallerIdentity" {
        return Ok(());
    }
    let Some(session) = sts::session(cx, &cx.access_key)? else {
        return Ok(());
    };
    let rights = iam::session_rights(cx, &session.role)?;
    for need in needs::of(cx, input)? {
        let decision = match &rights {
            Some((rights, known)) => {
                let mut context = known.clone();
                context.extend(need.context);
                for (key, value) in tagging::tags_of(cx, &need.resource)? {
                    context.set(&format!("aws:ResourceTag/{key}"), value);
                }
                let question = Question {
                    action: &need.action,
                    resource: &need.resource,
                    principals: Vec::new(),
                    context,
                };
                rights.decide(&question).decision
            }
            // The role is gone, and its sessions with it.
            None => Decision::ImplicitDeny,
        };
        if decision != Decision::Allowed {
            return Err(denied(cx.service, &session.arn, &need.action, &need.resource, decision));
        }
    }
    Ok(())
}

fn denied(service: Service, caller: &str, action: &str, resource: &str, decision: Decision) -> Fault {
    let why = match decision {
        Decision::ExplicitDeny => "with an explicit deny in an identity-based policy".to_owned(),
        _ => format!("because no identity-based policy allows the {action} action"),
    };
    let message = format!("User: {caller} is not authorized to perform: {action} on resource: {resource} {why}");
    match service {
        Service::Ec2 => Fault::new(
            403,
            "UnauthorizedOperation",
            format!("You are not authorized to perform this operation. {message}"),
        ),
        Service::Iam | Service::Sts | Service::Redshift => Fault::new(403, "AccessDenied", message),
        _ => Fault::bad("AccessDeniedException", message),
    }
}
