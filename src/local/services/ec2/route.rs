//! Route tables, their routes and associations. What a route leads to may vanish: it then stays as a blackhole.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cidr::{Cidr, canonical_v6};
use super::endpoint;
use super::eni::Eni;
use super::gateway::Gateway;
use super::nat::Nat;
use super::resource::{self, Describe, Resource, text};
use super::subnet::Subnet;
use super::tags::{self, Tags};
use super::vpc::Vpc;
use crate::services::{Answer, Call, Fault};

const MAX_ROUTES: usize = 500;
const MAX_TABLES: usize = 200;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RouteTable {
    pub route_table_id: String,
    pub vpc_id: String,
    owner_id: String,
    propagating_vgws: Vec<Value>,
    associations: Vec<Association>,
    #[serde(rename = "_routes")]
    routes: Vec<Route>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Association {
    route_table_association_id: String,
    route_table_id: String,
    main: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet_id: Option<String>,
    association_state: Value,
}

/// A route that somebody made; the local one and those of gateway endpoints are worked out when shown.
#[derive(Clone, Serialize, Deserialize)]
struct Route {
    /// The member of the destination, such as `DestinationCidrBlock`, and its canonical value.
    destination: (String, String),
    /// The member of the target, such as `GatewayId`, and its id.
    target: (String, String),
}

impl Resource for RouteTable {
    const TABLE: &'static str = "ec2-rtbs";
    const KIND: &'static str = "route-table";
    const NOT_FOUND: &'static str = "InvalidRouteTableID.NotFound";
    const NOUN: &'static str = "routeTable ID";

    fn id(&self) -> &str {
        &self.route_table_id
    }

    fn show(&self, cx: &Call, shown: &mut Map<String, Value>) -> Result<(), Fault> {
        let vpc: Vpc = resource::find(cx, &self.vpc_id)?;
        let mut routes: Vec<Value> = vpc
            .blocks()
            .iter()
            .map(|block| {
                json!({
                    "DestinationCidrBlock": block.to_string(), "GatewayId": "local",
                    "Origin": "CreateRouteTable", "State": "active",
                })
            })
            .collect();
        for route in &self.routes {
            let mut shown = Map::new();
            shown.insert(route.destination.0.clone(), route.destination.1.as_str().into());
            shown.insert(route.target.0.clone(), route.target.1.as_str().into());
            shown.insert("Origin".into(), "CreateRoute".into());
            let alive = alive(cx, &self.vpc_id, &route.target)?;
            shown.insert("State".into(), if alive { "active" } else { "blackhole" }.into());
            routes.push(Value::Object(shown));
        }
        for (list, endpoint) in endpoint::routes_of(cx, &self.route_table_id)? {
            routes.push(json!({
                "DestinationPrefixListId": list, "GatewayId": endpoint, "Origin": "CreateRoute", "State": "active",
            }));
        }
        shown.insert("Routes".into(), routes.into());
        Ok(())
    }
}

impl RouteTable {
    pub fn is_main(&self) -> bool {
        self.associations.iter().any(|association| association.main)
    }

    fn associate(&mut self, cx: &Call, subnet: Option<String>) -> String {
        let id = cx.new_id("rtbassoc");
        self.associations.push(Association {
            route_table_association_id: id.clone(),
            route_table_id: self.route_table_id.clone(),
            main: subnet.is_none(),
            subnet_id: subnet,
            association_state: json!({"State": "associated"}),
        });
        id
    }
}

fn alive(cx: &Call, vpc: &str, (member, id): &(String, String)) -> Result<bool, Fault> {
    Ok(match member.as_str() {
        "GatewayId" => {
            let gateway: Option<Gateway> = cx.get(Gateway::TABLE, id)?;
            gateway.is_some_and(|gateway| gateway.vpc() == Some(vpc))
        }
        "NatGatewayId" => {
            let nat: Option<Nat> = cx.get(Nat::TABLE, id)?;
            nat.is_some_and(|nat| nat.carries(cx.now))
        }
        _ => resource::find::<Eni>(cx, id).is_ok(),
    })
}

fn new_table(cx: &Call, vpc: &str) -> RouteTable {
    RouteTable {
        route_table_id: cx.new_id("rtb"),
        vpc_id: vpc.to_owned(),
        owner_id: cx.account.clone(),
        propagating_vgws: Vec::new(),
        associations: Vec::new(),
        routes: Vec::new(),
    }
}

pub fn create_main(cx: &Call, vpc: &str) -> Result<(), Fault> {
    let mut table = new_table(cx, vpc);
    table.associate(cx, None);
    resource::save(cx, &table)?;
    tags::write(cx, RouteTable::KIND, &table.route_table_id, &Tags::new())
}

pub fn remove_main(cx: &Call, vpc: &str) -> Result<(), Fault> {
    for table in resource::all::<RouteTable>(cx)?
        .iter()
        .filter(|table| table.vpc_id == vpc)
    {
        resource::remove::<RouteTable>(cx, &table.route_table_id)?;
    }
    Ok(())
}

/// Ends the association of a subnet that is being deleted.
pub fn forget_subnet(cx: &Call, subnet: &str) -> Result<(), Fault> {
    for mut table in resource::all::<RouteTable>(cx)? {
        let before = table.associations.len();
        table
            .associations
            .retain(|association| association.subnet_id.as_deref() != Some(subnet));
        if table.associations.len() < before {
            resource::save(cx, &table)?;
        }
    }
    Ok(())
}

pub fn create_table(cx: &Call, input: &Value) -> Answer {
    if let Some(id) = resource::replayed(cx, input)? {
        let table: RouteTable = resource::find(cx, &id)?;
        return Ok(json!({"RouteTable": resource::shown(cx, &table)?, "ClientToken": input["ClientToken"]}));
    }
    let vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    let tables = resource::all::<RouteTable>(cx)?;
    if tables.iter().filter(|table| table.vpc_id == vpc.vpc_id).count() >= MAX_TABLES {
        return Err(Fault::bad(
            "RouteTableLimitExceeded",
            "The maximum number of route tables has been reached.",
        ));
    }
    let tags = tags::specified(input, RouteTable::KIND)?;
    let table = new_table(cx, &vpc.vpc_id);
    resource::save(cx, &table)?;
    tags::write(cx, RouteTable::KIND, &table.route_table_id, &tags)?;
    resource::remember(cx, input, &table.route_table_id)?;
    Ok(json!({"RouteTable": resource::shown(cx, &table)?, "ClientToken": input["ClientToken"]}))
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("route-table-id", "RouteTableId"),
        ("vpc-id", "VpcId"),
        ("owner-id", "OwnerId"),
        ("association.main", "Associations.Main"),
        ("association.subnet-id", "Associations.SubnetId"),
        ("association.route-table-id", "Associations.RouteTableId"),
        (
            "association.route-table-association-id",
            "Associations.RouteTableAssociationId",
        ),
        ("route.destination-cidr-block", "Routes.DestinationCidrBlock"),
        ("route.destination-ipv6-cidr-block", "Routes.DestinationIpv6CidrBlock"),
        ("route.destination-prefix-list-id", "Routes.DestinationPrefixListId"),
        ("route.gateway-id", "Routes.GatewayId"),
        ("route.nat-gateway-id", "Routes.NatGatewayId"),
        ("route.origin", "Routes.Origin"),
        ("route.state", "Routes.State"),
    ];
    let how = Describe {
        ids: "RouteTableIds",
        list: "RouteTables",
        filters: &filters,
        limit: 100,
    };
    resource::describe::<RouteTable>(cx, input, &how)
}

