use serde_json::json;

use super::super::Service;
use super::super::iam::testing::World;

const SERVICE: Service = Service::RedshiftServerless;

#[test]
fn an_update_of_a_namespace_has_one_concern() {
    let world = World::open();
    world.ok(
        SERVICE,
        "CreateNamespace",
        json!({ "namespaceName": "lake", "manageAdminPassword": true }),
    );
    let two = json!({ "namespaceName": "lake", "logExports": ["userlog"], "iamRoles": [] });
    assert_eq!(world.refusal(SERVICE, "UpdateNamespace", two), "ValidationException");
    let one = json!({ "namespaceName": "lake", "logExports": ["userlog"] });
    let shown = world.ok(SERVICE, "UpdateNamespace", one.clone());
    assert_eq!(shown["namespace"]["status"], "MODIFYING");
    assert_eq!(world.refusal(SERVICE, "UpdateNamespace", one), "ConflictException");
    world.cloud.clock.advance(1.0);
    let shown = world.ok(SERVICE, "GetNamespace", json!({ "namespaceName": "lake" }));
    assert_eq!(shown["namespace"]["status"], "AVAILABLE");
    assert_eq!(shown["namespace"]["kmsKeyId"], "AWS_OWNED_KMS_KEY");
}

#[test]
fn a_namespace_owns_its_managed_secret() {
    let world = World::open();
    let made = world.ok(
        SERVICE,
        "CreateNamespace",
        json!({ "namespaceName": "lake", "manageAdminPassword": true }),
    );
    let secret = json!({ "SecretId": made["namespace"]["adminPasswordSecretArn"] });
    let shown = world.ok(Service::SecretsManager, "DescribeSecret", secret.clone());
    assert_eq!(shown["OwningService"], "redshift-serverless");
    assert_eq!(
        world.refusal(Service::SecretsManager, "DeleteSecret", secret.clone()),
        "InvalidRequestException"
    );
    world.ok(SERVICE, "DeleteNamespace", json!({ "namespaceName": "lake" }));
    assert_eq!(
        world.refusal(Service::SecretsManager, "DescribeSecret", secret),
        "ResourceNotFoundException"
    );
}

#[test]
fn roles_read_back_as_the_text_of_an_object() {
    let world = World::open();
    let role = "arn:aws:iam::123456789012:role/lake";
    let made = world.ok(
        SERVICE,
        "CreateNamespace",
        json!({ "namespaceName": "lake", "iamRoles": [role], "defaultIamRoleArn": role }),
    );
    let shown = made["namespace"]["iamRoles"][0].as_str().map(str::to_string);
    assert_eq!(shown, Some(format!("IamRole(applyStatus=in-sync, iamRoleArn={role})")));
}
