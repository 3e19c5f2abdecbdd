//! lakeform's only user of the AWS SDK: one file per kind, each with read, find, create, update and delete, and what
//! the data work needs of S3, Glue and Redshift. Fields and outputs are those of the engine's schemas.

mod bucket;
mod connection;
mod crawl;
mod diagnosis;
mod discover;
mod door;
mod ec2;
mod error;
mod glue;
mod glue_classifier;
mod glue_crawler;
mod glue_database;
mod glue_trigger;
mod internet_gateway;
mod log_group;
mod looks;
mod marks;
mod nat_gateway;
mod owned;
mod provider;
mod rate;
mod redshift;
mod redshift_cluster;
mod redshift_namespace;
mod redshift_parameter_group;
mod redshift_subnet_group;
mod redshift_workgroup;
mod role;
mod route_table;
mod s3_clock;
mod s3_objects;
#[cfg(test)]
mod schemas;
mod secret;
mod security_group;
mod serverless;
mod statements;
mod subnet;
mod tagging;
mod tags;
mod vpc;
mod vpc_endpoint;
mod wait;

pub use connection::{Body, Connection, Handler, Keys};
pub use crawl::{CatalogColumn, CatalogTable, CrawlResult};
pub use door::Credentials;
pub use s3_objects::{Head, Listed, Unfinished, UploadedPart};
pub use statements::{Answer, Cell, Column, Login, Rows, Session, Warehouse};

use crate::error::{Doing, Result, incomplete};
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Owned, Report, Sought, Update};
use lakeform_engine::plan::{PENDING_REBOOT, on_its_way};
use lakeform_engine::schema::Identity as KnownBy;
use lakeform_engine::{Cloud, CloudError, Kind, Live};
use std::collections::BTreeMap;

/// The AWS objects of one account and region, over one connection.
#[derive(Clone)]
pub struct Aws {
    pub(crate) connection: Connection,
    pub(crate) data: aws_sdk_redshiftdata::Client,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) glue: aws_sdk_glue::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) redshift: aws_sdk_redshift::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) serverless: aws_sdk_redshiftserverless::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    pub(crate) tagging: aws_sdk_resourcegroupstagging::Client,
}

/// Who we are to AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub arn: String,
}

macro_rules! client {
    ($sdk:ident, $connection:expr) => {
        $sdk::Client::from_conf(
            $sdk::config::Builder::from(&$connection.config)
                .interceptor($connection.calls.clone())
                .build(),
        )
    };
}

/// Calls the same function in the module of a kind. Data kinds are no AWS objects.
macro_rules! by_kind {
    ($kind:expr, $provider:ident => $call:expr) => {{
        macro_rules! arm {
            ($module:ident) => {{
                use crate::$module as $provider;
                $call
            }};
        }
        match $kind {
            Kind::Vpc => arm!(vpc),
            Kind::Subnet => arm!(subnet),
            Kind::InternetGateway => arm!(internet_gateway),
            Kind::NatGateway => arm!(nat_gateway),
            Kind::RouteTable => arm!(route_table),
            Kind::VpcEndpoint => arm!(vpc_endpoint),
            Kind::SecurityGroup => arm!(security_group),
            Kind::Bucket => arm!(bucket),
            Kind::Role => arm!(role),
            Kind::GlueDatabase => arm!(glue_database),
            Kind::GlueClassifier => arm!(glue_classifier),
            Kind::GlueCrawler => arm!(glue_crawler),
            Kind::GlueTrigger => arm!(glue_trigger),
            Kind::RedshiftSubnetGroup => arm!(redshift_subnet_group),
            Kind::RedshiftParameterGroup => arm!(redshift_parameter_group),
            Kind::RedshiftCluster => arm!(redshift_cluster),
            Kind::RedshiftNamespace => arm!(redshift_namespace),
            Kind::RedshiftWorkgroup => arm!(redshift_workgroup),
            Kind::Secret => arm!(secret),
            Kind::LogGroup => arm!(log_group),
            Kind::Dataset | Kind::Crawl | Kind::ExternalSchema | Kind::Sql | Kind::Copy | Kind::Dbt => Err(
                CloudError::new(Meaning::Unsupported, format!("handle {}", $kind), "it is no AWS object"),
            ),
        }
    }};
}

impl Aws {
    pub fn new(connection: Connection) -> Self {
        let path_style = connection.config.endpoint_url().is_some();
        let s3 = aws_sdk_s3::config::Builder::from(&connection.config)
            .interceptor(connection.calls.clone())
            // An endpoint of one's own has no host name per bucket.
            .force_path_style(path_style)
            .build();
        Self {
            data: client!(aws_sdk_redshiftdata, connection),
            ec2: client!(aws_sdk_ec2, connection),
            glue: client!(aws_sdk_glue, connection),
            iam: client!(aws_sdk_iam, connection),
            logs: client!(aws_sdk_cloudwatchlogs, connection),
            redshift: client!(aws_sdk_redshift, connection),
            s3: aws_sdk_s3::Client::from_conf(s3),
            secrets: client!(aws_sdk_secretsmanager, connection),
            serverless: client!(aws_sdk_redshiftserverless, connection),
            sts: client!(aws_sdk_sts, connection),
            tagging: client!(aws_sdk_resourcegroupstagging, connection),
            connection,
        }
    }

