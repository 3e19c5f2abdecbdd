use super::*;
use proptest::prelude::*;

fn json(text: &str) -> Value {
    Value::from_json(&serde_json::from_str(text).expect("test JSON"))
}

#[test]
fn a_block_is_cut_into_equal_parts() {
    let block: Cidr = "10.0.16.0/20".parse().expect("a block");
    assert_eq!(
        block.part(2, 3).map(|part| part.to_string()).as_deref(),
        Some("10.0.28.0/22")
    );
    assert_eq!(block.part(2, 4), None);
    assert_eq!(
        "10.0.1.5/24".parse::<Cidr>(),
        Err(CidrError::HostBits("10.0.1.0/24".parse().expect("a block")))
    );
}

#[test]
fn spellings_of_one_policy_are_equal() {
    let a = json(r#"{"Statement":{"Effect":"Allow","Action":"S3:GetObject","Resource":["b","a"],"Principal":"*"}}"#);
    let b = json(
        r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Action":["s3:getobject"],"Resource":["a","b","a"],
            "Principal":{"AWS":["*"]}}]}"#,
    );
    assert!(same(Compare::Policy, &a, &b));
}

#[test]
fn a_different_effect_is_a_different_policy() {
    let a = json(r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#);
    let b = json(r#"{"Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#);
    assert!(!same(Compare::Policy, &a, &b));
}

proptest! {
    #[test]
    fn a_policy_means_the_same_in_any_order(
        actions in proptest::collection::vec("[a-z]{1,4}:[A-Z][a-z]{1,5}", 1..5),
        resources in proptest::collection::vec("[a-z*]{1,6}", 1..5),
        rotate in 0usize..5,
    ) {
        let statement = |actions: &[String], resources: &[String]| Value::from_json(&serde_json::json!({
            "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resources}]
        }));
        let (mut turned_actions, mut turned_resources) = (actions.clone(), resources.clone());
        let (a, r) = (rotate % actions.len(), rotate % resources.len());
        turned_actions.rotate_left(a);
        turned_resources.rotate_left(r);
        prop_assert!(same(
            Compare::Policy,
            &statement(&actions, &resources),
            &statement(&turned_actions, &turned_resources)
        ));
    }

    #[test]
    fn a_normal_form_is_its_own_normal_form(items in proptest::collection::vec("[a-c]{0,3}", 0..6)) {
        let list = Value::List(items.into_iter().map(Value::Text).collect());
        let once = normal(Compare::Set, &list);
        prop_assert_eq!(normal(Compare::Set, &once), once);
    }

    #[test]
    fn a_block_reads_back_as_written(base in any::<u32>(), prefix in 0u8..=32) {
        let block = Cidr { base: base & Cidr::mask(prefix), prefix };
        prop_assert_eq!(block.to_string().parse::<Cidr>(), Ok(block));
    }
}
