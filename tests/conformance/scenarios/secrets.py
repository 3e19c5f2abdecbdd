"""Secrets Manager, log groups, and the tags of everything."""

import time


def run(call):
    secrets(call)
    logs(call)
    tagging(call)


def secrets(call):
    def secret(operation, **parameters):
        return call("secretsmanager", operation, **parameters)

    secret("CreateSecret", Name="app/db", SecretString='{"a":1}', Tags=[{"Key": "team", "Value": "data"}])
    call.fails("ResourceExistsException", "secretsmanager", "CreateSecret", Name="app/db", SecretString="x")
    secret("DescribeSecret", SecretId="app/db")
    secret("GetSecretValue", SecretId="app/db")
    put = secret("PutSecretValue", SecretId="app/db", SecretBinary=b"\x00\x01")
    assert secret("GetSecretValue", SecretId="app/db")["SecretBinary"] == b"\x00\x01"
    secret("UpdateSecret", SecretId="app/db", Description="better", SecretString="z")
    secret("ListSecrets", Filters=[{"Key": "name", "Values": ["app/"]}])
    secret("ListSecretVersionIds", SecretId="app/db", IncludeDeprecated=True)
    secret(
        "UpdateSecretVersionStage", SecretId="app/db", VersionStage="KEPT", MoveToVersionId=put["VersionId"]
    )
    secret("BatchGetSecretValue", SecretIdList=["app/db", "none"])
    secret("TagResource", SecretId="app/db", Tags=[{"Key": "env", "Value": "test"}])
    secret("UntagResource", SecretId="app/db", TagKeys=["env"])
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},'
        '"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}'
    )
    call.refused("secretsmanager", "ValidateResourcePolicy", ResourcePolicy=policy)
    secret("PutResourcePolicy", SecretId="app/db", ResourcePolicy=policy)
    secret("GetResourcePolicy", SecretId="app/db")
    secret("DeleteResourcePolicy", SecretId="app/db")
    secret("GetRandomPassword", PasswordLength=20)
    call.refused("secretsmanager", "RotateSecret", SecretId="app/db")
    call.refused("secretsmanager", "CancelRotateSecret", SecretId="app/db")
    secret("DeleteSecret", SecretId="app/db", RecoveryWindowInDays=7)
    call.fails("InvalidRequestException", "secretsmanager", "GetSecretValue", SecretId="app/db")
    secret("RestoreSecret", SecretId="app/db")
    secret("DeleteSecret", SecretId="app/db", ForceDeleteWithoutRecovery=True)


def logs(call):
    def log(operation, **parameters):
        return call("logs", operation, **parameters)

    log("CreateLogGroup", logGroupName="/app", tags={"team": "data"})
    call.fails("ResourceAlreadyExistsException", "logs", "CreateLogGroup", logGroupName="/app")
    log("DescribeLogGroups", logGroupNamePrefix="/app")
    call.refused("logs", "ListLogGroups")
    log("PutRetentionPolicy", logGroupName="/app", retentionInDays=7)
    log("DeleteRetentionPolicy", logGroupName="/app")
    log("TagLogGroup", logGroupName="/app", tags={"env": "test"})
    log("ListTagsLogGroup", logGroupName="/app")
    log("UntagLogGroup", logGroupName="/app", tags=["env"])
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/app"
    log("TagResource", resourceArn=arn, tags={"env": "test"})
    log("ListTagsForResource", resourceArn=arn)
    log("UntagResource", resourceArn=arn, tagKeys=["env"])
    log("CreateLogStream", logGroupName="/app", logStreamName="one")
    log("DescribeLogStreams", logGroupName="/app")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": f"line {number}"} for number in range(3)]
    log("PutLogEvents", logGroupName="/app", logStreamName="one", logEvents=events)
    found = log("GetLogEvents", logGroupName="/app", logStreamName="one", startFromHead=True)["events"]
    assert [event["message"] for event in found] == ["line 0", "line 1", "line 2"], found
    log("FilterLogEvents", logGroupName="/app", filterPattern='"line 1"')
    call.refused("logs", "GetLogGroupFields", logGroupName="/app")
    key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    log("AssociateKmsKey", logGroupName="/app", kmsKeyId=key)
    log("DisassociateKmsKey", logGroupName="/app")
    log("PutLogGroupDeletionProtection", logGroupIdentifier="/app", deletionProtectionEnabled=True)
    log("PutLogGroupDeletionProtection", logGroupIdentifier="/app", deletionProtectionEnabled=False)
    call.refused("logs", "DescribeSubscriptionFilters", logGroupName="/app")
    call.refused("logs", "DescribeMetricFilters", logGroupName="/app")
    call.refused("logs", "DescribeResourcePolicies")
    call.refused("logs", "DescribeIndexPolicies", logGroupIdentifiers=["/app"])
    log("DeleteLogStream", logGroupName="/app", logStreamName="one")


def tagging(call):
    def tag(operation, **parameters):
        return call("resourcegroupstaggingapi", operation, **parameters)

    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/app"
    tag("TagResources", ResourceARNList=[arn], Tags={"owner": "me"})
    found = tag("GetResources", TagFilters=[{"Key": "owner", "Values": ["me"]}])["ResourceTagMappingList"]
    assert [resource["ResourceARN"] for resource in found] == [arn], found
    tag("GetTagKeys")
    tag("GetTagValues", Key="owner")
    failed = tag("UntagResources", ResourceARNList=[arn, arn + "none"], TagKeys=["owner"])["FailedResourcesMap"]
    assert list(failed) == [arn + "none"], failed
    call("logs", "DeleteLogGroup", logGroupName="/app")