    /// Returns the connection, for its region and its counts of calls.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Asks AWS who we are.
    pub async fn identity(&self) -> Result<Identity> {
        let doing = "find out whose credentials these are";
        let answer = self.sts.get_caller_identity().send().await.doing(doing)?;
        Ok(Identity {
            account: answer.account.ok_or_else(|| incomplete(doing, "Account"))?,
            arn: answer.arn.unwrap_or_default(),
        })
    }

    /// Returns the account, asked for once per connection.
    pub async fn account(&self) -> Result<&str> {
        let known = &self.connection.account;
        let account = known
            .get_or_try_init(async || Ok::<_, CloudError>(self.identity().await?.account))
            .await?;
        Ok(account)
    }
}

impl Cloud for Aws {
    async fn read(&self, kind: Kind, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
        by_kind!(kind, provider => provider::read(self, asks).await)
    }

    async fn find(&self, kind: Kind, sought: &[Sought]) -> Result<Vec<Option<Live>>> {
        let looks = match kind.schema().identity {
            KnownBy::Assigned => usize::MAX,
            // What has a name shows soon, and is found by that name when it is made again.
            KnownBy::Named(_) | KnownBy::Address => 3,
        };
        let mut pauses = wait::hidden(self.connection.pace).take(looks);
        let mut found = vec![None; sought.len()];
        loop {
            let missing: Vec<usize> = (0..sought.len()).filter(|index| found[*index].is_none()).collect();
            let look: Vec<Sought> = missing.iter().map(|index| sought[*index].clone()).collect();
            for (index, live) in missing.into_iter().zip(self.look_for(kind, &look).await?) {
                found[index] = live;
            }
            let Some(pause) = pauses.next().filter(|_| found.contains(&None)) else {
                return Ok(found);
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn create(&self, create: &Create, report: Report<'_>) -> Result<Live> {
        let kind = create.owner.address.kind;
        by_kind!(kind, provider => provider::create(self, create, report).await)
    }

    async fn update(&self, update: &Update, report: Report<'_>) -> Result<Live> {
        let kind = update.owner.address.kind;
        if update.changed.is_empty() {
            let live = self.settled(update, report).await?;
            if kind != Kind::RedshiftCluster {
                return Ok(live);
            }
        }
        by_kind!(kind, provider => provider::update(self, update, report).await)
    }

    async fn delete(&self, delete: &Delete, report: Report<'_>) -> Result<()> {
        let kind = delete.owner.address.kind;
        by_kind!(kind, provider => provider::delete(self, delete, report).await)
    }

    async fn owned(&self, stack: &str) -> Result<Vec<Owned>> {
        owned::of_stack(self, stack).await
    }
}

impl Aws {
    /// Looks once for what interrupted creates made: by the tags of their intents, or by name.
    async fn look_for(&self, kind: Kind, sought: &[Sought]) -> Result<Vec<Option<Live>>> {
        if kind.schema().identity != KnownBy::Assigned {
            let asks: Vec<Ask> = sought.iter().map(|sought| sought.ask.clone()).collect();
            let lives = self.read(kind, &asks).await?;
            let ours = |(live, Sought { ask, owner }): (Option<Live>, &Sought)| match live {
                Some(live) => Ok(provider::is_ours(&live, owner, &ask.fields)?.then_some(live)),
                None => Ok(None),
            };
            return lives.into_iter().zip(sought).map(ours).collect();
        }
        let ops = sought.iter().map(|sought| sought.owner.op.clone()).collect();
        let lives = ec2::in_chunks(ops, async |ops| {
            let filter = ec2::made_by(ops);
            match kind {
                Kind::Vpc => vpc::filtered(self, filter).await,
                Kind::Subnet => subnet::filtered(self, filter).await,
                Kind::InternetGateway => internet_gateway::filtered(self, filter).await,
                Kind::NatGateway => nat_gateway::filtered(self, filter).await,
                Kind::RouteTable => route_table::filtered(self, filter).await,
                Kind::VpcEndpoint => vpc_endpoint::filtered(self, filter).await,
                Kind::SecurityGroup => security_group::filtered(self, filter).await,
                _ => unreachable!("only EC2 chooses the ids of what it makes"),
            }
        })
        .await?;
        let op_of = |live: &Live| live.owner.as_ref().map(|owner| owner.op.clone());
        let by_op: BTreeMap<Option<String>, Live> = lives.into_iter().map(|live| (op_of(&live), live)).collect();
        let made = |sought: &Sought| by_op.get(&Some(sought.owner.op.clone())).cloned();
        Ok(sought.iter().map(made).collect())
    }

    /// Waits for an object that an interrupted run left on its way.
    async fn settled(&self, update: &Update, report: Report<'_>) -> Result<Live> {
        let doing = format!("wait for {}", update.owner.address);
        let asks = [provider::ask_updated(update)];
        let patience = wait::Patience::slow(self.connection.pace, 4500);
        wait::until(patience, &doing, report, async || {
            let live = self
                .read(update.owner.address.kind, &asks)
                .await?
                .into_iter()
                .next()
                .flatten();
            let live = live.ok_or_else(|| {
                CloudError::new(
                    lakeform_engine::cloud::Meaning::NotFound,
                    &doing,
                    "it is not there any more",
                )
            })?;
            Ok(match &live.status {
                Some(status) if status != PENDING_REBOOT && on_its_way(status) => wait::Look::Pending(status.clone()),
                _ => wait::Look::Done(live),
            })
        })
        .await
    }
}