pub fn delete_table(cx: &Call, input: &Value) -> Answer {
    let table: RouteTable = resource::find(cx, text(input, "RouteTableId"))?;
    let id = table.route_table_id.as_str();
    if !table.associations.is_empty() {
        let message = format!("The routeTable '{id}' has dependencies and cannot be deleted.");
        return Err(Fault::bad("DependencyViolation", message));
    }
    endpoint::forget_table(cx, id)?;
    resource::remove::<RouteTable>(cx, id)?;
    Ok(Value::Null)
}

/// Reads the one destination of a request, in its canonical form.
fn destination(input: &Value) -> Result<(String, String), Fault> {
    let malformed = |block: &str, parameter: &str| {
        let message = format!("Value ({block}) for parameter {parameter} is invalid. This is not a valid CIDR block.");
        Fault::bad("InvalidParameterValue", message)
    };
    match (
        input["DestinationCidrBlock"].as_str(),
        input["DestinationIpv6CidrBlock"].as_str(),
    ) {
        (Some(block), None) => {
            let cidr = Cidr::parse(block).ok_or_else(|| malformed(block, "destinationCidrBlock"))?;
            Ok(("DestinationCidrBlock".into(), cidr.to_string()))
        }
        (None, Some(block)) => {
            let cidr = canonical_v6(block).ok_or_else(|| malformed(block, "destinationIpv6CidrBlock"))?;
            Ok(("DestinationIpv6CidrBlock".into(), cidr))
        }
        (Some(_), Some(_)) => {
            let message = "The request must contain only one of destinationCidrBlock and destinationIpv6CidrBlock";
            Err(Fault::bad("InvalidParameterCombination", message))
        }
        (None, None) => {
            let message = "The request must contain the parameter destinationCidrBlock";
            Err(Fault::bad("MissingParameter", message))
        }
    }
}

