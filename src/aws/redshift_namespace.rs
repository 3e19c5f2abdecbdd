//! `redshift_namespace`. AWS accepts one concern per change, and the namespace must be available in between.

use crate::Aws;
use crate::error::{Doing, Pages, Result, Says, accept, found};
use crate::provider::{
    self, answers, ask_created, ask_updated, changes, claim, live, maybe, name_of, names, outputs, typed,
};
use crate::redshift_cluster::role_lag;
use crate::serverless::{self, Served};
use crate::tags::{self, Tags, sdk_tags};
use crate::wait::{busy, retry};
use aws_sdk_redshiftserverless::types::{LogExport, Namespace, NamespaceStatus, Tag};
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::{CloudError, Live};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    #[serde(default = "dev")]
    database: String,
    #[serde(default = "admin")]
    user: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_role: Option<String>,
    #[serde(default)]
    log_exports: Vec<String>,
    #[serde(default)]
    tags: Tags,
}

fn dev() -> String {
    "dev".to_owned()
}

fn admin() -> String {
    "admin".to_owned()
}

impl Wanted {
    fn exports(&self) -> Vec<LogExport> {
        self.log_exports
            .iter()
            .map(|name| LogExport::from(name.as_str()))
            .collect()
    }
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let namespaces: Vec<Namespace> = serverless::named(aws, &names(asks, "name")).await?;
    let arns = namespaces
        .iter()
        .filter_map(|namespace| namespace.namespace_arn.clone())
        .collect();
    let mut tags = serverless::tags(aws, arns).await?;
    let lives = namespaces.into_iter().map(|namespace| {
        let tags = namespace
            .namespace_arn
            .as_ref()
            .and_then(|arn| tags.remove(arn))
            .unwrap_or_default();
        to_live(namespace, tags)
    });
    Ok(answers(asks, lives, |ask| name_of(ask, "name")))
}

impl Served for Namespace {
    const KIND: &str = "namespace";

    async fn get(aws: &Aws, name: &str) -> Result<Option<Self>> {
        let request = aws.serverless.get_namespace().namespace_name(name);
        let answer = request.send().await.doing("read the namespace");
        Ok(found(answer)?.and_then(|answer| answer.namespace))
    }

    async fn all(aws: &Aws) -> Result<Vec<Self>> {
        let pages = aws.serverless.list_namespaces().into_paginator().page_size(100);
        pages.items().send().all("read namespaces").await
    }

    fn name(&self) -> Option<&str> {
        self.namespace_name.as_deref()
    }

    fn state(&self) -> Option<&str> {
        self.status.as_ref().map(NamespaceStatus::as_str)
    }
}

fn to_live(namespace: Namespace, tags: Tags) -> Live {
    let (tags, owner) = tags::split(tags);
    let name = namespace.namespace_name.unwrap_or_default();
    let mut roles: Vec<String> = namespace
        .iam_roles
        .unwrap_or_default()
        .iter()
        .map(|role| role_arn(role))
        .collect();
    roles.sort();
    let mut log_exports: Vec<String> = namespace
        .log_exports
        .unwrap_or_default()
        .iter()
        .map(|export| export.as_str().to_owned())
        .collect();
    log_exports.sort();
    let wanted = Wanted {
        name: name.clone(),
        // Absent until a workgroup is attached, and `dev` from then on.
        database: namespace.db_name.unwrap_or_else(dev),
        user: namespace.admin_username.unwrap_or_else(admin),
        roles,
        default_role: namespace
            .default_iam_role_arn
            .filter(|arn| !arn.is_empty())
            .map(|arn| role_arn(&arn)),
        log_exports,
        tags,
    };
    let outputs = outputs! {
        name: name.as_str(),
        arn: maybe(namespace.namespace_arn.as_deref()),
        id: maybe(namespace.namespace_id.as_deref()),
        database: wanted.database.as_str(),
        secret: maybe(namespace.admin_password_secret_arn.as_deref()),
    };
    let mut live = live(&name, &wanted, outputs, owner);
    live.going = namespace.status == Some(NamespaceStatus::Deleting);
    live.status = namespace
        .status
        .filter(|status| *status != NamespaceStatus::Available)
        .map(|status| status.as_str().to_ascii_lowercase());
    live
}

