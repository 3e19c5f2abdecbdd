//! What each operation needs to be allowed: its own action on the things that its input names, `iam:PassRole` on the
//! roles that it hands to a service, and the action of tagging when it makes something with tags.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::iam::{self, Context};
use super::super::{Call, Fault, Service, glue, redshift, secrets, serverless};

/// One action on one resource.
#[derive(Debug)]
pub struct Need {
    pub action: String,
    pub resource: String,
    /// What the request says that conditions may ask about.
    pub context: Context,
}

/// Returns all that a request needs.
pub fn of(cx: &Call, input: &Value) -> Result<Vec<Need>, Fault> {
    let tags = tags_in(input);
    let mut context = Context::default();
    for (key, value) in &tags {
        context.set(&format!("aws:RequestTag/{key}"), value.clone());
    }
    if !tags.is_empty() {
        context.set_all("aws:TagKeys", tags.into_keys().collect());
    }
    let need = |action: String, resource: String| Need {
        action,
        resource,
        context: context.clone(),
    };
    let mut resources = resources(cx, input)?;
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let mut needs: Vec<Need> = Vec::new();
    if makes(cx.operation) && !tags_in(input).is_empty() {
        let mut tagging = need(tagging_action(cx), resources[0].clone());
        if cx.service == Service::Ec2 {
            tagging.context.set("ec2:CreateAction", cx.operation);
        }
        needs.push(tagging);
    }
    for (service, role) in roles_in(cx, input)? {
        let mut passing = need("iam:PassRole".to_owned(), role);
        passing.context.set("iam:PassedToService", service);
        needs.push(passing);
    }
    if cx.service == Service::RedshiftData {
        needs.extend(login(cx, input)?.into_iter().map(|(action, on)| need(action, on)));
    }
    let action = format!("{}:{}", prefix(cx.service), cx.operation);
    needs.extend(resources.into_iter().map(|resource| need(action.clone(), resource)));
    Ok(needs)
}

/// The name of a service in actions.
fn prefix(service: Service) -> &'static str {
    match service {
        Service::Tagging => "tag",
        other => other.scope(),
    }
}

fn makes(operation: &str) -> bool {
    operation.starts_with("Create") || operation.starts_with("Allocate")
}

fn tagging_action(cx: &Call) -> String {
    let operation = match cx.service {
        Service::Ec2 | Service::Redshift => "CreateTags".to_owned(),
        Service::Iam => cx.operation.replacen("Create", "Tag", 1),
        _ => "TagResource".to_owned(),
    };
    format!("{}:{operation}", prefix(cx.service))
}

/// Tags in any of the shapes in which services take them.
fn tags_in(input: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let lists = input["TagSpecifications"].as_array().into_iter().flatten();
    let lists = lists.map(|specification| &specification["Tags"]);
    for tags in lists.chain([&input["Tags"], &input["tags"]]) {
        for (key, value) in tags.as_object().into_iter().flatten() {
            found.insert(key.clone(), text(value).to_owned());
        }
        for tag in tags.as_array().into_iter().flatten() {
            let member = |upper: &str, lower: &str| text(tag.get(upper).unwrap_or(&tag[lower])).to_owned();
            found.insert(member("Key", "key"), member("Value", "value"));
        }
    }
    found.remove("");
    found
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let many = value.as_array().into_iter().flatten();
    many.chain(Some(value)).filter_map(Value::as_str)
}

/// Roles that the request hands to a service, and the service.
fn roles_in(cx: &Call, input: &Value) -> Result<Vec<(&'static str, String)>, Fault> {
    let (service, members): (_, &[&str]) = match cx.service {
        Service::Glue => ("glue.amazonaws.com", &["Role"]),
        Service::Redshift => (
            "redshift.amazonaws.com",
            &["IamRoles", "AddIamRoles", "DefaultIamRoleArn"],
        ),
        Service::RedshiftServerless => ("redshift.amazonaws.com", &["iamRoles", "defaultIamRoleArn"]),
        Service::Iam if cx.operation == "AddRoleToInstanceProfile" => ("ec2.amazonaws.com", &["RoleName"]),
        _ => return Ok(Vec::new()),
    };
    let named = members.iter().flat_map(|member| texts(&input[member]));
    named.map(|role| Ok((service, iam::role_arn(cx, role)?))).collect()
}

