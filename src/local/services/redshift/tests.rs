use serde_json::{Value, json};

use super::super::Service;
use super::super::iam::testing::World;

fn ok(world: &World, operation: &str, input: Value) -> Value {
    world.ok(Service::Redshift, operation, input)
}

fn refusal(world: &World, operation: &str, input: Value) -> String {
    world.refusal(Service::Redshift, operation, input)
}

/// A VPC with two subnets and a subnet group `lake` over them.
pub struct Network {
    pub world: World,
    pub subnets: Vec<String>,
}

impl Network {
    pub fn new() -> Network {
        let world = World::open();
        let ec2 = |operation: &str, input: Value| world.ok(Service::Ec2, operation, input);
        let vpc = ec2("CreateVpc", json!({ "CidrBlock": "10.0.0.0/16" }))["Vpc"]["VpcId"].clone();
        let subnet = |cidr: &str, zone: &str| {
            let input = json!({ "VpcId": vpc, "CidrBlock": cidr, "AvailabilityZone": zone });
            let made = ec2("CreateSubnet", input);
            made["Subnet"]["SubnetId"].as_str().expect("an id").to_string()
        };
        let subnets = vec![subnet("10.0.0.0/24", "eu-west-1a"), subnet("10.0.1.0/24", "eu-west-1b")];
        let group = json!({ "ClusterSubnetGroupName": "Lake", "Description": "d", "SubnetIds": subnets });
        ok(&world, "CreateClusterSubnetGroup", group);
        Network { world, subnets }
    }

    fn create(&self, changes: Value) -> Result<Value, String> {
        let mut input = json!({
            "ClusterIdentifier": "wh", "NodeType": "ra3.large", "MasterUsername": "admin",
            "MasterUserPassword": "Abcdef12", "ClusterSubnetGroupName": "lake",
        });
        for (key, value) in changes.as_object().expect("an object") {
            input[key] = value.clone();
        }
        self.world
            .call(Service::Redshift, "CreateCluster", input)
            .map_err(|fault| fault.code)
    }

    fn advance(&self) {
        self.world.cloud.clock.advance(5.0);
    }

    fn cluster(&self) -> Value {
        ok(&self.world, "DescribeClusters", json!({ "ClusterIdentifier": "wh" }))["Clusters"][0].clone()
    }

    fn status(&self) -> String {
        self.cluster()["ClusterStatus"].as_str().unwrap_or_default().to_string()
    }

    /// A cluster that is available.
    fn with_cluster() -> Network {
        let network = Network::new();
        network.create(json!({})).expect("a cluster");
        network.advance();
        network
    }
}

fn wh() -> Value {
    json!({ "ClusterIdentifier": "wh" })
}

#[test]
fn a_cluster_is_created_with_the_defaults_that_aws_fills_in() {
    let network = Network::new();
    let made = network.create(json!({ "ClusterIdentifier": "WH" })).expect("a cluster")["Cluster"].clone();
    assert_eq!(made["ClusterStatus"], "creating");
    assert_eq!(made["PendingModifiedValues"], json!({ "MasterUserPassword": "****" }));
    assert!(made.get("Endpoint").is_none());
    network.advance();
    let cluster = network.cluster();
    for (key, value) in [
        ("ClusterIdentifier", json!("wh")),
        ("ClusterStatus", json!("available")),
        ("ClusterAvailabilityStatus", json!("Available")),
        ("DBName", json!("dev")),
        ("NumberOfNodes", json!(1)),
        ("AutomatedSnapshotRetentionPeriod", json!(1)),
        ("ManualSnapshotRetentionPeriod", json!(-1)),
        ("Encrypted", json!(true)),
        ("KmsKeyId", json!("AWS_OWNED_KMS_KEY")),
        ("PubliclyAccessible", json!(false)),
        ("AllowVersionUpgrade", json!(true)),
        ("MaintenanceTrackName", json!("current")),
        ("MultiAZ", json!("Disabled")),
        ("AvailabilityZoneRelocationStatus", json!("enabled")),
        ("ClusterSubnetGroupName", json!("lake")),
        ("AvailabilityZone", json!("eu-west-1a")),
        ("PendingModifiedValues", json!({})),
    ] {
        assert_eq!(cluster[key], value, "{key}");
    }
    assert_eq!(cluster["Endpoint"]["Port"], 5439);
    assert_eq!(
        cluster["ClusterParameterGroups"][0]["ParameterGroupName"],
        "default.redshift-2.0"
    );
    assert_eq!(cluster["ClusterParameterGroups"][0]["ParameterApplyStatus"], "in-sync");
    assert_eq!(cluster["ClusterNodes"][0]["NodeRole"], "SHARED");
    assert_eq!(cluster["VpcSecurityGroups"].as_array().map(Vec::len), Some(1));
}

