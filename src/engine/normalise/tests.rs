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

/// A statement in one of the spellings that AWS uses for it.
fn spelled(actions: &[String], account: u64, number: i64, spelling: u64) -> serde_json::Value {
    use serde_json::json;
    let bit = |bit: u64| spelling >> bit & 1 == 1;
    let turn = |items: &[String]| {
        let mut items: Vec<String> = items.to_vec();
        let by = spelling as usize % items.len().max(1);
        items.rotate_left(by);
        items
    };
    let one_or_many = |items: Vec<String>| match items.as_slice() {
        [one] if bit(0) => json!(one),
        several => json!(several),
    };
    let actions = turn(actions)
        .into_iter()
        .map(|action| if bit(1) { action.to_uppercase() } else { action })
        .collect();
    let who = match bit(2) {
        true => format!("{account:012}"),
        false => format!("arn:aws:iam::{account:012}:root"),
    };
    let number = match (bit(3), bit(4)) {
        (true, _) => json!(number.to_string()),
        (false, true) => json!([number as f64]),
        (false, false) => json!(number),
    };
    let key = if bit(5) { "AWS:SourceNumber" } else { "aws:sourcenumber" };
    json!({
        "Effect": "Allow", "Action": one_or_many(actions), "Resource": one_or_many(vec!["r".to_owned()]),
        "Principal": { "AWS": who }, "Condition": { "NumericEquals": { key: number } },
    })
}

proptest! {
    #[test]
    fn a_policy_means_the_same_in_any_spelling(
        actions in proptest::collection::vec("[a-z]{1,4}:[a-z]{1,5}", 1..4),
        account in 0u64..1_000_000_000_000,
        number in 0i64..1_000_000,
        spellings in (any::<u64>(), any::<u64>()),
        as_text in any::<(bool, bool)>(),
    ) {
        let document = |spelling: u64, as_text: bool| {
            let statement = spelled(&actions, account, number, spelling);
            let other = serde_json::json!({"Effect": "Deny", "Action": "x:y", "Resource": "*"});
            let statements = if spelling >> 6 & 1 == 1 { [statement, other] } else { [other, statement] };
            let json = serde_json::json!({"Version": "2012-10-17", "Statement": statements});
            match as_text {
                true => Value::Text(json.to_string()),
                false => Value::from_json(&json),
            }
        };
        prop_assert!(same(Compare::Policy, &document(spellings.0, as_text.0), &document(spellings.1, as_text.1)));
        // And a normal form is its own normal form.
        let once = normal(Compare::Policy, &document(spellings.0, as_text.0));
        prop_assert_eq!(normal(Compare::Policy, &once), once);
    }

    #[test]
    fn a_number_is_a_number_in_any_spelling(number in -1_000_000i64..1_000_000) {
        let whole = Value::text(format!("{{\"Version\":1.0,\"a\":{number}}}"));
        let fraction = Value::text(format!("{{\"a\":{number}.0,\"Version\":1}}"));
        prop_assert!(same(Compare::Json, &whole, &fraction));
        let half = Value::text(format!("{{\"Version\":1,\"a\":{number}.5}}"));
        prop_assert!(!same(Compare::Json, &whole, &half));
    }

    #[test]
    fn a_set_has_no_order(items in proptest::collection::vec(0i64..9, 1..8), turn in 0usize..8) {
        let list = Value::List(items.iter().copied().map(Value::Int).collect());
        let mut turned = items.clone();
        turned.rotate_left(turn % items.len());
        turned.push(items[0]);
        let turned = Value::List(turned.into_iter().map(Value::Int).collect());
        prop_assert!(same(Compare::Set, &list, &turned));
    }
}

#[test]
fn absent_empty_and_a_bare_version_are_one_document() {
    for text in ["", "{}", "{\"Version\":1.0}", "{\"Version\": 1}"] {
        assert!(same(Compare::Json, &Value::text(text), &Value::Null), "{text}");
    }
    assert!(!same(Compare::Json, &Value::text("{\"Version\":2}"), &Value::Null));
}