/// Reads the one target of a request and checks that it can be reached from the VPC.
fn target(cx: &Call, table: &RouteTable, input: &Value) -> Result<(String, String), Fault> {
    let members = ["GatewayId", "NatGatewayId", "NetworkInterfaceId"];
    let given: Vec<(&str, &str)> = members
        .iter()
        .filter_map(|member| Some((*member, input[member].as_str()?)))
        .collect();
    let [(member, id)] = given[..] else {
        let (code, word) = if given.is_empty() {
            ("MissingParameter", "at least")
        } else {
            ("InvalidParameterCombination", "only")
        };
        return Err(Fault::bad(
            code,
            format!("The request must contain {word} one target of the route"),
        ));
    };
    let elsewhere = |kind: &str| {
        let message = format!(
            "route table {} and {kind} {id} belong to different networks",
            table.route_table_id
        );
        Fault::bad("InvalidParameterValue", message)
    };
    let missing = |code: &str, noun: &str| Fault::bad(code, format!("The {noun} ID '{id}' does not exist"));
    match member {
        "GatewayId" if id.starts_with("vpce-") => {
            let message = "Routes of a gateway endpoint are made by associating the endpoint with the route table";
            return Err(Fault::bad("InvalidParameterValue", message));
        }
        "GatewayId" => {
            let gateway: Option<Gateway> = cx.get(Gateway::TABLE, id)?;
            let gateway = gateway.ok_or_else(|| missing("InvalidGatewayID.NotFound", "gateway"))?;
            if gateway.vpc() != Some(table.vpc_id.as_str()) {
                return Err(elsewhere("network gateway"));
            }
        }
        "NatGatewayId" => {
            let nat: Option<Nat> = cx.get(Nat::TABLE, id)?;
            let nat = nat.filter(|nat| nat.carries(cx.now));
            let nat = nat.ok_or_else(|| missing("InvalidNatGatewayID.NotFound", "natGateway"))?;
            if nat.vpc_id != table.vpc_id {
                return Err(elsewhere("nat gateway"));
            }
        }
        _ => {
            let eni: Eni = resource::find(cx, id)?;
            if eni.vpc_id != table.vpc_id {
                return Err(elsewhere("interface"));
            }
        }
    }
    Ok((member.to_owned(), id.to_owned()))
}

const ROUTE_MEMBERS: [&str; 8] = [
    "RouteTableId",
    "DestinationCidrBlock",
    "DestinationIpv6CidrBlock",
    "DestinationPrefixListId",
    "GatewayId",
    "NatGatewayId",
    "NetworkInterfaceId",
    "DryRun",
];

pub fn create(cx: &Call, input: &Value) -> Answer {
    cx.only(input, &ROUTE_MEMBERS)?;
    let mut table: RouteTable = resource::find(cx, text(input, "RouteTableId"))?;
    let destination = destination(input)?;
    let target = target(cx, &table, input)?;
    if table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("The route identified by {} already exists.", destination.1);
        return Err(Fault::bad("RouteAlreadyExists", message));
    }
    let vpc: Vpc = resource::find(cx, &table.vpc_id)?;
    if let Some(cidr) = Cidr::parse(&destination.1)
        && vpc.blocks().iter().any(|block| block.contains(cidr))
        && target.0 != "NetworkInterfaceId"
    {
        let message = format!(
            "The destination CIDR block {cidr} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance."
        );
        return Err(Fault::bad("InvalidParameterValue", message));
    }
    if table.routes.len() >= MAX_ROUTES {
        let message = format!(
            "The maximum number of routes has been reached for route table {}",
            table.route_table_id
        );
        return Err(Fault::bad("RouteLimitExceeded", message));
    }
    table.routes.push(Route { destination, target });
    resource::save(cx, &table)?;
    Ok(json!({"Return": true}))
}

