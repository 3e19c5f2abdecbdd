//! `role`: trust, inline policies and attachments are separate calls on AWS and one resource for us.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Pages, Result, Says, accept, found};
use crate::provider::{
    self, ask_created, ask_updated, changes, claim, document, live, name_of, outputs, parse_document, set_change,
    tag_change, typed,
};
use crate::tags::{self, Tags, sdk_tags};
use crate::wait::{Look, Patience, busy, retry, until};
use aws_sdk_iam::types::{Role, Tag};
use futures::future::try_join_all;
use futures::try_join;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::{CloudError, Live};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    service: String,
    #[serde(default)]
    description: String,
    #[serde(default = "hour")]
    max_session_s: i32,
    #[serde(default)]
    policies: BTreeMap<String, Json>,
    #[serde(default)]
    managed: Vec<String>,
    #[serde(default)]
    tags: Tags,
}

fn hour() -> i32 {
    3600
}

const MANAGED: &str = "arn:aws:iam::aws:policy/";
const DOMAIN: &str = ".amazonaws.com";

/// Our roles live under this path, because listing roles leaves their tags out and a path can be searched.
pub(crate) fn path(stack: &str) -> String {
    format!("/lakeform/{stack}/")
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    try_join_all(asks.iter().map(|ask| read_one(aws, ask))).await
}

async fn read_one(aws: &Aws, ask: &Ask) -> Result<Option<Live>> {
    let Some(name) = name_of(ask, "name") else {
        return Ok(None);
    };
    let doing = "read the role";
    let role = found(aws.iam.get_role().role_name(&name).send().await.doing(doing))?.and_then(|answer| answer.role);
    let Some(role) = role else { return Ok(None) };
    let (policies, attached) = try_join!(inline(aws, &name), attachments(aws, &name))?;
    Ok(Some(to_live(&role, policies, attached, ask)))
}

async fn inline(aws: &Aws, role: &str) -> Result<BTreeMap<String, Json>> {
    let doing = "read the role's policies";
    let pages = aws
        .iam
        .list_role_policies()
        .role_name(role)
        .into_paginator()
        .items()
        .send();
    let names = found(pages.all(doing).await)?.unwrap_or_default();
    let documents = names.into_iter().map(|name| async move {
        let answer = aws
            .iam
            .get_role_policy()
            .role_name(role)
            .policy_name(&name)
            .send()
            .await
            .doing(doing)?;
        Ok::<_, CloudError>((name, parse_document(&decode(&answer.policy_document))))
    });
    Ok(try_join_all(documents).await?.into_iter().collect())
}

async fn attachments(aws: &Aws, role: &str) -> Result<Vec<String>> {
    let pages = aws
        .iam
        .list_attached_role_policies()
        .role_name(role)
        .into_paginator()
        .items()
        .send();
    let attached = pages.all("read the role's attachments").await;
    Ok(found(attached)?
        .unwrap_or_default()
        .into_iter()
        .filter_map(|policy| policy.policy_arn)
        .collect())
}

/// IAM returns documents URL-encoded.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn to_live(role: &Role, policies: BTreeMap<String, Json>, attached: Vec<String>, ask: &Ask) -> Live {
    let asked: Vec<String> = ask
        .fields
        .get("managed")
        .map(|list| list.as_list().iter().map(|item| item.to_text()).collect())
        .unwrap_or_default();
    let asked_service = ask
        .fields
        .get("service")
        .and_then(|service| service.as_text())
        .unwrap_or_default();
    let mut managed: Vec<String> = attached
        .into_iter()
        .map(|arn| match arn.strip_prefix(MANAGED) {
            Some(name) if !asked.contains(&arn) => name.to_owned(),
            _ => arn,
        })
        .collect();
    managed.sort();
    let trust = role
        .assume_role_policy_document
        .as_deref()
        .map(|text| parse_document(&decode(text)));
    let (tags, owner) = tags::split(role.tags().iter().map(|tag| (tag.key.clone(), tag.value.clone())));
    let wanted = Wanted {
        name: role.role_name.clone(),
        service: trust
            .map(|trust| trusted_service(&trust, asked_service))
            .unwrap_or_default(),
        description: role.description.clone().unwrap_or_default(),
        max_session_s: role.max_session_duration.unwrap_or_else(hour),
        policies,
        managed,
        tags,
    };
    let outputs = outputs! { arn: role.arn.as_str(), name: role.role_name.as_str(), id: role.role_id.as_str() };
    let mut live = live(&role.role_name, &wanted, outputs, owner);
    if let Some(boundary) = role
        .permissions_boundary
        .as_ref()
        .and_then(|boundary| boundary.permissions_boundary_arn.as_deref())
    {
        live.extras.push(format!("the permissions boundary {boundary}"));
    }
    live
}