/// Roles come back as `IamRole(applyStatus=in-sync, iamRoleArn=arn:…)`.
fn role_arn(text: &str) -> String {
    match text.split_once("iamRoleArn=") {
        Some((_, rest)) => rest
            .trim_end_matches(')')
            .split(',')
            .next()
            .unwrap_or(rest)
            .trim()
            .to_owned(),
        None => text.to_owned(),
    }
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the namespace";
    let wanted: Wanted = typed(&create.fields)?;
    let ask = ask_created(create, &wanted.name);
    let tags = tags::join(&create.owner, &wanted.tags);
    let waiting = |error: &CloudError| serverless::under_way(error).or_else(|| role_lag(error));
    let made = retry(serverless::patience(aws), report, waiting, async || {
        aws.serverless
            .create_namespace()
            .namespace_name(&wanted.name)
            .db_name(&wanted.database)
            .admin_username(&wanted.user)
            .manage_admin_password(true)
            .set_iam_roles(Some(wanted.roles.clone()).filter(|roles| !roles.is_empty()))
            .set_default_iam_role_arn(wanted.default_role.clone())
            .set_log_exports(Some(wanted.exports()).filter(|exports| !exports.is_empty()))
            .set_tags(Some(sdk_tags!(tags, Tag, checked)))
            .send()
            .await
            .doing(doing)
    })
    .await;
    let shown = async || read(aws, std::slice::from_ref(&ask)).await;
    claim(aws, made.map_err(serverless::taken), create, report, shown).await?;
    report(Progress::Made {
        id: wanted.name.clone(),
    });
    serverless::available::<Namespace>(aws, &wanted.name, report).await?;
    provider::visible(aws, doing, report, shown).await
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let doing = "change the namespace";
    let wanted: Wanted = typed(&update.fields)?;
    serverless::retag(aws, update).await?;
    let request = || aws.serverless.update_namespace().namespace_name(&update.id);
    let mut steps = Vec::new();
    if changes(update, &["user"]) {
        steps.push(request().admin_username(&wanted.user).manage_admin_password(true));
    }
    if changes(update, &["roles", "default_role"]) {
        // Empty text takes the default away; leaving it out would keep it.
        let default = wanted.default_role.clone().unwrap_or_default();
        steps.push(
            request()
                .set_iam_roles(Some(wanted.roles.clone()))
                .default_iam_role_arn(default),
        );
    }
    if changes(update, &["log_exports"]) {
        steps.push(request().set_log_exports(Some(wanted.exports())));
    }
    for step in steps {
        retry(serverless::patience(aws), report, busy, async || {
            step.clone().send().await.doing(doing)
        })
        .await?;
        serverless::available::<Namespace>(aws, &update.id, report).await?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, doing)
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let doing = "delete the namespace";
    // A workgroup that is on its way out still counts.
    let waiting = |error: &CloudError| {
        error
            .is(Meaning::Busy)
            .then_some("busy, or a workgroup is still being deleted")
    };
    retry(serverless::patience(aws), report, waiting, async || {
        let request = aws.serverless.delete_namespace().namespace_name(&delete.id);
        accept(request.send().await.doing(doing), Meaning::NotFound)
    })
    .await?;
    serverless::gone::<Namespace>(aws, &delete.id, report).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_found_in_its_decorated_form() {
        let arn = "arn:aws:iam::1:role/lake";
        assert_eq!(role_arn(arn), arn);
        assert_eq!(
            role_arn(&format!("IamRole(applyStatus=in-sync, iamRoleArn={arn})")),
            arn
        );
        assert_eq!(role_arn(&format!("IamRole(iamRoleArn={arn}, applyStatus=adding)")), arn);
    }
}