/// Returns the ARNs of what the request is about, none where an operation is about nothing in particular.
fn resources(cx: &Call, input: &Value) -> Result<Vec<String>, Fault> {
    Ok(match cx.service {
        Service::Ec2 => ec2(cx, input),
        Service::Iam => iam_resources(cx, input)?,
        Service::Sts => texts(&input["RoleArn"]).map(str::to_owned).collect(),
        Service::Glue => glue_resources(cx, input),
        Service::Redshift => redshift_resources(cx, input),
        Service::RedshiftServerless => serverless::arns_of(cx, input)?,
        Service::RedshiftData => warehouse(cx, input)?.into_iter().collect(),
        Service::SecretsManager => secrets::arn_of(cx, input)?.into_iter().collect(),
        Service::Logs => logs(cx, input),
        Service::Tagging => Vec::new(),
    })
}

/// What the prefix of an id says of the kind of a thing.
const KINDS: [(&str, &str); 12] = [
    ("vpc", "vpc"),
    ("subnet", "subnet"),
    ("sg", "security-group"),
    ("sgr", "security-group-rule"),
    ("rtb", "route-table"),
    ("igw", "internet-gateway"),
    ("nat", "natgateway"),
    ("eipalloc", "elastic-ip"),
    ("vpce", "vpc-endpoint"),
    ("eni", "network-interface"),
    ("acl", "network-acl"),
    ("dopt", "dhcp-options"),
];
const MADE: [(&str, &str); 9] = [
    ("CreateVpc", "vpc"),
    ("CreateSubnet", "subnet"),
    ("CreateSecurityGroup", "security-group"),
    ("CreateRouteTable", "route-table"),
    ("CreateInternetGateway", "internet-gateway"),
    ("CreateNatGateway", "natgateway"),
    ("AllocateAddress", "elastic-ip"),
    ("CreateVpcEndpoint", "vpc-endpoint"),
    ("CreateNetworkInterface", "network-interface"),
];

fn ec2(cx: &Call, input: &Value) -> Vec<String> {
    if cx.operation.starts_with("Describe") || cx.operation.starts_with("Get") {
        return Vec::new();
    }
    let arn = |kind: &str, id: &str| cx.arn("ec2", &format!("{kind}/{id}"));
    let made = MADE.iter().filter(|(operation, _)| *operation == cx.operation);
    let mut arns: Vec<String> = made.map(|(_, kind)| arn(kind, "*")).collect();
    // A route is a matter of its table, whatever it leads to.
    let of_route = cx.operation.ends_with("Route");
    let members = input.as_object().into_iter().flatten();
    let members = members.filter(|(name, _)| !of_route || *name == "RouteTableId");
    for id in members.flat_map(|(_, value)| texts(value)) {
        let prefix = id.split_once('-').map_or("", |(prefix, _)| prefix);
        let known = KINDS.iter().find(|(short, _)| *short == prefix);
        arns.extend(known.map(|(_, kind)| arn(kind, id)));
    }
    arns
}

fn iam_resources(cx: &Call, input: &Value) -> Result<Vec<String>, Fault> {
    let path = input["Path"].as_str().unwrap_or("/");
    let named = |kind: &str, name: &str| format!("arn:aws:iam::{}:{kind}{path}{name}", cx.account);
    let profile = texts(&input["InstanceProfileName"]).map(|name| named("instance-profile", name));
    if let Some(profile) = profile.last() {
        return Ok(vec![profile]);
    }
    if let Some(role) = input["RoleName"].as_str() {
        return Ok(vec![match cx.operation {
            "CreateRole" => named("role", role),
            _ => iam::role_arn(cx, role)?,
        }]);
    }
    if let Some(policy) = input["PolicyName"].as_str() {
        return Ok(vec![named("policy", policy)]);
    }
    let arns = texts(&input["PolicyArn"]).chain(texts(&input["PolicySourceArn"]));
    Ok(arns.map(str::to_owned).collect())
}

/// Of the catalog, everything from the whole down to the thing itself; of the rest, the thing.
fn glue_resources(cx: &Call, input: &Value) -> Vec<String> {
    let arn = |resource: String| cx.arn("glue", &resource);
    if let Some(given) = input["ResourceArn"].as_str() {
        return vec![given.to_owned()];
    }
    for (kind, members) in [
        ("crawler", ["Crawler", "CrawlerName"]),
        ("trigger", ["Trigger", "TriggerName"]),
    ] {
        if cx.operation.contains(members[0]) {
            let many = if kind == "crawler" {
                "CrawlerNames"
            } else {
                "TriggerNames"
            };
            let names = texts(&input["Name"])
                .chain(texts(&input[members[1]]))
                .chain(texts(&input[many]));
            return names.map(|name| arn(format!("{kind}/{name}"))).collect();
        }
    }
    let of_catalog = ["Database", "Table", "Partition", "UserDefinedFunction"];
    if !of_catalog.iter().any(|word| cx.operation.contains(word)) {
        return Vec::new();
    }
    let mut arns = vec![arn("catalog".to_owned())];
    let of_database = cx.operation.contains("Database");
    let database = match of_database {
        true => input["Name"].as_str().or(input["DatabaseInput"]["Name"].as_str()),
        false => input["DatabaseName"].as_str(),
    };
    let Some(database) = database.map(glue::catalog::fold) else {
        return arns;
    };
    arns.push(arn(format!("database/{database}")));
    if !of_database {
        let names = ["TableName", "Name", "TablesToDelete"];
        let names = names.iter().flat_map(|member| texts(&input[member]));
        let tables: Vec<&str> = names.chain(texts(&input["TableInput"]["Name"])).collect();
        let tables = if tables.is_empty() { vec!["*"] } else { tables };
        arns.extend(
            tables
                .iter()
                .map(|table| arn(format!("table/{database}/{}", glue::catalog::fold(table)))),
        );
    }
    arns
}