/// Who may take the role. Redshift and its serverless form are two services that run the same SQL.
fn trust(service: &str) -> Json {
    let services = match service.strip_suffix(DOMAIN).unwrap_or(service) {
        "redshift" => json!(["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]),
        name => json!(format!("{name}{DOMAIN}")),
    };
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}],
    })
}

/// Returns the service whose trust policy this is, in the spelling that was asked for; a policy that we would not
/// write comes back as its text, which no service is called.
fn trusted_service(document: &Json, asked: &str) -> String {
    let names = || -> Option<Vec<&str>> {
        let statement = match document.get("Statement")? {
            Json::Array(statements) if statements.len() == 1 => &statements[0],
            Json::Array(_) => return None,
            single => single,
        };
        let action = match statement.get("Action")? {
            Json::Array(actions) if actions.len() == 1 => actions[0].as_str()?,
            action => action.as_str()?,
        };
        if statement.get("Effect")? != "Allow" || action != "sts:AssumeRole" || statement.get("Condition").is_some() {
            return None;
        }
        let principal = statement.get("Principal")?.as_object()?;
        if principal.len() != 1 {
            return None;
        }
        let mut names: Vec<&str> = match principal.get("Service")? {
            Json::Array(names) => names.iter().filter_map(Json::as_str).collect(),
            name => vec![name.as_str()?],
        };
        names.sort_unstable();
        Some(names)
    };
    let short = match names().as_deref() {
        Some([name]) if *name != "redshift.amazonaws.com" => name.strip_suffix(DOMAIN).map(str::to_owned),
        Some(["redshift-serverless.amazonaws.com", "redshift.amazonaws.com"]) => Some("redshift".to_owned()),
        _ => None,
    };
    match short {
        Some(short) if asked.strip_suffix(DOMAIN) == Some(&short) => asked.to_owned(),
        Some(short) => short,
        None => document.to_string(),
    }
}

fn managed_arn(name: &str) -> String {
    if name.starts_with("arn:") {
        name.to_owned()
    } else {
        format!("{MANAGED}{name}")
    }
}

/// How long IAM may contradict itself about a role just made or changed.
fn patience(aws: &Aws) -> Patience {
    match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 5),
        Pace::Aws => Patience::new(Pace::Aws, 120),
    }
}

/// Refusals that pass once IAM has spread what was made a moment ago.
fn spreading(error: &CloudError) -> Option<&'static str> {
    let principal = error.has_code(&["MalformedPolicyDocument"]) && error.message.contains("Invalid principal");
    (principal || error.is(Meaning::NotFound))
        .then_some("not yet visible to IAM")
        .or_else(|| busy(error))
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the role";
    let wanted: Wanted = typed(&create.fields)?;
    let ask = ask_created(create, &wanted.name);
    let tags = tags::join(&create.owner, &wanted.tags);
    let principal = |error: &CloudError| spreading(error).filter(|_| !error.is(Meaning::NotFound));
    let made = retry(patience(aws), report, principal, async || {
        aws.iam
            .create_role()
            .role_name(&wanted.name)
            .path(path(&create.owner.stack))
            .assume_role_policy_document(document(&trust(&wanted.service)))
            .set_description(Some(wanted.description.clone()).filter(|text| !text.is_empty()))
            .max_session_duration(wanted.max_session_s)
            .set_tags(Some(sdk_tags!(tags, Tag, checked)))
            .send()
            .await
            .doing(doing)
    })
    .await;
    let shown = async || read(aws, std::slice::from_ref(&ask)).await;
    claim(aws, made, create, report, shown).await?;
    report(Progress::Made {
        id: wanted.name.clone(),
    });
    until(patience(aws), doing, report, async || {
        let role = found(aws.iam.get_role().role_name(&wanted.name).send().await.doing(doing))?;
        Ok(match role {
            Some(_) => Look::Done(()),
            None => Look::Pending("not yet visible to IAM".to_owned()),
        })
    })
    .await?;
    for (name, policy) in &wanted.policies {
        put_policy(aws, &wanted.name, name, policy, report).await?;
    }
    for policy in &wanted.managed {
        attach(aws, &wanted.name, &managed_arn(policy), report).await?;
    }
    provider::visible(aws, doing, report, shown).await
}

async fn put_policy(aws: &Aws, role: &str, name: &str, policy: &Json, report: Report<'_>) -> Result<()> {
    retry(patience(aws), report, spreading, async || {
        let request = aws
            .iam
            .put_role_policy()
            .role_name(role)
            .policy_name(name)
            .policy_document(document(policy));
        request.send().await.doing(format!("write the policy {name}"))
    })
    .await?;
    Ok(())
}

