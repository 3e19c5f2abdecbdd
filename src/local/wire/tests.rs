use http::Request as HttpRequest;
use http_body_util::BodyExt;
use serde_json::json;

use super::*;

fn parts(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> http::request::Parts {
    build(HttpRequest::builder().method("POST").uri("/"))
        .body(())
        .expect("a request")
        .into_parts()
        .0
}

fn query(service: Service, form: &str) -> Result<Value, String> {
    let result = read(service, &parts(|request| request), form.as_bytes());
    result
        .map(|request| request.input)
        .map_err(|refusal| refusal.fault.to_string())
}

fn target(service: Service, target: &str, body: &str) -> Result<Value, String> {
    let result = read(
        service,
        &parts(|request| request.header("x-amz-target", target)),
        body.as_bytes(),
    );
    result
        .map(|request| request.input)
        .map_err(|refusal| refusal.fault.to_string())
}

async fn answered(service: Service, operation: &str, format: Format, answer: Answer) -> (u16, String) {
    let response = write(service, operation, format, answer, "id-1");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

#[test]
fn ec2_lists_and_structures_become_members() {
    let input = query(
        Service::Ec2,
        "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16&TagSpecification.1.ResourceType=vpc\
         &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=a+b&DryRun=false",
    );
    let expected = json!({"CidrBlock": "10.0.0.0/16", "DryRun": false,
        "TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "a b"}]}]});
    assert_eq!(input, Ok(expected));
}

#[test]
fn elements_keep_their_numeric_order() {
    let form: String = (1..=11).rev().map(|at| format!("&VpcId.{at}=vpc-{at}")).collect();
    let input = query(Service::Ec2, &format!("Action=DescribeVpcs{form}")).expect("parses");
    assert_eq!(input["VpcIds"][10], "vpc-11");
    assert_eq!(input["VpcIds"][1], "vpc-2");
}

#[test]
fn redshift_lists_carry_their_element_names() {
    let input = query(
        Service::Redshift,
        "Action=CreateClusterSubnetGroup&ClusterSubnetGroupName=g&Description=d&SubnetIds.SubnetIdentifier.1=subnet-1\
         &Tags.Tag.1.Key=k&Tags.Tag.1.Value=v",
    );
    let expected = json!({"ClusterSubnetGroupName": "g", "Description": "d", "SubnetIds": ["subnet-1"],
        "Tags": [{"Key": "k", "Value": "v"}]});
    assert_eq!(input, Ok(expected));
}

#[test]
fn an_unknown_parameter_is_named() {
    let refusal = query(Service::Ec2, "Action=DescribeVpcs&Colour=red").expect_err("is refused");
    assert_eq!(refusal, "UnknownParameter: The parameter Colour is not recognized");
    let refusal =
        target(Service::Glue, "AWSGlue.GetDatabase", r#"{"Name":"a","Colour":"red"}"#).expect_err("is refused");
    assert!(refusal.contains("`Colour`"), "{refusal}");
}

#[test]
fn an_unknown_operation_is_named() {
    let refusal = query(Service::Ec2, "Action=RunInstances").expect_err("is refused");
    assert_eq!(
        refusal,
        "NotImplemented: the local cloud does not implement ec2:RunInstances"
    );
}

#[test]
fn required_members_are_asked_for_as_each_service_words_it() {
    let ec2 = query(Service::Ec2, "Action=CreateSubnet").expect_err("is refused");
    assert_eq!(ec2, "MissingParameter: The request must contain the parameter VpcId");
    let glue = target(Service::Glue, "AWSGlue.GetDatabase", "{}").expect_err("is refused");
    assert_eq!(
        glue,
        "ValidationException: 1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn constraints_of_the_model_are_kept() {
    let long = "r".repeat(65);
    let refusal = query(Service::Iam, &format!("Action=GetRole&RoleName={long}")).expect_err("is refused");
    assert!(
        refusal.ends_with("Member must have length less than or equal to 64"),
        "{refusal}"
    );
    let refusal = query(Service::Ec2, "Action=DescribeVpcs&MaxResults=1").expect_err("is refused");
    assert_eq!(
        refusal,
        "InvalidParameterValue: Value ( 1 ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5."
    );
}

#[tokio::test]
async fn ec2_answers_are_xml_with_item_lists() {
    let answer = json!({"Vpcs": [{"VpcId": "vpc-1", "IsDefault": false, "Tags": [{"Key": "a<b", "Value": "c&d"}]}]});
    let (status, body) = answered(Service::Ec2, "DescribeVpcs", Format::Xml, Ok(answer)).await;
    assert_eq!(status, 200);
    assert!(body.contains("<requestId>id-1</requestId><vpcSet><item>"), "{body}");
    assert!(body.contains("<key>a&lt;b</key><value>c&amp;d</value>"), "{body}");
}

#[tokio::test]
async fn a_modelled_fault_gets_its_code_and_status() {
    let fault = Fault::bad("ClusterNotFoundFault", "Cluster c not found.");
    let (status, body) = answered(Service::Redshift, "DescribeClusters", Format::Xml, Err(fault)).await;
    assert_eq!(status, 404);
    assert!(body.contains("<Code>ClusterNotFound</Code>"), "{body}");
}

#[tokio::test]
async fn json_answers_follow_the_model() {
    let answer = json!({"Database": {"Name": "d", "CreateTime": 1_700_000_000.25, "Description": null}});
    let (_, body) = answered(Service::Glue, "GetDatabase", Format::Json, Ok(answer)).await;
    assert_eq!(body, r#"{"Database":{"Name":"d","CreateTime":1700000000.25}}"#);
}

#[test]
fn the_scope_of_a_signature_routes_a_request() {
    let header =
        "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
    let expected = scope::Scope {
        access_key: "AKIA".into(),
        region: "eu-west-1".into(),
        service: "ec2".into(),
        token: None,
    };
    assert_eq!(
        scope::of(&parts(|request| request.header("authorization", header))),
        Some(expected.clone())
    );
    let presigned = "/bucket/key?X-Amz-Credential=AKIA%2F20260101%2Feu-west-1%2Fec2%2Faws4_request&X-Amz-Signature=0";
    assert_eq!(
        scope::of(&parts(|request| request.uri(presigned))),
        Some(expected.clone())
    );
    let expected = scope::Scope {
        token: Some("t/=".into()),
        ..expected
    };
    let with_header = |request: http::request::Builder| {
        request
            .header("authorization", header)
            .header("x-amz-security-token", "t/=")
    };
    assert_eq!(scope::of(&parts(with_header)), Some(expected.clone()));
    let with_query = format!("{presigned}&X-Amz-Security-Token=t%2F%3D");
    assert_eq!(scope::of(&parts(|request| request.uri(with_query))), Some(expected));
}

proptest::proptest! {
    #[test]
    fn any_form_is_read_or_refused(form in ".{0,200}") {
        for service in [Service::Ec2, Service::Redshift] {
            drop(query(service, &form));
            drop(query(service, &format!("Action=CreateVpc&{form}")));
        }
    }

    #[test]
    fn any_body_is_read_or_refused(body in ".{0,200}") {
        drop(target(Service::Glue, "AWSGlue.CreateTable", &body));
    }
}