pub fn replace(cx: &Call, input: &Value) -> Answer {
    cx.only(input, &ROUTE_MEMBERS)?;
    let mut table: RouteTable = resource::find(cx, text(input, "RouteTableId"))?;
    let destination = destination(input)?;
    let target = target(cx, &table, input)?;
    let route = table
        .routes
        .iter_mut()
        .find(|route| route.destination == destination)
        .ok_or_else(|| {
            let message = format!(
                "There is no route defined for '{}' in the route table. Use CreateRoute instead.",
                destination.1
            );
            Fault::bad("InvalidParameterValue", message)
        })?;
    route.target = target;
    resource::save(cx, &table)?;
    Ok(Value::Null)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let mut table: RouteTable = resource::find(cx, text(input, "RouteTableId"))?;
    let id = table.route_table_id.as_str();
    if let Some(list) = input["DestinationPrefixListId"].as_str() {
        let held = endpoint::routes_of(cx, id)?
            .into_iter()
            .find(|(known, _)| known == list);
        return Err(match held {
            Some((_, endpoint)) => Fault::bad(
                "InvalidParameterValue",
                format!("cannot remove VPC endpoint route {endpoint} in route table {id}"),
            ),
            None => missing_route("destination-prefix-list-id", list, id),
        });
    }
    let destination = destination(input)?;
    let before = table.routes.len();
    table.routes.retain(|route| route.destination != destination);
    if table.routes.len() == before {
        let vpc: Vpc = resource::find(cx, &table.vpc_id)?;
        if vpc.blocks().iter().any(|block| block.to_string() == destination.1) {
            let message = format!("cannot remove local route {} in route table {id}", destination.1);
            return Err(Fault::bad("InvalidParameterValue", message));
        }
        return Err(missing_route("destination-cidr-block", &destination.1, id));
    }
    resource::save(cx, &table)?;
    Ok(Value::Null)
}

fn missing_route(member: &str, destination: &str, table: &str) -> Fault {
    Fault::bad(
        "InvalidRoute.NotFound",
        format!("no route with {member} {destination} in route table {table}"),
    )
}

pub fn associate(cx: &Call, input: &Value) -> Answer {
    cx.only(input, &["RouteTableId", "SubnetId", "DryRun"])?;
    let mut table: RouteTable = resource::find(cx, text(input, "RouteTableId"))?;
    let subnet: Subnet = resource::find(cx, text(input, "SubnetId"))?;
    different_networks(&table, &subnet.subnet_id, &subnet.vpc_id)?;
    let of_subnet = |association: &&Association| association.subnet_id.as_deref() == Some(subnet.subnet_id.as_str());
    if let Some(same) = table.associations.iter().find(of_subnet) {
        let state = json!({"State": "associated"});
        return Ok(json!({"AssociationId": same.route_table_association_id, "AssociationState": state}));
    }
    if resource::all::<RouteTable>(cx)?
        .iter()
        .any(|other| other.associations.iter().any(|known| of_subnet(&known)))
    {
        let message = format!(
            "the specified association for route table {} conflicts with an existing association",
            table.route_table_id
        );
        return Err(Fault::bad("Resource.AlreadyAssociated", message));
    }
    let id = table.associate(cx, Some(subnet.subnet_id));
    resource::save(cx, &table)?;
    Ok(json!({"AssociationId": id, "AssociationState": {"State": "associated"}}))
}

fn different_networks(table: &RouteTable, subnet: &str, vpc: &str) -> Result<(), Fault> {
    if table.vpc_id == vpc {
        return Ok(());
    }
    let message = format!(
        "Route table {} and subnet {subnet} belong to different networks",
        table.route_table_id
    );
    Err(Fault::bad("InvalidParameterValue", message))
}

fn associated(cx: &Call, id: &str) -> Result<(RouteTable, usize), Fault> {
    for table in resource::all::<RouteTable>(cx)? {
        if let Some(at) = table
            .associations
            .iter()
            .position(|known| known.route_table_association_id == id)
        {
            return Ok((table, at));
        }
    }
    Err(Fault::bad(
        "InvalidAssociationID.NotFound",
        format!("The association ID '{id}' does not exist"),
    ))
}

pub fn disassociate(cx: &Call, input: &Value) -> Answer {
    let id = text(input, "AssociationId");
    let (mut table, at) = associated(cx, id)?;
    if table.associations[at].main {
        let message = format!("cannot disassociate the main route table association {id}");
        return Err(Fault::bad("InvalidParameterValue", message));
    }
    table.associations.remove(at);
    resource::save(cx, &table)?;
    Ok(Value::Null)
}

pub fn replace_association(cx: &Call, input: &Value) -> Answer {
    let (mut old, at) = associated(cx, text(input, "AssociationId"))?;
    let mut new: RouteTable = resource::find(cx, text(input, "RouteTableId"))?;
    different_networks(
        &new,
        old.associations[at].subnet_id.as_deref().unwrap_or("of the main route"),
        &old.vpc_id,
    )?;
    if new.route_table_id == old.route_table_id {
        let id = &old.associations[at].route_table_association_id;
        return Ok(json!({"NewAssociationId": id, "AssociationState": {"State": "associated"}}));
    }
    let association = old.associations.remove(at);
    let id = new.associate(cx, association.subnet_id);
    resource::save(cx, &old)?;
    resource::save(cx, &new)?;
    Ok(json!({"NewAssociationId": id, "AssociationState": {"State": "associated"}}))
}
