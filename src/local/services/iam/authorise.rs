//! May a service act as a role, and may the role do what the service is about to do? Asked by the crawler and by
//! Redshift before every use, so that a wrong policy fails here as it would on AWS.

use super::super::{Call, Fault, s3};
use super::documents::{Role, Tags};
use super::evaluate::{Context, Decision, Question, Verdict, evaluate};
use super::policy::{Policy, Use};
use super::{managed, roles};

/// Why a role cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub enum RoleProblem {
    /// No role of this name or ARN in the account.
    Missing,
    /// The trust policy does not let the service in.
    CannotAssume,
    /// The role's policies do not allow it.
    Denied { action: String, resource: String },
    /// The store failed.
    Unknown(Fault),
}

impl From<Fault> for RoleProblem {
    fn from(fault: Fault) -> Self {
        RoleProblem::Unknown(fault)
    }
}

/// The service that wants to act as a role.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Such as `glue.amazonaws.com`.
    pub service: &'a str,
    /// ARN of the crawler, cluster or workgroup on whose behalf, for `aws:SourceArn` conditions.
    pub source_arn: Option<&'a str>,
}

/// One thing the role is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    /// Condition keys of the request, such as `s3:prefix`.
    pub context: &'a [(&'a str, &'a str)],
}

/// Says whether the service may assume the role (an ARN or a name) and the role may do all that is wanted.
pub fn role_allows(cx: &Call, role: &str, service_principal: &str, wanted: &[(&str, &str)]) -> Result<(), RoleProblem> {
    let wanted: Vec<Wanted> = wanted
        .iter()
        .map(|(action, resource)| Wanted {
            action,
            resource,
            context: &[],
        })
        .collect();
    role_allows_from(
        cx,
        role,
        Caller {
            service: service_principal,
            source_arn: None,
        },
        &wanted,
    )
}

/// Like `role_allows`, with what conditions may ask about.
pub fn role_allows_from(cx: &Call, role: &str, caller: Caller, wanted: &[Wanted]) -> Result<(), RoleProblem> {
    let home = cx.global();
    let role = resolve(&home, role)?.ok_or(RoleProblem::Missing)?;
    if !assumable(cx, &role, caller) {
        return Err(RoleProblem::CannotAssume);
    }
    let rights = Rights::of(&home, &role)?;
    for wanted in wanted {
        let mut context = request_context(cx, &role);
        context.set("aws:SourceAccount", cx.account.clone());
        for (key, value) in wanted.context {
            context.set(key, *value);
        }
        // What the bucket's own policy denies, no policy of the role allows.
        let arn = role.arn(&home);
        let bucket = s3::access::policy_decision(cx, &arn, wanted.action, wanted.resource, context.clone())?;
        if bucket == Some(Decision::ExplicitDeny) {
            return Err(RoleProblem::Denied {
                action: wanted.action.to_string(),
                resource: wanted.resource.to_string(),
            });
        }
        let question = Question {
            action: wanted.action,
            resource: wanted.resource,
            principals: Vec::new(),
            context,
        };
        if rights.decide(&question).decision != Decision::Allowed {
            return Err(RoleProblem::Denied {
                action: wanted.action.to_string(),
                resource: wanted.resource.to_string(),
            });
        }
    }
    Ok(())
}

/// Returns the role of a name, a path with a name, or an ARN of this account.
fn resolve(cx: &Call, role: &str) -> Result<Option<Role>, Fault> {
    let Some(rest) = role.strip_prefix("arn:") else {
        return roles::find(cx, role.rsplit('/').next().unwrap_or(role));
    };
    let name = rest.rsplit('/').next().unwrap_or(rest);
    Ok(roles::find(cx, name)?.filter(|found| found.arn(cx) == role))
}

/// Returns the ARN of a role that is named by its name or by its ARN.
pub fn role_arn(cx: &Call, role: &str) -> Result<String, Fault> {
    let home = cx.global();
    Ok(match resolve(&home, role)? {
        Some(found) => found.arn(&home),
        None if role.starts_with("arn:") => role.to_owned(),
        None => home.arn("iam", &format!("role/{role}")),
    })
}

/// Returns what a session of the role of this ARN may do, and what is known of all its requests; none when the role is
/// gone.
pub fn session_rights(cx: &Call, role: &str) -> Result<Option<(Rights, Context)>, Fault> {
    let home = cx.global();
    let Some(role) = resolve(&home, role)? else {
        return Ok(None);
    };
    Ok(Some((Rights::of(&home, &role)?, request_context(cx, &role))))
}

fn assumable(cx: &Call, role: &Role, caller: Caller) -> bool {
    let Ok(trust) = Policy::parse(&role.trust, Use::Trust) else {
        return false;
    };
    let mut context = Context::default();
    context.set("aws:SourceAccount", cx.account.clone());
    if let Some(arn) = caller.source_arn {
        context.set("aws:SourceArn", arn);
    }
    set_time(&mut context, cx.now);
    let question = Question {
        action: "sts:AssumeRole",
        resource: "",
        principals: vec![("Service", caller.service.to_string())],
        context,
    };
    evaluate(&[&trust], &question).decision == Decision::Allowed
}

/// A role's policies: what they grant, and the boundary that limits it.
pub struct Rights {
    pub policies: Vec<Policy>,
    pub boundary: Option<Policy>,
}

impl Rights {
    pub fn of(cx: &Call, role: &Role) -> Result<Rights, Fault> {
        let mut texts: Vec<String> = role.inline.values().cloned().collect();
        for arn in &role.attached {
            texts.extend(managed::text_of(cx, arn)?);
        }
        let boundary = match &role.boundary {
            Some(arn) => managed::text_of(cx, arn)?,
            None => None,
        };
        // What is stored was checked when it was written.
        let parse = |text: String| Policy::parse(&text, Use::Identity).ok();
        Ok(Rights {
            policies: texts.into_iter().filter_map(parse).collect(),
            boundary: boundary.and_then(parse),
        })
    }

    /// An allow counts only where the boundary allows too.
    pub fn decide(&self, question: &Question) -> Verdict {
        let verdict = evaluate(&self.policies.iter().collect::<Vec<_>>(), question);
        match &self.boundary {
            Some(boundary) => verdict.limited_by(evaluate(&[boundary], question)),
            None => verdict,
        }
    }
}

/// What is known of every request of a role.
fn request_context(cx: &Call, role: &Role) -> Context {
    let mut context = Context::default();
    context.set("aws:PrincipalAccount", cx.account.clone());
    context.set("aws:ResourceAccount", cx.account.clone());
    context.set("aws:PrincipalArn", role.arn(cx));
    context.set("aws:PrincipalType", "AssumedRole");
    context.set("aws:RequestedRegion", cx.region.clone());
    context.set("aws:SecureTransport", "true");
    context.set("aws:PrincipalIsAWSService", "false");
    set_principal_tags(&mut context, &role.tags);
    set_time(&mut context, cx.now);
    context
}

pub fn set_principal_tags(context: &mut Context, tags: &Tags) {
    for (key, value) in tags {
        context.set(&format!("aws:PrincipalTag/{key}"), value.clone());
    }
}

fn set_time(context: &mut Context, now: f64) {
    context.set("aws:EpochTime", format!("{}", now.floor()));
    context.set("aws:CurrentTime", format!("{}", now.floor()));
}
