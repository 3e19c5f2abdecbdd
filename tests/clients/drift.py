"""Changes a lakehouse behind lakeform's back, through boto3, and prints every secret of the account as a JSON list.

Argument: the HTTP address.
"""

import json
import sys

import boto3


def client(service):
    return boto3.client(
        service,
        endpoint_url=sys.argv[1],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


ec2, iam, s3, glue, secrets = (client(name) for name in ["ec2", "iam", "s3", "glue", "secretsmanager"])

# Changed: versioning is switched on.
bucket = next(bucket["Name"] for bucket in s3.list_buckets()["Buckets"])
s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

# Extra: a rule that lets somebody in, and a policy that nobody asked for.
groups = ec2.describe_security_groups(Filters=[{"Name": "tag:lakeform:addr", "Values": ["security_group.warehouse"]}])
ec2.authorize_security_group_ingress(
    GroupId=groups["SecurityGroups"][0]["GroupId"],
    IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 5439, "ToPort": 5439, "IpRanges": [{"CidrIp": "203.0.113.7/32"}]},
    ],
)
statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
iam.put_role_policy(
    RoleName="lake-crawler",
    PolicyName="back-door",
    PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
)

# Deleted: the trigger, and the internet gateway, which leaves a route that leads nowhere.
glue.delete_trigger(Name="lake-nightly")
gateway = ec2.describe_internet_gateways(Filters=[{"Name": "tag:lakeform:addr", "Values": ["internet_gateway.main"]}])
gateway = gateway["InternetGateways"][0]
ec2.detach_internet_gateway(
    InternetGatewayId=gateway["InternetGatewayId"], VpcId=gateway["Attachments"][0]["VpcId"]
)
ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])

# Orphan: a role with the stack's tags that no journal knows.
role = iam.get_role(RoleName="lake-crawler")["Role"]
tags = [tag for tag in role["Tags"] if tag["Key"] not in ("lakeform:addr", "lakeform:op")]
tags += [{"Key": "lakeform:addr", "Value": "role.lost"}, {"Key": "lakeform:op", "Value": "lost"}]
iam.create_role(
    RoleName="lake-lost",
    Path=role["Path"],
    AssumeRolePolicyDocument=json.dumps(role["AssumeRolePolicyDocument"]),
    Tags=tags,
)

values = [
    secrets.get_secret_value(SecretId=secret["ARN"])["SecretString"]
    for page in secrets.get_paginator("list_secrets").paginate()
    for secret in page["SecretList"]
]
print(json.dumps(values))
