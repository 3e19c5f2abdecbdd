//! Ownership tags: written in every create call, split from the user's own tags on every read.

use lakeform_engine::Address;
use lakeform_engine::cloud::Owner;
use std::collections::BTreeMap;

pub(crate) type Tags = BTreeMap<String, String>;

pub(crate) const STACK: &str = "lakeform:stack";
pub(crate) const GENERATION: &str = "lakeform:gen";
pub(crate) const ADDRESS: &str = "lakeform:addr";
pub(crate) const OP: &str = "lakeform:op";

/// Returns the user's tags and ours.
pub(crate) fn join(owner: &Owner, tags: &Tags) -> Tags {
    let mut all = tags.clone();
    all.insert(STACK.to_owned(), owner.stack.clone());
    all.insert(GENERATION.to_owned(), owner.generation.clone());
    all.insert(ADDRESS.to_owned(), owner.address.to_string());
    all.insert(OP.to_owned(), owner.op.clone());
    all
}

/// Returns the user's tags, and whose the object is. Tags that AWS itself sets are dropped.
pub(crate) fn split(all: impl IntoIterator<Item = (String, String)>) -> (Tags, Option<Owner>) {
    let (ours, tags): (Tags, Tags) = all
        .into_iter()
        .filter(|(key, _)| !key.starts_with("aws:"))
        .partition(|(key, _)| key.starts_with("lakeform:"));
    (tags, owner(&ours))
}

fn owner(tags: &Tags) -> Option<Owner> {
    Some(Owner {
        stack: tags.get(STACK)?.clone(),
        generation: tags.get(GENERATION)?.clone(),
        address: Address::parse(tags.get(ADDRESS)?)?,
        op: tags.get(OP)?.clone(),
    })
}

/// Tags to set and keys to remove so that an object carries exactly `wanted` and ours.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct TagChange {
    pub set: Tags,
    pub remove: Vec<String>,
}

impl TagChange {
    /// The op of the create stays: it says which intent made the object, and nothing made it anew.
    pub(crate) fn between(live: &Tags, was: Option<&Owner>, wanted: &Tags, owner: &Owner) -> Self {
        let op = was.map_or(&owner.op, |was| &was.op).clone();
        let target = join(&Owner { op, ..owner.clone() }, wanted);
        let present = match was {
            Some(was) => join(was, live),
            None => live.clone(),
        };
        Self {
            set: target
                .iter()
                .filter(|(key, value)| present.get(*key) != Some(value))
                .map(clone_pair)
                .collect(),
            remove: present
                .keys()
                .filter(|key| !target.contains_key(*key))
                .cloned()
                .collect(),
        }
    }
}

fn clone_pair((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

/// Builds the tag type of one SDK crate; some of them insist on checking that key and value are there.
macro_rules! sdk_tags {
    ($tags:expr, $tag:ty) => {
        $tags
            .iter()
            .map(|(key, value)| <$tag>::builder().key(key).value(value).build())
            .collect::<Vec<_>>()
    };
    ($tags:expr, $tag:ty, checked) => {
        $tags
            .iter()
            .map(|(key, value)| {
                <$tag>::builder()
                    .key(key)
                    .value(value)
                    .build()
                    .expect("key and value are set")
            })
            .collect::<Vec<_>>()
    };
}
pub(crate) use sdk_tags;

#[cfg(test)]
mod tests {
    use super::*;
    use lakeform_engine::Kind;

    fn owner(op: &str) -> Owner {
        Owner {
            stack: "shop".to_owned(),
            generation: "g1".to_owned(),
            address: Address::new(Kind::Vpc, "main"),
            op: op.to_owned(),
        }
    }

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn splitting_undoes_joining() {
        let user = tags(&[("team", "data")]);
        let all = join(&owner("op1"), &user);
        assert_eq!(split(all), (user, Some(owner("op1"))));
    }

    #[test]
    fn tags_of_aws_are_nobody_s() {
        assert_eq!(
            split(tags(&[("aws:cloudformation:stack-name", "x"), ("a", "b")])),
            (tags(&[("a", "b")]), None)
        );
    }

    #[test]
    fn a_change_keeps_the_op_of_the_create() {
        let change = TagChange::between(
            &tags(&[("old", "1"), ("same", "2")]),
            Some(&owner("op1")),
            &tags(&[("same", "2"), ("new", "3")]),
            &owner("op2"),
        );
        assert_eq!(
            change,
            TagChange {
                set: tags(&[("new", "3")]),
                remove: vec!["old".to_owned()]
            }
        );
    }

    #[test]
    fn an_adopted_object_gets_all_our_tags() {
        let change = TagChange::between(&Tags::new(), None, &Tags::new(), &owner("op2"));
        assert_eq!(change.set, join(&owner("op2"), &Tags::new()));
    }
}