#[test]
fn each_wrong_parameter_of_a_new_cluster_is_refused() {
    let network = Network::new();
    for (change, code) in [
        (json!({ "ClusterIdentifier": "1wh" }), "InvalidParameterValue"),
        (json!({ "ClusterIdentifier": "w--h" }), "InvalidParameterValue"),
        (json!({ "NodeType": "ds2.xlarge" }), "InvalidParameterValue"),
        (json!({ "MasterUsername": "public" }), "InvalidParameterValue"),
        (json!({ "MasterUsername": "Admin" }), "InvalidParameterValue"),
        (json!({ "MasterUserPassword": "short" }), "InvalidParameterValue"),
        (
            json!({ "MasterUserPassword": "Abcdef12", "ManageMasterPassword": true }),
            "InvalidParameterCombination",
        ),
        (json!({ "DBName": "select" }), "InvalidParameterValue"),
        (json!({ "Port": 1234 }), "InvalidParameterValue"),
        (json!({ "Encrypted": false }), "InvalidParameterValue"),
        (
            json!({ "AutomatedSnapshotRetentionPeriod": 0 }),
            "InvalidParameterValue",
        ),
        (
            json!({ "ManualSnapshotRetentionPeriod": 0 }),
            "InvalidRetentionPeriodFault",
        ),
        (json!({ "ClusterType": "multi-node" }), "InvalidParameterCombination"),
        (
            json!({ "ClusterSubnetGroupName": "none" }),
            "ClusterSubnetGroupNotFoundFault",
        ),
        (
            json!({ "ClusterParameterGroupName": "none" }),
            "ClusterParameterGroupNotFound",
        ),
        (json!({ "PubliclyAccessible": true }), "InvalidVPCNetworkStateFault"),
        (json!({ "VpcSecurityGroupIds": ["sg-1"] }), "InvalidParameterValue"),
        (json!({ "IamRoles": ["role"] }), "InvalidParameterValue"),
        (
            json!({ "DefaultIamRoleArn": "arn:aws:iam::123456789012:role/r" }),
            "InvalidParameterValue",
        ),
        (json!({ "MultiAZ": true }), "UnsupportedOperation"),
        (json!({ "HsmConfigurationIdentifier": "x" }), "NotImplemented"),
    ] {
        assert_eq!(network.create(change.clone()), Err(code.to_string()), "{change}");
    }
    network.create(json!({})).expect("a cluster");
    assert_eq!(network.create(json!({})), Err("ClusterAlreadyExists".to_string()));
}

#[test]
fn a_cluster_holds_its_subnets_and_groups_until_it_is_gone() {
    let network = Network::with_cluster();
    let world = &network.world;
    let subnet = json!({ "SubnetId": network.subnets[0] });
    let group = json!({ "ClusterSubnetGroupName": "lake" });
    assert_eq!(
        world.refusal(Service::Ec2, "DeleteSubnet", subnet.clone()),
        "DependencyViolation"
    );
    assert_eq!(
        refusal(world, "DeleteClusterSubnetGroup", group.clone()),
        "InvalidClusterSubnetGroupStateFault"
    );
    let other = json!({ "ClusterSubnetGroupName": "lake", "SubnetIds": [network.subnets[1]] });
    assert_eq!(refusal(world, "ModifyClusterSubnetGroup", other), "SubnetAlreadyInUse");
    assert_eq!(refusal(world, "DeleteCluster", wh()), "InvalidParameterCombination");
    let skip = json!({ "ClusterIdentifier": "wh", "SkipFinalClusterSnapshot": true });
    assert_eq!(
        ok(world, "DeleteCluster", skip.clone())["Cluster"]["ClusterStatus"],
        "deleting"
    );
    assert_eq!(refusal(world, "DeleteCluster", skip), "InvalidClusterState");
    assert_eq!(
        world.refusal(Service::Ec2, "DeleteSubnet", subnet.clone()),
        "DependencyViolation"
    );
    network.advance();
    assert_eq!(refusal(world, "DescribeClusters", wh()), "ClusterNotFound");
    ok(world, "DeleteClusterSubnetGroup", group);
    world.ok(Service::Ec2, "DeleteSubnet", subnet);
}