async fn attach(aws: &Aws, role: &str, arn: &str, report: Report<'_>) -> Result<()> {
    let attach = async || {
        let request = aws.iam.attach_role_policy().role_name(role).policy_arn(arn);
        request.send().await.doing(format!("attach {arn}"))
    };
    // "Not found" may be the policy, which will not come.
    let limit = Patience {
        limit: patience(aws).limit / 4,
        ..patience(aws)
    };
    retry(limit, report, spreading, attach).await?;
    Ok(())
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let wanted: Wanted = typed(&update.fields)?;
    let ask = ask_updated(update);
    let present: Wanted =
        typed(&provider::one(read(aws, std::slice::from_ref(&ask)).await?, "change the role")?.fields)?;
    let role = &update.id;
    retag(aws, update).await?;
    if changes(update, &["service"]) {
        retry(patience(aws), report, spreading, async || {
            let policy = document(&trust(&wanted.service));
            let request = aws
                .iam
                .update_assume_role_policy()
                .role_name(role)
                .policy_document(policy);
            request.send().await.doing("change who may take the role")
        })
        .await?;
    }
    if changes(update, &["description", "max_session_s"]) {
        let request = aws.iam.update_role().role_name(role).description(&wanted.description);
        request
            .max_session_duration(wanted.max_session_s)
            .send()
            .await
            .doing("describe the role")?;
    }
    if changes(update, &["policies"]) {
        for (name, policy) in wanted
            .policies
            .iter()
            .filter(|(name, policy)| present.policies.get(*name) != Some(policy))
        {
            put_policy(aws, role, name, policy, report).await?;
        }
        for name in present
            .policies
            .keys()
            .filter(|name| !wanted.policies.contains_key(*name))
        {
            remove_policy(aws, role, name).await?;
        }
    }
    if changes(update, &["managed"]) {
        let arns = |names: &[String]| names.iter().map(|name| managed_arn(name)).collect::<Vec<_>>();
        let (add, remove) = set_change(&arns(&present.managed), &arns(&wanted.managed));
        for arn in &add {
            attach(aws, role, arn, report).await?;
        }
        for arn in &remove {
            detach(aws, role, arn).await?;
        }
    }
    provider::one(read(aws, &[ask]).await?, "change the role")
}

async fn retag(aws: &Aws, update: &Update) -> Result<()> {
    let change = tag_change(update)?;
    if !change.set.is_empty() {
        let tags = sdk_tags!(change.set, Tag, checked);
        aws.iam
            .tag_role()
            .role_name(&update.id)
            .set_tags(Some(tags))
            .send()
            .await
            .doing("tag the role")?;
    }
    if !change.remove.is_empty() {
        let request = aws
            .iam
            .untag_role()
            .role_name(&update.id)
            .set_tag_keys(Some(change.remove));
        request.send().await.doing("untag the role")?;
    }
    Ok(())
}

async fn remove_policy(aws: &Aws, role: &str, name: &str) -> Result<()> {
    let request = aws.iam.delete_role_policy().role_name(role).policy_name(name);
    accept(
        request.send().await.doing(format!("remove the policy {name}")),
        Meaning::NotFound,
    )
}

async fn detach(aws: &Aws, role: &str, arn: &str) -> Result<()> {
    let request = aws.iam.detach_role_policy().role_name(role).policy_arn(arn);
    accept(request.send().await.doing(format!("detach {arn}")), Meaning::NotFound)
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let role = &delete.id;
    let (policies, attached) = try_join!(inline_names(aws, role), attachments(aws, role))?;
    for arn in &attached {
        detach(aws, role, arn).await?;
    }
    for name in &policies {
        remove_policy(aws, role, name).await?;
    }
    let passing = |error: &CloudError| {
        error
            .is(Meaning::InUse)
            .then_some("IAM still sees its policies")
            .or_else(|| busy(error))
    };
    retry(patience(aws), report, passing, async || {
        accept(
            aws.iam
                .delete_role()
                .role_name(role)
                .send()
                .await
                .doing("delete the role"),
            Meaning::NotFound,
        )
    })
    .await
}

async fn inline_names(aws: &Aws, role: &str) -> Result<Vec<String>> {
    let pages = aws
        .iam
        .list_role_policies()
        .role_name(role)
        .into_paginator()
        .items()
        .send();
    let names = pages.all("read the role's policies").await;
    Ok(found(names)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trust_policy_reads_back_as_the_service_it_was_made_for() {
        for service in ["glue", "redshift", "scheduler.redshift", "ecs-tasks"] {
            assert_eq!(trusted_service(&trust(service), service), service);
        }
        assert_eq!(
            trusted_service(&trust("glue"), "glue.amazonaws.com"),
            "glue.amazonaws.com"
        );
    }

    #[test]
    fn a_trust_policy_that_somebody_widened_is_no_service() {
        let mut wide = trust("glue");
        wide["Statement"][0]["Principal"]["AWS"] = json!("*");
        assert!(trusted_service(&wide, "glue").starts_with('{'));
    }
}
