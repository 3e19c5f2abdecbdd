//! EC2's network: VPCs and what hangs in them, with the rules by which AWS refuses. No instances: the only users of
//! addresses are the services of this cloud, whose network interfaces `eni` keeps.

mod acl;
mod cidr;
mod endpoint;
pub mod eni;
mod gateway;
mod group;
mod nat;
mod resource;
mod route;
mod rules;
mod subnet;
mod tags;
mod vpc;
mod zones;

use serde_json::{Value, json};

use super::{Answer, Call, Fault};

pub fn call(cx: &Call, input: &Value) -> Answer {
    match cx.operation {
        "CreateVpc" => vpc::create(cx, input),
        "DescribeVpcs" => vpc::describe(cx, input),
        "DeleteVpc" => vpc::delete(cx, input),
        "DescribeVpcAttribute" => vpc::describe_attribute(cx, input),
        "ModifyVpcAttribute" => vpc::modify_attribute(cx, input),
        "ModifyVpcTenancy" => vpc::modify_tenancy(cx, input),
        "AssociateVpcCidrBlock" => vpc::associate_block(cx, input),
        "DisassociateVpcCidrBlock" => vpc::disassociate_block(cx, input),

        "CreateSubnet" => subnet::create(cx, input),
        "DescribeSubnets" => subnet::describe(cx, input),
        "DeleteSubnet" => subnet::delete(cx, input),
        "ModifySubnetAttribute" => subnet::modify(cx, input),

        "CreateInternetGateway" => gateway::create(cx, input),
        "DescribeInternetGateways" => gateway::describe(cx, input),
        "AttachInternetGateway" => gateway::attach(cx, input),
        "DetachInternetGateway" => gateway::detach(cx, input),
        "DeleteInternetGateway" => gateway::delete(cx, input),

        "AllocateAddress" => nat::allocate(cx, input),
        "DescribeAddresses" => nat::describe_addresses(cx, input),
        "ReleaseAddress" => nat::release(cx, input),
        "AssociateAddress" => nat::associate(cx, input),
        "DisassociateAddress" => nat::disassociate(cx, input),
        "DescribeAddressesAttribute" => nat::describe_address_attributes(cx, input),
        "CreateNatGateway" => nat::create(cx, input),
        "DescribeNatGateways" => nat::describe(cx, input),
        "DeleteNatGateway" => nat::delete(cx, input),

        "CreateRouteTable" => route::create_table(cx, input),
        "DescribeRouteTables" => route::describe(cx, input),
        "DeleteRouteTable" => route::delete_table(cx, input),
        "CreateRoute" => route::create(cx, input),
        "ReplaceRoute" => route::replace(cx, input),
        "DeleteRoute" => route::delete(cx, input),
        "AssociateRouteTable" => route::associate(cx, input),
        "DisassociateRouteTable" => route::disassociate(cx, input),
        "ReplaceRouteTableAssociation" => route::replace_association(cx, input),

        "CreateVpcEndpoint" => endpoint::create(cx, input),
        "DescribeVpcEndpoints" => endpoint::describe(cx, input),
        "ModifyVpcEndpoint" => endpoint::modify(cx, input),
        "DeleteVpcEndpoints" => endpoint::delete(cx, input),
        "DescribeVpcEndpointServices" => endpoint::describe_services(cx, input),
        "DescribePrefixLists" => zones::describe_prefix_lists(cx, input),
        "DescribeManagedPrefixLists" => zones::describe_managed_prefix_lists(cx, input),
        "GetManagedPrefixListEntries" => zones::prefix_list_entries(cx, input),

        "CreateSecurityGroup" => group::create(cx, input),
        "DescribeSecurityGroups" => group::describe(cx, input),
        "DeleteSecurityGroup" => group::delete(cx, input),
        "DescribeSecurityGroupReferences" => group::references(cx, input),
        "GetSecurityGroupsForVpc" => group::of_vpc(cx, input),
        "AuthorizeSecurityGroupIngress" => rules::authorize(cx, input, false),
        "AuthorizeSecurityGroupEgress" => rules::authorize(cx, input, true),
        "RevokeSecurityGroupIngress" => rules::revoke(cx, input, false),
        "RevokeSecurityGroupEgress" => rules::revoke(cx, input, true),
        "DescribeSecurityGroupRules" => rules::describe(cx, input),
        "ModifySecurityGroupRules" => rules::modify(cx, input),
        "UpdateSecurityGroupRuleDescriptionsIngress" => rules::update_descriptions(cx, input, false),
        "UpdateSecurityGroupRuleDescriptionsEgress" => rules::update_descriptions(cx, input, true),

        "CreateNetworkInterface" => eni::create(cx, input),
        "DescribeNetworkInterfaces" => eni::describe(cx, input),
        "DeleteNetworkInterface" => eni::delete(cx, input),
        "ModifyNetworkInterfaceAttribute" => eni::modify(cx, input),
        "DescribeNetworkInterfaceAttribute" => eni::describe_attribute(cx, input),

        "DescribeNetworkAcls" => acl::describe(cx, input),
        "DescribeDhcpOptions" => acl::describe_dhcp_options(cx, input),
        "DescribeAvailabilityZones" => zones::describe_zones(cx, input),
        "DescribeRegions" => zones::describe_regions(input),
        "DescribeAccountAttributes" => zones::describe_account_attributes(input),

        "CreateTags" => tags::create(cx, input),
        "DeleteTags" => tags::delete(cx, input),
        "DescribeTags" => tags::describe(cx, input),

        // Kinds that cannot be made here: there are truly none, and clients ask before they delete a VPC.
        "DescribeInstances" => Ok(json!({"Reservations": []})),
        "DescribeVpcPeeringConnections" => Ok(json!({"VpcPeeringConnections": []})),
        "DescribeFlowLogs" => Ok(json!({"FlowLogs": []})),
        "DescribeEgressOnlyInternetGateways" => Ok(json!({"EgressOnlyInternetGateways": []})),
        "DescribeVpnGateways" => Ok(json!({"VpnGateways": []})),
        "DescribeTransitGatewayVpcAttachments" => Ok(json!({"TransitGatewayVpcAttachments": []})),

        _ => Err(Fault::not_implemented(cx)),
    }
}

#[cfg(test)]
mod tests;