fn redshift_resources(cx: &Call, input: &Value) -> Vec<String> {
    let arn = |resource: String| cx.arn("redshift", &resource);
    if let Some(given) = input["ResourceName"].as_str() {
        return vec![given.to_owned()];
    }
    let cluster = input["ClusterIdentifier"].as_str().map(str::to_ascii_lowercase);
    if let (Some(cluster), true) = (&cluster, cx.operation.starts_with("GetClusterCredentials")) {
        let database = input["DbName"]
            .as_str()
            .map(|name| arn(format!("dbname:{cluster}/{name}")));
        let user = input["DbUser"]
            .as_str()
            .map(|name| arn(format!("dbuser:{cluster}/{name}")));
        return user.into_iter().chain(database).collect();
    }
    if cx.operation.starts_with("Describe") {
        return Vec::new();
    }
    if let Some(snapshot) = input["SnapshotIdentifier"].as_str() {
        let cluster = cluster.or_else(|| input["SnapshotClusterIdentifier"].as_str().map(str::to_owned));
        let cluster = cluster.unwrap_or_else(|| "*".to_owned());
        return vec![arn(format!("snapshot:{cluster}/{snapshot}"))];
    }
    if let Some(cluster) = cluster {
        return vec![arn(format!("cluster:{cluster}"))];
    }
    let groups = [
        ("ClusterSubnetGroupName", "subnetgroup"),
        ("ParameterGroupName", "parametergroup"),
    ];
    let named = groups.iter().flat_map(|(member, kind)| {
        let names = texts(&input[member]);
        names.map(move |name| arn(format!("{kind}:{}", name.to_ascii_lowercase())))
    });
    named.collect()
}

/// The cluster or workgroup that a statement runs on.
fn warehouse(cx: &Call, input: &Value) -> Result<Option<String>, Fault> {
    if let Some(cluster) = input["ClusterIdentifier"].as_str() {
        return Ok(Some(
            redshift::as_redshift(cx).arn("redshift", &format!("cluster:{cluster}")),
        ));
    }
    let workgroup = serverless::arns_of(
        &serverless::as_serverless(cx),
        &serde_json::json!({"workgroupName": input["WorkgroupName"]}),
    )?;
    Ok(workgroup.into_iter().next())
}

/// What a statement's way of logging in needs.
fn login(cx: &Call, input: &Value) -> Result<Vec<(String, String)>, Fault> {
    let Some(warehouse) = warehouse(cx, input)? else {
        return Ok(Vec::new());
    };
    if input["SecretArn"].is_string() {
        let secret = secrets::arn_of(cx, &serde_json::json!({"SecretId": input["SecretArn"]}))?;
        return Ok(secret
            .map(|secret| ("secretsmanager:GetSecretValue".to_owned(), secret))
            .into_iter()
            .collect());
    }
    let Some(cluster) = input["ClusterIdentifier"].as_str() else {
        return Ok(vec![("redshift-serverless:GetCredentials".to_owned(), warehouse)]);
    };
    let database = text(&input["Database"]);
    let arn = |resource: String| cx.arn("redshift", &resource);
    let database = arn(format!("dbname:{cluster}/{database}"));
    Ok(match input["DbUser"].as_str() {
        Some(user) => {
            let action = "redshift:GetClusterCredentials".to_owned();
            vec![
                (action.clone(), arn(format!("dbuser:{cluster}/{user}"))),
                (action, database),
            ]
        }
        None => vec![("redshift:GetClusterCredentialsWithIAM".to_owned(), database)],
    })
}

fn logs(cx: &Call, input: &Value) -> Vec<String> {
    if let Some(given) = input["resourceArn"].as_str() {
        return vec![given.to_owned()];
    }
    let group = input["logGroupName"].as_str().or(input["logGroupNamePrefix"].as_str());
    let stream = text(&input["logStreamName"]);
    let group = group.unwrap_or_default();
    vec![cx.arn("logs", &format!("log-group:{group}:log-stream:{stream}"))]
}
