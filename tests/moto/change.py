"""Changes objects of a stack in moto behind lakeform's back, or shows what is left of it."""

import sys

import boto3

what, endpoint, stack = sys.argv[1:]
keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}


def client(service):
    return boto3.client(service, endpoint_url=endpoint, **keys)


def tagged():
    filters = [{"Key": "lakeform:stack", "Values": [stack]}]
    pages = client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(TagFilters=filters)
    return sorted(found["ResourceARN"] for page in pages for found in page["ResourceTagMappingList"])


def change():
    ec2 = client("ec2")
    by_address = lambda address: [{"Name": "tag:lakeform:addr", "Values": [address]}]
    group = ec2.describe_security_groups(Filters=by_address("security_group.warehouse"))["SecurityGroups"][0]
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    table = ec2.describe_route_tables(Filters=by_address("route_table.public"))["RouteTables"][0]
    ec2.delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")
    subnet = ec2.describe_subnets(Filters=by_address("subnet.a"))["Subnets"][0]
    ec2.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    ec2.create_tags(Resources=[subnet["VpcId"]], Tags=[{"Key": "team", "Value": "someone else"}])
    client("iam").put_role_policy(
        RoleName=f"{stack}-reader",
        PolicyName="read",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}',
    )
    client("glue").update_database(Name=f"{stack}-bronze", DatabaseInput={"Name": f"{stack}-bronze", "Description": "mine"})
    client("secretsmanager").update_secret(SecretId=f"{stack}-app", Description="mine")
    client("logs").put_retention_policy(logGroupName="/oracle/app", retentionInDays=30)


def there(arn):
    """Whether the tag index is right: it goes on to tell of what was deleted, as AWS's does."""
    name = arn.split("/")[-1]
    if ":natgateway/" in arn:
        return client("ec2").describe_nat_gateways(NatGatewayIds=[name])["NatGateways"][0]["State"] != "deleted"
    if ":glue:" in arn:
        return name in [database["Name"] for database in client("glue").get_databases()["DatabaseList"]]
    return True


def left():
    print("\n".join(arn for arn in tagged() if there(arn)))


{"change": change, "left": left}[what]()