#[test]
fn a_final_snapshot_stays_when_the_cluster_is_gone() {
    let network = Network::with_cluster();
    let world = &network.world;
    let delete = json!({ "ClusterIdentifier": "wh", "FinalClusterSnapshotIdentifier": "last" });
    assert_eq!(
        ok(world, "DeleteCluster", delete.clone())["Cluster"]["ClusterStatus"],
        "final-snapshot"
    );
    network.advance();
    let snapshot = &ok(world, "DescribeClusterSnapshots", wh())["Snapshots"][0];
    assert_eq!(
        (&snapshot["SnapshotIdentifier"], &snapshot["Status"]),
        (&json!("last"), &json!("available"))
    );
    network.create(json!({})).expect("a cluster of the same name");
    network.advance();
    assert_eq!(refusal(world, "DeleteCluster", delete), "ClusterSnapshotAlreadyExists");
}

#[test]
fn changes_take_effect_when_their_time_has_come() {
    let network = Network::with_cluster();
    let world = &network.world;
    let change = json!({
        "ClusterIdentifier": "wh", "MasterUserPassword": "Other123", "AutomatedSnapshotRetentionPeriod": 7,
        "EnhancedVpcRouting": true,
    });
    let changed = ok(world, "ModifyCluster", change.clone())["Cluster"].clone();
    assert_eq!(changed["ClusterStatus"], "modifying");
    assert_eq!(
        changed["PendingModifiedValues"],
        json!({ "MasterUserPassword": "****", "AutomatedSnapshotRetentionPeriod": 7, "EnhancedVpcRouting": true })
    );
    assert_eq!(changed["AutomatedSnapshotRetentionPeriod"], 1);
    assert_eq!(refusal(world, "ModifyCluster", change), "InvalidClusterState");
    network.advance();
    let cluster = network.cluster();
    assert_eq!(
        (
            &cluster["AutomatedSnapshotRetentionPeriod"],
            &cluster["EnhancedVpcRouting"]
        ),
        (&json!(7), &json!(true))
    );
}

