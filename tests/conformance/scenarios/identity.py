"""IAM and STS: roles, policies, profiles, simulation, temporary credentials."""

import json


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service):
    return policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def role(call, name, service, *statements):
    """A role for a service, for other scenarios."""
    made = call("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=trust(service))["Role"]
    if statements:
        call("iam", "PutRolePolicy", RoleName=name, PolicyName="work", PolicyDocument=policy(*statements))
    return made["Arn"]


def run(call):
    def iam(operation, **parameters):
        return call("iam", operation, **parameters)

    account = call("sts", "GetCallerIdentity")["Account"]
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}
    everyone = policy({"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"})
    arn = iam(
        "CreateRole",
        RoleName="reader",
        Path="/team/",
        AssumeRolePolicyDocument=everyone,
        Description="reads",
        MaxSessionDuration=7200,
        Tags=[{"Key": "team", "Value": "data"}],
    )["Role"]["Arn"]
    call.wait("iam", "role_exists", RoleName="reader")
    call.fails("EntityAlreadyExists", "iam", "CreateRole", RoleName="reader", AssumeRolePolicyDocument=everyone)
    call.fails("MalformedPolicyDocument", "iam", "CreateRole", RoleName="x", AssumeRolePolicyDocument="{")
    call.fails("NoSuchEntity", "iam", "GetRole", RoleName="nobody")
    assert iam("GetRole", RoleName="reader")["Role"]["AssumeRolePolicyDocument"]["Version"] == "2012-10-17"
    iam("ListRoles", PathPrefix="/team/")
    iam("UpdateRole", RoleName="reader", Description="reads more", MaxSessionDuration=3600)
    iam("UpdateRoleDescription", RoleName="reader", Description="reads")
    iam("UpdateAssumeRolePolicy", RoleName="reader", PolicyDocument=everyone)
    iam("PutRolePolicy", RoleName="reader", PolicyName="read", PolicyDocument=policy(read))
    iam("GetRolePolicy", RoleName="reader", PolicyName="read")
    iam("ListRolePolicies", RoleName="reader")
    iam("TagRole", RoleName="reader", Tags=[{"Key": "env", "Value": "test"}])
    iam("ListRoleTags", RoleName="reader")
    iam("UntagRole", RoleName="reader", TagKeys=["env"])

    made = iam("CreatePolicy", PolicyName="lake", PolicyDocument=policy(read), Tags=[{"Key": "a", "Value": "b"}])
    lake = made["Policy"]["Arn"]
    call.wait("iam", "policy_exists", PolicyArn=lake)
    iam("GetPolicy", PolicyArn=lake)
    iam("ListPolicies", Scope="Local")
    iam("TagPolicy", PolicyArn=lake, Tags=[{"Key": "env", "Value": "test"}])
    iam("ListPolicyTags", PolicyArn=lake)
    iam("UntagPolicy", PolicyArn=lake, TagKeys=["env"])
    iam("CreatePolicyVersion", PolicyArn=lake, PolicyDocument=policy(read), SetAsDefault=True)
    iam("GetPolicyVersion", PolicyArn=lake, VersionId="v2")
    iam("ListPolicyVersions", PolicyArn=lake)
    iam("SetDefaultPolicyVersion", PolicyArn=lake, VersionId="v1")
    iam("DeletePolicyVersion", PolicyArn=lake, VersionId="v2")
    iam("AttachRolePolicy", RoleName="reader", PolicyArn=lake)
    iam("AttachRolePolicy", RoleName="reader", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSGlueServiceRole")
    iam("ListAttachedRolePolicies", RoleName="reader")
    iam("ListEntitiesForPolicy", PolicyArn=lake)
    iam("PutRolePermissionsBoundary", RoleName="reader", PermissionsBoundary=lake)
    iam("DeleteRolePermissionsBoundary", RoleName="reader")
    call.fails("DeleteConflict", "iam", "DeleteRole", RoleName="reader")

    asked = {"ActionNames": ["s3:GetObject", "s3:PutObject"], "ResourceArns": ["arn:aws:s3:::lake/a"]}
    decided = iam("SimulatePrincipalPolicy", PolicySourceArn=arn, **asked)["EvaluationResults"]
    assert [result["EvalDecision"] for result in decided] == ["allowed", "implicitDeny"], decided
    iam("SimulateCustomPolicy", PolicyInputList=[policy(read)], **asked)
    iam("GetContextKeysForPrincipalPolicy", PolicySourceArn=arn)
    iam("GetContextKeysForCustomPolicy", PolicyInputList=[policy(read)])
    iam("GetAccountAuthorizationDetails")
    iam("GetAccountSummary")
    for nothing in ("ListAccountAliases", "ListUsers", "ListOpenIDConnectProviders"):
        iam(nothing)
    call.refused("iam", "GetUser")
    call.fails("NoSuchEntity", "iam", "GetAccountPasswordPolicy")

    iam("CreateInstanceProfile", InstanceProfileName="box")
    call.wait("iam", "instance_profile_exists", InstanceProfileName="box")
    iam("AddRoleToInstanceProfile", InstanceProfileName="box", RoleName="reader")
    iam("GetInstanceProfile", InstanceProfileName="box")
    iam("ListInstanceProfiles")
    iam("ListInstanceProfilesForRole", RoleName="reader")
    iam("RemoveRoleFromInstanceProfile", InstanceProfileName="box", RoleName="reader")
    iam("DeleteInstanceProfile", InstanceProfileName="box")
    call.refused("iam", "CreateServiceLinkedRole", AWSServiceName="redshift.amazonaws.com")
    call.refused("iam", "DeleteServiceLinkedRole", RoleName="AWSServiceRoleForRedshift")
    call.refused("iam", "GetServiceLinkedRoleDeletionStatus", DeletionTaskId="task/x")

    keys = call("sts", "AssumeRole", RoleArn=arn, RoleSessionName="me")["Credentials"]
    call("sts", "GetAccessKeyInfo", AccessKeyId=keys["AccessKeyId"])
    call.refused("sts", "GetSessionToken")
    call.refused("sts", "DecodeAuthorizationMessage", EncodedMessage="x")

    for attached in iam("ListAttachedRolePolicies", RoleName="reader")["AttachedPolicies"]:
        iam("DetachRolePolicy", RoleName="reader", PolicyArn=attached["PolicyArn"])
    iam("DeleteRolePolicy", RoleName="reader", PolicyName="read")
    iam("DeleteRole", RoleName="reader")
    iam("DeletePolicy", PolicyArn=lake)
