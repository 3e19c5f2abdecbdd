//! `vpc_endpoint`: gateway endpoints only.

use crate::Aws;
use crate::ec2;
use crate::error::{Doing, Pages, Result, found, incomplete, meaning};
use crate::looks::Wait;
use crate::provider::{
    self, ask_created, ask_updated, changes, document, live, outputs, parse_document, set_change, typed,
};
use crate::tags::{self, Tags};
use crate::wait::{Look, Patience, retry, until};
use aws_sdk_ec2::types::{Filter, ResourceType, VpcEndpoint, VpcEndpointType};
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::normalise::same;
use lakeform_engine::schema::Compare;
use lakeform_engine::{CloudError, Live, Value};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    vpc: String,
    #[serde(default = "s3")]
    service: String,
    #[serde(default)]
    route_tables: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<serde_json::Value>,
    #[serde(default)]
    tags: Tags,
}

fn s3() -> String {
    "s3".to_owned()
}

const KIND: &str = "VPC endpoint";

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let mut answers = ec2::by_id(asks, async |ids| {
        filtered(aws, ec2::filter("vpc-endpoint-id", ids)).await
    })
    .await?;
    for (ask, live) in asks.iter().zip(&mut answers) {
        if let Some(live) = live
            && !ask.fields.contains_key("policy")
            && live.fields.get("policy").is_some_and(allows_everything)
        {
            live.fields.remove("policy");
        }
    }
    Ok(answers)
}

/// Whether it is the policy that AWS gives an endpoint for which none was asked.
fn allows_everything(policy: &Value) -> bool {
    let everything = serde_json::json!({
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    });
    same(Compare::Policy, policy, &Value::from_json(&everything))
}

pub(crate) async fn filtered(aws: &Aws, filter: Filter) -> Result<Vec<Live>> {
    describe(aws, filter).await?.iter().map(to_live).collect()
}

/// Deleted endpoints stay listed for a while and are left out.
async fn describe(aws: &Aws, filter: Filter) -> Result<Vec<VpcEndpoint>> {
    let pages = aws
        .ec2
        .describe_vpc_endpoints()
        .filters(filter)
        .into_paginator()
        .page_size(1000)
        .items()
        .send();
    let mut endpoints = pages.all("read VPC endpoints").await?;
    endpoints.retain(|endpoint| state(endpoint) != "deleted");
    Ok(endpoints)
}

fn is_going(endpoint: &VpcEndpoint) -> bool {
    state(endpoint) == "deleting"
}

/// One is asked for by id, which every endpoint understands; several by filter, because one unknown id spoils all.
async fn by_ids(aws: &Aws, ids: Vec<String>) -> Result<Vec<VpcEndpoint>> {
    let request = aws.ec2.describe_vpc_endpoints();
    let request = match ids.as_slice() {
        [id] => request.vpc_endpoint_ids(id),
        _ => request.filters(ec2::filter("vpc-endpoint-id", ids)),
    };
    let endpoints = request.into_paginator().items().send().all("read VPC endpoints").await;
    Ok(found(endpoints)?.unwrap_or_default())
}

/// Looks at an endpoint, together with all others that are waited for.
async fn look(aws: &Aws, wait: &Wait) -> Result<Option<VpcEndpoint>> {
    wait.look(aws.connection.fresh(), async |names| {
        let endpoints = ec2::in_chunks(names, async |ids| by_ids(aws, ids).await).await?;
        let named = |endpoint: VpcEndpoint| Some((endpoint.vpc_endpoint_id.clone()?, endpoint));
        Ok(endpoints.into_iter().filter_map(named).collect())
    })
    .await
}

/// The model capitalises the states, live answers do not.
fn state(endpoint: &VpcEndpoint) -> String {
    endpoint
        .state
        .as_ref()
        .map(|state| state.as_str().to_ascii_lowercase())
        .unwrap_or_default()
}