#[test]
fn pause_resume_reboot_and_resize_pass_through_their_states() {
    let network = Network::with_cluster();
    let world = &network.world;
    for (operation, during, after) in [
        ("PauseCluster", "pausing", "paused"),
        ("ResumeCluster", "resuming", "available"),
        ("RebootCluster", "rebooting", "available"),
    ] {
        ok(world, operation, wh());
        assert_eq!(network.status(), during);
        network.advance();
        assert_eq!(network.status(), after);
        if after == "paused" {
            let delete = json!({ "ClusterIdentifier": "wh", "SkipFinalClusterSnapshot": true });
            assert_eq!(refusal(world, "DeleteCluster", delete), "InvalidClusterState");
        }
    }
    let resized = ok(
        world,
        "ResizeCluster",
        json!({ "ClusterIdentifier": "wh", "NumberOfNodes": 2 }),
    );
    assert_eq!(resized["Cluster"]["ResizeInfo"]["ResizeType"], "ElasticResize");
    assert_eq!(ok(world, "DescribeResize", wh())["TargetNumberOfNodes"], 2);
    network.advance();
    let cluster = network.cluster();
    assert_eq!(
        (&cluster["NumberOfNodes"], &cluster["ClusterStatus"]),
        (&json!(2), &json!("available"))
    );
    let roles: Vec<&Value> = cluster["ClusterNodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| &node["NodeRole"])
        .collect();
    assert_eq!(roles, ["LEADER", "COMPUTE-0", "COMPUTE-1"]);
    assert_eq!(refusal(world, "DescribeResize", wh()), "ResizeNotFound");
}

#[test]
fn static_parameters_wait_for_a_reboot() {
    let network = Network::new();
    let world = &network.world;
    ok(
        world,
        "CreateClusterParameterGroup",
        json!({ "ParameterGroupName": "PG", "ParameterGroupFamily": "redshift-2.0", "Description": "d" }),
    );
    network
        .create(json!({ "ClusterParameterGroupName": "pg" }))
        .expect("a cluster");
    network.advance();
    let status = || network.cluster()["ClusterParameterGroups"][0]["ParameterApplyStatus"].clone();
    let set = |name: &str, value: &str| json!({ "ParameterGroupName": "pg", "Parameters": [{ "ParameterName": name, "ParameterValue": value }] });
    ok(
        world,
        "ModifyClusterParameterGroup",
        set("max_concurrency_scaling_clusters", "3"),
    );
    assert_eq!(status(), "in-sync");
    ok(
        world,
        "ModifyClusterParameterGroup",
        set("REQUIRE_SSL".to_lowercase().as_str(), "False"),
    );
    assert_eq!(status(), "pending-reboot");
    ok(world, "RebootCluster", wh());
    network.advance();
    assert_eq!(status(), "in-sync");
    let user = ok(
        world,
        "DescribeClusterParameters",
        json!({ "ParameterGroupName": "pg", "Source": "user" }),
    );
    let listed: Vec<(&Value, &Value)> = user["Parameters"]
        .as_array()
        .expect("parameters")
        .iter()
        .map(|parameter| (&parameter["ParameterName"], &parameter["ParameterValue"]))
        .collect();
    assert_eq!(
        listed,
        [
            (&json!("max_concurrency_scaling_clusters"), &json!("3")),
            (&json!("require_ssl"), &json!("false"))
        ]
    );
    assert_eq!(
        refusal(world, "ModifyClusterParameterGroup", set("statement_timeout", "50")),
        "InvalidParameterValue"
    );
    assert_eq!(
        refusal(world, "ModifyClusterParameterGroup", set("nonsense", "1")),
        "InvalidParameterValue"
    );
    let many: Vec<Value> = (0..21)
        .map(|_| json!({ "ParameterName": "auto_mv", "ParameterValue": "true" }))
        .collect();
    let many = json!({ "ParameterGroupName": "pg", "Parameters": many });
    assert_eq!(
        refusal(world, "ModifyClusterParameterGroup", many),
        "InvalidParameterValue"
    );
    ok(
        world,
        "ResetClusterParameterGroup",
        json!({ "ParameterGroupName": "pg", "Parameters": [{ "ParameterName": "require_ssl" }] }),
    );
    assert_eq!(status(), "pending-reboot");
    assert_eq!(
        refusal(
            world,
            "DeleteClusterParameterGroup",
            json!({ "ParameterGroupName": "pg" })
        ),
        "InvalidClusterParameterGroupState"
    );
}

#[test]
fn iam_roles_are_added_and_the_default_is_one_of_them() {
    let network = Network::with_cluster();
    let world = &network.world;
    let role = "arn:aws:iam::123456789012:role/lake";
    let add = json!({ "ClusterIdentifier": "wh", "AddIamRoles": [role], "DefaultIamRoleArn": role });
    let shown = ok(world, "ModifyClusterIamRoles", add)["Cluster"].clone();
    assert_eq!(
        shown["IamRoles"],
        json!([{ "IamRoleArn": role, "ApplyStatus": "adding" }])
    );
    network.advance();
    assert_eq!(network.cluster()["IamRoles"][0]["ApplyStatus"], "in-sync");
    assert_eq!(network.cluster()["DefaultIamRoleArn"], role);
    ok(
        world,
        "ModifyClusterIamRoles",
        json!({ "ClusterIdentifier": "wh", "RemoveIamRoles": [role] }),
    );
    network.advance();
    assert_eq!(network.cluster()["IamRoles"], json!([]));
    assert!(network.cluster().get("DefaultIamRoleArn").is_none());
}

#[test]
fn a_managed_password_lives_and_dies_with_its_cluster() {
    let network = Network::new();
    let world = &network.world;
    let made = network
        .create(json!({ "MasterUserPassword": null, "ManageMasterPassword": true }))
        .expect("a cluster");
    let secret = json!({ "SecretId": made["Cluster"]["MasterPasswordSecretArn"] });
    let value = world.ok(Service::SecretsManager, "GetSecretValue", secret.clone());
    let value: Value = serde_json::from_str(value["SecretString"].as_str().expect("text")).expect("JSON");
    assert_eq!(value["username"], "admin");
    network.advance();
    ok(
        world,
        "DeleteCluster",
        json!({ "ClusterIdentifier": "wh", "SkipFinalClusterSnapshot": true }),
    );
    network.advance();
    assert_eq!(ok(world, "DescribeClusters", json!({}))["Clusters"], json!([]));
    assert_eq!(
        world.refusal(Service::SecretsManager, "GetSecretValue", secret),
        "ResourceNotFoundException"
    );
}

#[test]
fn tag_filters_match_keys_and_values_without_pairing_them() {
    let network = Network::new();
    let world = &network.world;
    let tags = json!([{ "Key": "stack", "Value": "a" }, { "Key": "team", "Value": "b" }]);
    let made = network.create(json!({ "Tags": tags })).expect("a cluster");
    let found = |keys: Value, values: Value| {
        let answer = ok(
            world,
            "DescribeClusters",
            json!({ "TagKeys": keys, "TagValues": values }),
        );
        answer["Clusters"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(found(json!(["stack"]), json!(["a", "z"])), 1);
    assert_eq!(found(json!(["stack"]), json!(["b"])), 0);
    assert_eq!(found(json!(["stack", "x"]), json!([])), 1);
    let arn = made["Cluster"]["ClusterNamespaceArn"]
        .as_str()
        .expect("an arn")
        .split(":namespace")
        .next()
        .map(|prefix| format!("{prefix}:cluster:wh"));
    ok(
        world,
        "CreateTags",
        json!({ "ResourceName": arn, "Tags": [{ "Key": "new", "Value": "1" }] }),
    );
    ok(world, "DeleteTags", json!({ "ResourceName": arn, "TagKeys": ["team"] }));
    let described = ok(world, "DescribeTags", json!({ "ResourceName": arn }));
    let keys: Vec<&Value> = described["TaggedResources"]
        .as_array()
        .expect("tags")
        .iter()
        .map(|tag| &tag["Tag"]["Key"])
        .collect();
    assert_eq!(keys, ["new", "stack"]);
    assert_eq!(
        refusal(
            world,
            "DescribeTags",
            json!({ "ResourceName": format!("{}x", arn.expect("an arn")) })
        ),
        "ResourceNotFoundFault"
    );
    assert_eq!(
        refusal(world, "DescribeClusters", json!({ "MaxRecords": 1 })),
        "InvalidParameterValue"
    );
}

#[test]
fn temporary_credentials_expire() {
    let network = Network::with_cluster();
    let world = &network.world;
    let made = ok(
        world,
        "GetClusterCredentials",
        json!({ "ClusterIdentifier": "wh", "DbUser": "ana", "AutoCreate": true }),
    );
    assert_eq!(made["DbUser"], "IAMA:ana");
    let short = json!({ "ClusterIdentifier": "wh", "DbUser": "ana", "DurationSeconds": 60 });
    assert_eq!(refusal(world, "GetClusterCredentials", short), "InvalidParameterValue");
    let namespace = network.cluster()["ClusterNamespaceArn"]
        .as_str()
        .and_then(|arn| arn.rsplit(':').next())
        .expect("an id")
        .to_string();
    let login = || {
        let read = |cx: &super::Call| super::credentials::login(cx, &namespace, "IAMA:ana", "admin", None, None);
        world
            .cloud
            .read(Service::Redshift, "123456789012", "eu-west-1", read)
            .expect("a read")
    };
    assert_eq!(login().passwords, [made["DbPassword"].as_str().expect("a password")]);
    assert!(login().create_user && !login().superuser);
    world.cloud.clock.advance(901.0);
    assert!(login().passwords.is_empty());
}

#[test]
fn a_rename_keeps_the_namespace() {
    let network = Network::with_cluster();
    let world = &network.world;
    let before = network.cluster()["ClusterNamespaceArn"].clone();
    ok(
        world,
        "ModifyCluster",
        json!({ "ClusterIdentifier": "wh", "NewClusterIdentifier": "WH2" }),
    );
    network.advance();
    assert_eq!(refusal(world, "DescribeClusters", wh()), "ClusterNotFound");
    let after = ok(world, "DescribeClusters", json!({ "ClusterIdentifier": "wh2" }))["Clusters"][0].clone();
    assert_eq!(
        (&after["ClusterNamespaceArn"], &after["ClusterStatus"]),
        (&before, &json!("available"))
    );
}
