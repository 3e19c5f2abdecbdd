"""EC2's network, from a VPC to nothing again."""


def run(call):
    def ec2(operation, **parameters):
        return call("ec2", operation, **parameters)

    ec2("DescribeRegions")
    zones = ec2("DescribeAvailabilityZones")["AvailabilityZones"]
    ec2("DescribeAccountAttributes")
    vpc = ec2("CreateVpc", CidrBlock="10.0.0.0/16", TagSpecifications=tags("vpc", Name="main"))["Vpc"]["VpcId"]
    call.wait("ec2", "vpc_exists", VpcIds=[vpc])
    call.wait("ec2", "vpc_available", VpcIds=[vpc])
    call.fails("DryRunOperation", "ec2", "CreateVpc", CidrBlock="10.9.0.0/16", DryRun=True)
    call.fails("InvalidVpc.Range", "ec2", "CreateVpc", CidrBlock="10.0.0.0/8")
    call.fails("InvalidVpcID.NotFound", "ec2", "DescribeVpcs", VpcIds=["vpc-00000000000000000"])
    ec2("DescribeVpcs", Filters=[{"Name": "tag:Name", "Values": ["main"]}])
    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        ec2("DescribeVpcAttribute", VpcId=vpc, Attribute=attribute)
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    ec2("ModifyVpcTenancy", VpcId=vpc, InstanceTenancy="default")
    more = ec2("AssociateVpcCidrBlock", VpcId=vpc, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]["AssociationId"]
    ec2("DisassociateVpcCidrBlock", AssociationId=more)
    ec2("DescribeDhcpOptions")
    ec2("DescribeNetworkAcls", Filters=[{"Name": "vpc-id", "Values": [vpc]}])

    subnets = []
    for number, zone in enumerate(zones[:2]):
        made = ec2("CreateSubnet", VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone["ZoneName"])
        subnets.append(made["Subnet"]["SubnetId"])
    call.wait("ec2", "subnet_available", SubnetIds=subnets)
    call.fails("InvalidSubnet.Conflict", "ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.0.0.0/25")
    call.fails("InvalidSubnet.Range", "ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.7.0.0/24")
    ec2("ModifySubnetAttribute", SubnetId=subnets[0], MapPublicIpOnLaunch={"Value": True})
    ec2("DescribeSubnets", Filters=[{"Name": "vpc-id", "Values": [vpc]}])

    gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    call.wait("ec2", "internet_gateway_exists", InternetGatewayIds=[gateway])
    ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    ec2("DescribeInternetGateways")
    call.fails("DependencyViolation", "ec2", "DeleteInternetGateway", InternetGatewayId=gateway)

    table = ec2("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2("CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    call.fails(
        "RouteAlreadyExists",
        "ec2",
        "CreateRoute",
        RouteTableId=table,
        DestinationCidrBlock="0.0.0.0/0",
        GatewayId=gateway,
    )
    association = ec2("AssociateRouteTable", RouteTableId=table, SubnetId=subnets[0])["AssociationId"]
    ec2("DescribeRouteTables", RouteTableIds=[table])
    main = ec2("DescribeRouteTables", Filters=[{"Name": "association.main", "Values": ["true"]}])["RouteTables"][0]
    replaced = ec2(
        "ReplaceRouteTableAssociation", AssociationId=association, RouteTableId=main["RouteTableId"]
    )["NewAssociationId"]
    ec2("DisassociateRouteTable", AssociationId=replaced)

    address = ec2("AllocateAddress", Domain="vpc")
    ec2("DescribeAddresses")
    ec2("DescribeAddressesAttribute", AllocationIds=[address["AllocationId"]], Attribute="domain-name")
    interface = ec2("CreateNetworkInterface", SubnetId=subnets[0], Description="ours")["NetworkInterface"][
        "NetworkInterfaceId"
    ]
    call.wait("ec2", "network_interface_available", NetworkInterfaceIds=[interface])
    held = ec2("AssociateAddress", AllocationId=address["AllocationId"], NetworkInterfaceId=interface)
    ec2("DisassociateAddress", AssociationId=held["AssociationId"])
    ec2("DescribeNetworkInterfaces", Filters=[{"Name": "subnet-id", "Values": [subnets[0]]}])
    ec2("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=interface, Description={"Value": "still ours"})
    for attribute in ("description", "groupSet", "sourceDestCheck"):
        ec2("DescribeNetworkInterfaceAttribute", NetworkInterfaceId=interface, Attribute=attribute)
    call.fails("DependencyViolation", "ec2", "DeleteSubnet", SubnetId=subnets[0])

    nat = ec2("CreateNatGateway", SubnetId=subnets[0], AllocationId=address["AllocationId"])["NatGateway"][
        "NatGatewayId"
    ]
    call.wait("ec2", "nat_gateway_available", NatGatewayIds=[nat])
    ec2("ReplaceRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    ec2("DescribeNatGateways", Filters=[{"Name": "vpc-id", "Values": [vpc]}])

    services = ec2("DescribeVpcEndpointServices")["ServiceNames"]
    prefix = ec2("DescribePrefixLists")["PrefixLists"][0]["PrefixListId"]
    ec2("DescribeManagedPrefixLists")
    ec2("GetManagedPrefixListEntries", PrefixListId=prefix)
    s3 = next(name for name in services if name.endswith(".s3"))
    endpoint = ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=s3, RouteTableIds=[table])["VpcEndpoint"][
        "VpcEndpointId"
    ]
    ec2("DescribeVpcEndpoints", VpcEndpointIds=[endpoint])
    ec2("ModifyVpcEndpoint", VpcEndpointId=endpoint, RemoveRouteTableIds=[table])

    group = ec2("CreateSecurityGroup", GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    call.wait("ec2", "security_group_exists", GroupIds=[group])
    call.fails("InvalidGroup.Duplicate", "ec2", "CreateSecurityGroup", GroupName="web", Description="b", VpcId=vpc)
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
    rule = ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[https])["SecurityGroupRules"][0]
    call.fails(
        "InvalidPermission.Duplicate", "ec2", "AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[https]
    )
    ec2("AuthorizeSecurityGroupEgress", GroupId=group, IpPermissions=[https])
    ec2("DescribeSecurityGroupRules", Filters=[{"Name": "group-id", "Values": [group]}])
    changed = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 444, "CidrIpv4": "10.0.0.0/16"}
    ec2(
        "ModifySecurityGroupRules",
        GroupId=group,
        SecurityGroupRules=[{"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": changed}],
    )
    wide = {**https, "ToPort": 444}
    for direction in ("Ingress", "Egress"):
        described = {**(wide if direction == "Ingress" else https)}
        described["IpRanges"] = [{"CidrIp": "10.0.0.0/16", "Description": "inside"}]
        ec2(
            f"UpdateSecurityGroupRuleDescriptions{direction}", GroupId=group, IpPermissions=[described]
        )
    ec2("DescribeSecurityGroupReferences", GroupId=[group])
    ec2("GetSecurityGroupsForVpc", VpcId=vpc)
    ec2("DescribeSecurityGroups", Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    ec2("RevokeSecurityGroupIngress", GroupId=group, IpPermissions=[wide])
    ec2("RevokeSecurityGroupEgress", GroupId=group, IpPermissions=[https])

    ec2("CreateTags", Resources=[vpc, subnets[0]], Tags=[{"Key": "team", "Value": "data & more <x>"}])
    ec2("DescribeTags", Filters=[{"Name": "key", "Values": ["team"]}])
    ec2("DeleteTags", Resources=[vpc], Tags=[{"Key": "team"}])
    for nothing in (
        "DescribeInstances",
        "DescribeVpcPeeringConnections",
        "DescribeFlowLogs",
        "DescribeEgressOnlyInternetGateways",
        "DescribeVpnGateways",
        "DescribeTransitGatewayVpcAttachments",
    ):
        ec2(nothing)
    for refused in ("DescribeInstanceTypes", "DescribeImages", "CreateDefaultVpc"):
        call.refused("ec2", refused)
    call.refused("ec2", "DetachNetworkInterface", AttachmentId="eni-attach-00000000000000000")

    call.fails("DependencyViolation", "ec2", "DeleteVpc", VpcId=vpc)
    ec2("DeleteVpcEndpoints", VpcEndpointIds=[endpoint])
    ec2("DeleteRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ec2("DeleteNatGateway", NatGatewayId=nat)
    call.wait("ec2", "nat_gateway_deleted", NatGatewayIds=[nat])
    ec2("ReleaseAddress", AllocationId=address["AllocationId"])
    call.fails("InvalidAllocationID.NotFound", "ec2", "ReleaseAddress", AllocationId=address["AllocationId"])
    ec2("DeleteNetworkInterface", NetworkInterfaceId=interface)
    ec2("DeleteSecurityGroup", GroupId=group)
    ec2("DeleteRouteTable", RouteTableId=table)
    ec2("DetachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    ec2("DeleteInternetGateway", InternetGatewayId=gateway)
    for subnet in subnets:
        ec2("DeleteSubnet", SubnetId=subnet)
    ec2("DeleteVpc", VpcId=vpc)


def tags(kind, **tags):
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [{"ResourceType": kind, "Tags": pairs}]


def small(call):
    """A VPC with two subnets and a security group for other scenarios."""
    vpc = call("ec2", "CreateVpc", CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    zones = call("ec2", "DescribeAvailabilityZones")["AvailabilityZones"]
    subnets = []
    for number, zone in enumerate(zones[:3]):
        made = call(
            "ec2", "CreateSubnet", VpcId=vpc, CidrBlock=f"10.20.{number}.0/24", AvailabilityZone=zone["ZoneName"]
        )
        subnets.append(made["Subnet"]["SubnetId"])
    group = call("ec2", "CreateSecurityGroup", GroupName="dw", Description="dw", VpcId=vpc)["GroupId"]
    return vpc, subnets, group