fn to_live(endpoint: &VpcEndpoint) -> Result<Live> {
    let id = endpoint
        .vpc_endpoint_id
        .as_deref()
        .ok_or_else(|| incomplete("read VPC endpoints", "vpcEndpointId"))?;
    let (tags, owner) = tags::split(ec2::tag_pairs(endpoint.tags()));
    let service = endpoint.service_name.as_deref().unwrap_or_default();
    let mut route_tables = endpoint.route_table_ids().to_vec();
    route_tables.sort();
    let wanted = Wanted {
        vpc: endpoint.vpc_id.clone().unwrap_or_default(),
        service: service.rsplit('.').next().unwrap_or(service).to_owned(),
        route_tables,
        policy: endpoint.policy_document.as_deref().map(parse_document),
        tags,
    };
    let mut live = live(id, &wanted, outputs! { id: id }, owner);
    live.going = is_going(endpoint);
    live.status = Some(state(endpoint)).filter(|state| state != "available");
    Ok(live)
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the VPC endpoint";
    let wanted: Wanted = typed(&create.fields)?;
    let made = async || {
        let made = describe(aws, ec2::made_by([&create.owner.op])).await?;
        let staying = made.into_iter().find(|endpoint| !is_going(endpoint));
        Ok(staying.and_then(|endpoint| endpoint.vpc_endpoint_id))
    };
    let issue = async || {
        let answer = aws
            .ec2
            .create_vpc_endpoint()
            .vpc_endpoint_type(VpcEndpointType::Gateway)
            .vpc_id(&wanted.vpc)
            .service_name(format!("com.amazonaws.{}.{}", aws.connection.region(), wanted.service))
            .set_route_table_ids(Some(wanted.route_tables.clone()))
            .set_policy_document(wanted.policy.as_ref().map(document))
            .client_token(&create.owner.op)
            .tag_specifications(ec2::tag_specification(
                ResourceType::VpcEndpoint,
                &create.owner,
                &wanted.tags,
            ))
            .customize()
            .config_override(ec2::no_blind_retry())
            .send()
            .await
            .doing(doing)?;
        ec2::id(
            answer
                .vpc_endpoint
                .and_then(|endpoint| endpoint.vpc_endpoint_id)
                .as_deref(),
            doing,
            "vpcEndpointId",
        )
    };
    let issued = retry(ec2::lag(aws), report, ec2::not_visible, async || {
        ec2::once(aws, &made, issue).await
    })
    .await;
    let id = match issued {
        Ok(id) => id,
        // A route table that already leads to the service: by an earlier try of this very create, or another endpoint.
        Err(error) if error.meaning == Meaning::AlreadyExists => ec2::shown(aws, made).await?.ok_or(error)?,
        Err(error) => return Err(error),
    };
    report(Progress::Made { id: id.clone() });
    let wait = aws.connection.looks.wait(KIND, &id);
    until(Patience::new(aws.connection.pace, 600), doing, report, async || {
        let Some(endpoint) = look(aws, &wait).await? else {
            return Ok(Look::Pending("not yet visible to EC2".to_owned()));
        };
        match state(&endpoint).as_str() {
            "available" => Ok(Look::Done(())),
            failed @ ("failed" | "rejected" | "expired") => Err(CloudError::new(
                Meaning::Failed,
                doing,
                endpoint
                    .last_error
                    .as_ref()
                    .and_then(|error| error.message.clone())
                    .unwrap_or(format!("it {failed}")),
            )),
            state => Ok(Look::Pending(state.to_owned())),
        }
    })
    .await?;
    provider::visible(aws, doing, report, async || {
        read(aws, &[ask_created(create, &id)]).await
    })
    .await
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let doing = "change the VPC endpoint";
    let wanted: Wanted = typed(&update.fields)?;
    let before: Wanted = typed(&update.before.fields)?;
    ec2::retag(aws, update, &update.id).await?;
    if changes(update, &["route_tables", "policy"]) {
        let (add, remove) = set_change(&before.route_tables, &wanted.route_tables);
        let request = aws
            .ec2
            .modify_vpc_endpoint()
            .vpc_endpoint_id(&update.id)
            .set_add_route_table_ids(Some(add).filter(|ids| !ids.is_empty()))
            .set_remove_route_table_ids(Some(remove).filter(|ids| !ids.is_empty()));
        let request = match (changes(update, &["policy"]), &wanted.policy) {
            (false, _) => request,
            (true, Some(policy)) => request.policy_document(document(policy)),
            // An empty document would forbid everything; the default allows everything.
            (true, None) => request.reset_policy(true),
        };
        retry(ec2::lag(aws), report, crate::wait::busy, async || {
            request.clone().send().await.doing(doing)
        })
        .await?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, doing)
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let doing = "delete the VPC endpoint";
    let answer = aws
        .ec2
        .delete_vpc_endpoints()
        .vpc_endpoint_ids(&delete.id)
        .send()
        .await
        .doing(doing)?;
    // Failures come inside an answer that says 200.
    for item in answer.unsuccessful() {
        let (code, message) = match &item.error {
            Some(error) => (error.code.as_deref(), error.message.as_deref().unwrap_or_default()),
            None => (None, ""),
        };
        let meaning = meaning(code, message, None);
        if meaning != Meaning::NotFound {
            let mut error = CloudError::new(meaning, doing, message);
            error.code = code.map(str::to_owned);
            return Err(error);
        }
    }
    let wait = aws.connection.looks.wait(KIND, &delete.id);
    until(Patience::new(aws.connection.pace, 600), doing, report, async || {
        Ok(match look(aws, &wait).await?.as_ref().map(state) {
            None => Look::Done(()),
            Some(state) if state == "deleted" => Look::Done(()),
            Some(state) => Look::Pending(state),
        })
    })
    .await
}
